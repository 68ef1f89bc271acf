// What a failure of the database means. Each code of MySQL, MariaDB or SQLite that is listed here has one
// meaning and one sentence that tells an operator what to do; a code that is not listed is `unknown`, never
// `retry`: to do again what may already have happened is how miners are paid twice.
import { ConfigurationFault, OutsideFailure, type FailureKind } from '../errors.js';

/** Where the failure struck: nothing was sent yet; a statement was; or COMMIT was. */
export type Stage = 'connect' | 'statement' | 'commit';

interface DriverError extends Error {
  code?: string;
  errno?: number;
  fatal?: boolean;
  sqlMessage?: string;
}

interface Meaning {
  readonly kind: FailureKind | 'configuration';
  readonly sentence: string;
}

const refused = (sentence: string): Meaning => ({ kind: 'refused', sentence });
const retry = (sentence: string): Meaning => ({ kind: 'retry', sentence });
const configuration = (sentence: string): Meaning => ({ kind: 'configuration', sentence });

const row_refused = refused('The database refused the row, because it breaks a rule of the schema');
const schema_differs = refused(
  'A table or column is missing: run `obtc-accounting migrate`, and start the same version of both daemons');
const not_granted = refused(
  'The database login lacks a right: apply sql/mysql/grants.sql as an administrator',
);
const bad_login = configuration('The database refused the login: check sql.auth and sql.pass');
const no_such_database = configuration(
  'The database named by sql.database does not exist or the login may not use it: '
  + 'create it and grant sql.auth',
);
const collided = retry('Another transaction held the same rows; this one is done again');
/** The second half: a node that was cut off answers so to a read that wants what all others committed. */
const waited_in_vain = retry(
  'Another transaction held the same rows, or the node of a cluster did not catch up in time; this is done again',
);
const disk_full = retry('The disk of the database is full: free space there; nothing was lost');
const server_read_only = retry(
  'The database server is read-only: make it writable, or point sql.host at the primary',
);
const too_many = retry(
  'The database server has no connection free: raise max_connections or stop other clients',
);
const cut_off = retry(
  'The node of the database cluster is not in step with the majority (cut off, or still joining): '
  + 'it is asked again; lead sql.host to a node that is',
);
const gave_up = retry('The database gave up the statement; it is asked again');
const stopping = retry('The database server is shutting down; it is asked again when it is back');

/** MySQL 8 and MariaDB by error number. */
const by_errno = new Map<number, Meaning>([
  ...[1048, 1062, 1216, 1217, 1264, 1265, 1292, 1364, 1366, 1406, 1451, 1452, 1644, 1690, 3819, 4025].map(
    (errno) => [errno, row_refused] as const,
  ),
  ...[1054, 1146, 1305].map((errno) => [errno, schema_differs] as const),
  ...[1142, 1143, 1227, 1370].map((errno) => [errno, not_granted] as const),
  ...[1045, 1130, 1251, 1698, 2059].map((errno) => [errno, bad_login] as const),
  ...[1044, 1049].map((errno) => [errno, no_such_database] as const),
  ...[1020, 1213].map((errno) => [errno, collided] as const),
  [1205, waited_in_vain],
  ...[1021, 1114].map((errno) => [errno, disk_full] as const),
  ...[1290, 1792, 1836].map((errno) => [errno, server_read_only] as const),
  ...[1040, 1203, 1226].map((errno) => [errno, too_many] as const),
  ...[1053, 1927, 4031].map((errno) => [errno, stopping] as const),
  [1047, cut_off],
  ...[1317, 1969, 3024].map((errno) => [errno, gave_up] as const),
  [
    1064,
    refused('The database does not understand the statement: it must be MySQL 8 or MariaDB 10.6 or newer'),
  ],
  [1129, retry('The database server blocks this host after failed connections: run FLUSH HOSTS there')],
  [1153, refused('The statement is larger than max_allowed_packet of the database: raise it')],
  [
    1419,
    refused(
      'The server lets only an administrator create triggers while it keeps a binary log: run '
        + '`obtc-accounting migrate` with an administrator in sql.auth, '
        + 'or set log_bin_trust_function_creators=1',
    ),
  ],
]);

const file_not_writable = configuration(
  'The database file cannot be written: give the file of sql.file and its directory to the daemon\'s user');
const file_not_openable = configuration(
  'The database file cannot be opened: check sql.file, its directory and its permissions');

/** SQLite by the first words of its code: SQLITE_CONSTRAINT_UNIQUE is found by SQLITE_CONSTRAINT. */
const by_sqlite_code: readonly (readonly [string, Meaning])[] = [
  ['SQLITE_CONSTRAINT', row_refused],
  ['SQLITE_MISMATCH', row_refused],
  ['SQLITE_TOOBIG', row_refused],
  ['SQLITE_BUSY', collided],
  ['SQLITE_LOCKED', collided],
  ['SQLITE_FULL', disk_full],
  ['SQLITE_READONLY', file_not_writable],
  ['SQLITE_PERM', file_not_writable],
  ['SQLITE_CANTOPEN', file_not_openable],
  ['SQLITE_NOTADB', configuration('The file of sql.file is not a SQLite database: name another file')],
  ['SQLITE_CORRUPT', refused('The database file is damaged: stop both daemons and restore the backup')],
  ['SQLITE_ERROR', schema_differs],
];

const unreachable = retry(
  'The database cannot be reached: start it, or check sql.host, sql.port and sql.socket',
);
const not_sent = new Set([
  'ECONNREFUSED', 'ENOENT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EACCES',
]);
const cut = new Set([
  'PROTOCOL_CONNECTION_LOST', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED', 'PROTOCOL_SEQUENCE_TIMEOUT',
  'ERR_STREAM_DESTROYED', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_WRITE_AFTER_END',
]);
/** At COMMIT only these say for certain that nothing was committed. */
const certain_at_commit = new Set<number | string>([
  1213, 1205, 1020, 'SQLITE_BUSY', 'SQLITE_FULL', 'SQLITE_CONSTRAINT_FOREIGNKEY',
]);

/**
 * Turns an error of a driver into one of ours. Errors that no database made (a bug, a failure that is already
 * classified) come back as they are.
 */
export function databaseFailure(error: unknown, stage: Stage): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof OutsideFailure || error instanceof ConfigurationFault) return error;
  const failure = error as DriverError;
  if (failure.name === 'KnexTimeoutError') return outside(none_free, failure, null);
  if (failure instanceof TypeError && failure.message.includes('directory does not exist')) {
    return configurationFault(
      'The directory of the database file does not exist: create it, or correct sql.file.',
      error,
    );
  }
  const code = failure.errno !== undefined && failure.errno > 0 ? failure.errno : failure.code;
  if (code === undefined && failure.fatal !== true) return error;
  const meaning = meaningOf(code, stage);
  if (meaning.kind === 'configuration') {
    return configurationFault(`${meaning.sentence}${detailOf(failure)}.`, error);
  }
  return outside(meaning, failure, code ?? null);
}

function meaningOf(code: string | number | undefined, stage: Stage): Meaning {
  if (typeof code === 'string' && code.startsWith('SQLITE_IOERR')) return file_failed;
  if (stage === 'commit' && !certain_at_commit.has(code ?? '')) {
    return no_answer_to_commit;
  }
  if (typeof code === 'number') return by_errno.get(code) ?? unlisted;
  if (code === undefined) return lost(stage);
  if (cut.has(code)) return lost(stage);
  if (stage === 'connect' && not_sent.has(code)) return unreachable;
  return by_sqlite_code.find(([start]) => code.startsWith(start))?.[1] ?? unlisted;
}

const none_free = retry('No connection to the database became free in time');
const file_failed: Meaning = {
  kind: 'unknown',
  sentence:
    'The database file could not be read or written: look at the disk of sql.file and its quota; '
    + 'what the last '
    + 'COMMIT came to is looked up when it can be',
};
const no_answer_to_commit: Meaning = {
  kind: 'unknown',
  sentence: 'The answer to COMMIT is missing: whether it took effect is looked up before anything else',
};
const unlisted: Meaning = {
  kind: 'unknown',
  sentence: 'The database failed in a way this program does not know',
};

const lost = (stage: Stage): Meaning => stage === 'connect'
  ? unreachable
  : { kind: 'unknown', sentence: 'The connection to the database was lost: it is opened again' };

const configurationFault = (sentence: string, cause: unknown): ConfigurationFault =>
  new ConfigurationFault([sentence], { cause });

function outside(meaning: Meaning, failure: DriverError, code: string | number | null): OutsideFailure {
  const kind = meaning.kind === 'configuration' ? 'refused' : meaning.kind;
  return new OutsideFailure(kind, 'database', `${meaning.sentence}${detailOf(failure)}.`, code, {
    cause: failure,
  });
}

/** The server's own words hold bytes of names; what a terminal would obey is taken out. */
function detailOf(failure: DriverError): string {
  // knex puts the statement before SQLite's message.
  const words =
    failure.sqlMessage ?? failure.message.slice(failure.message.lastIndexOf(' - ') + 1).replace(/^- /, '');
  const code = failure.code ?? failure.errno;
  const clean = words.replace(/[^ -~]/g, '?').slice(0, 200).replace(/\.$/, '');
  return clean === '' ? '' : ` (${code === undefined ? '' : `${code}: `}${clean})`;
}

/** A second row with the same unique key: the decision was already written down. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof OutsideFailure && (error.code === 1062
    || error.code === 'SQLITE_CONSTRAINT_UNIQUE' || error.code === 'SQLITE_CONSTRAINT_PRIMARYKEY');
}

/** The whole transaction can be done again at once: deadlock, lock wait, busy. */
export function isCollision(error: unknown): boolean {
  if (!(error instanceof OutsideFailure) || error.kind !== 'retry') return false;
  const code = String(error.code);
  return (
    ['1020', '1205', '1213'].includes(code)
    || code.startsWith('SQLITE_BUSY')
    || code.startsWith('SQLITE_LOCKED')
  );
}
