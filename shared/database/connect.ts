// Opens the database. Two engines, one behaviour: integers are exact (bigint or decimal text on the way out,
// plain bigint on the way in), times are UTC text, a transaction sees one state of the database from its
// first read on, a commit is on disk when it returns.
//
// Isolation on MySQL is REPEATABLE READ, not READ COMMITTED: payments reads facts of accounting in several
// statements of one transaction and must see one state of them, as it does on SQLite. The first statement
// of a write transaction is the fence of its lease, so the view is taken after the previous holder's commits.
import { closeSync, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Knex } from 'knex';
import { setTimeout as wait } from 'node:timers/promises';
import { ConfigurationFault, OutsideFailure } from '../errors.js';
import { loadKnex } from '../packages.js';
import type { Database, Engine } from './database.js';
import { exactDialect } from './dialects.js';
import { isCollision } from './errors.js';

export type DatabaseSettings =
  | { readonly engine: 'sqlite'; readonly file: string }
  | {
    readonly engine: 'mysql';
    readonly host: string;
    readonly port: number;
    /** A local socket is used instead of host and port when it is set. */
    readonly socket_path: string | null;
    readonly user: string;
    readonly password: string;
    readonly database: string;
  };

export interface ConnectOptions {
  /** The clock of an embedded database (there is no server to ask). The simulator passes its own. */
  readonly now_ms?: () => number;
}

/** Tries of one transaction, the first included. */
const tries_max = 8;
const first_pause_ms = 20;
const connect_timeout_ms = 10_000;
/** A connection on which nothing moves for so long is given up: the other end may be gone without a word. */
const silence_max_ms = 60_000;
const busy_timeout_ms = 250;

/**
 * Checks that the database answers.
 * @throws OutsideFailure when it is out of reach, ConfigurationFault when the login or the file is wrong.
 */
export async function connect(settings: DatabaseSettings, options: ConnectOptions = {}): Promise<Database> {
  const knex = settings.engine === 'sqlite'
    ? openSqlite(settings.file, options.now_ms ?? Date.now)
    : openMysql(settings);
  try {
    await knex.raw('SELECT 1');
  } catch (error) {
    await knex.destroy();
    throw error;
  }
  return databaseOver(settings.engine, knex);
}

/** The port over an open knex. `pause` waits between two tries of a transaction; the simulator passes its own. */
export const databaseOver = (
  engine: Engine, knex: Knex, pause: (duration_ms: number) => Promise<unknown> = wait,
): Database => ({
  engine,
  knex,
  transaction: (work) => transact(knex, work, pause),
  snapshot: (work) => knex.transaction(work, { readOnly: true }),
  close: () => knex.destroy(),
});

async function transact<T>(
  knex: Knex,
  work: (transaction: Knex.Transaction) => Promise<T>,
  pause: (duration_ms: number) => Promise<unknown>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const progress: { at_commit: boolean; failure?: unknown } = { at_commit: false };
    try {
      return await knex.transaction(async (transaction) => {
        const result = await work(transaction).catch((failure: unknown) => {
          progress.failure = failure;
          throw failure;
        });
        progress.at_commit = true;
        return result;
      });
    } catch (last) {
      // What went wrong in the work says more than a ROLLBACK that failed after it.
      const error = progress.failure ?? last;
      if (attempt < tries_max && isCollision(error)) {
        await pause(pause_ms(attempt));
        continue;
      }
      throw progress.at_commit ? error : beforeCommit(error);
    }
  }
}

/** Two that collided should not meet again, so the pause is drawn from a range that doubles. */
const pause_ms = (attempt: number): number => first_pause_ms * 2 ** (attempt - 1) * (0.5 + Math.random());

/** A connection lost before COMMIT was sent: the server rolls back, nothing happened. */
function beforeCommit(error: unknown): unknown {
  if (!(error instanceof OutsideFailure) || error.kind !== 'unknown' || typeof error.code === 'number') {
    return error;
  }
  if (String(error.code).startsWith('SQLITE')) return error;
  return new OutsideFailure('retry', 'database', error.message, error.code, { cause: error });
}

/** knex prints failures to stdout, with stacks; here they are thrown, and stdout belongs to the commands. */
const silent = {
  debug: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  deprecate: () => undefined,
};

interface SqliteConnection {
  pragma(text: string): unknown;
  function(name: string, options: { deterministic: boolean }, body: () => bigint): unknown;
}

/** For commands that only read: they leave no empty file behind, owned by whoever typed them. */
export async function connectExisting(settings: DatabaseSettings): Promise<Database> {
  if (settings.engine === 'sqlite' && !existsSync(settings.file)) {
    throw new ConfigurationFault([
      `The database file ${settings.file} (sql.file) does not exist yet: start accounting, which creates it.`,
    ]);
  }
  return connect(settings);
}

/**
 * The file is made before SQLite opens it, writable for its group as far as the umask allows: two daemons
 * with users of their own share it, and SQLite gives its mode on to the files beside it.
 */
function createFile(file: string): void {
  if (file === ':memory:' || existsSync(file) || !existsSync(dirname(file))) return;
  closeSync(openSync(file, 'a', 0o660));
}

function openSqlite(file: string, now_ms: () => number): Knex {
  createFile(file);
  return loadKnex()({
    client: exactDialect('sqlite'),
    connection: { filename: file, options: { safeIntegers: true } } as Knex.Sqlite3ConnectionConfig,
    useNullAsDefault: true,
    log: silent,
    // An error message names the statement, never its values (and knex cannot print a bigint).
    compileSqlOnError: false,
    acquireConnectionTimeout: connect_timeout_ms,
    pool: {
      min: 1,
      max: 1,
      afterCreate: (
        connection: SqliteConnection,
        done: (error: Error | null, connection: unknown) => void,
      ) => {
        try {
          connection.pragma('journal_mode = WAL');
          connection.pragma('synchronous = FULL');
          connection.pragma('foreign_keys = ON');
          // Short, because waiting here stops the whole process; the transaction is then done again.
          connection.pragma(`busy_timeout = ${busy_timeout_ms}`);
          connection.function('database_now_ms', { deterministic: false }, () =>
            BigInt(Math.trunc(now_ms())),
          );
          done(null, connection);
        } catch (error) {
          done(error as Error, connection);
        }
      },
    },
  });
}

interface MysqlConnection {
  query(sql: string, done: Prepared): void;
  readonly stream: {
    setTimeout(duration_ms: number, elapsed: () => void): void;
    destroy(error: Error): void;
  };
}

const session = `SET SESSION ${[
  "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,"
    + "NO_ZERO_DATE,NO_ZERO_IN_DATE,ONLY_FULL_GROUP_BY'",
  "time_zone = '+00:00'",
  'innodb_lock_wait_timeout = 5',
  'foreign_key_checks = 1',
  'unique_checks = 1',
  'autocommit = 1',
  // A holder that vanished without a word (its machine, its network) would keep its locks, the lease's row
  // among them, for the eight hours of the server's default.
  `wait_timeout = ${silence_max_ms / 1000}`,
].join(', ')}`;
const isolation = 'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ';
/**
 * A node of a Galera cluster applies what the others commit a moment later. A daemon that came to it from a node
 * that died would read a state before its own last commit; so each read and each BEGIN waits until the node has
 * applied what was committed anywhere. And a node that was cut off from the others answers nothing.
 */
const cluster_session = 'SET SESSION wsrep_sync_wait = @@wsrep_sync_wait | 1, wsrep_dirty_reads = OFF';
const unknown_variable = 1193;

type Prepared = (error: Error | null) => void;

function prepareSession(connection: MysqlConnection, done: Prepared): void {
  connection.query(session, (failed) => {
    if (failed) return done(failed);
    connection.query(isolation, (refused) => {
      if (refused) return done(refused);
      connection.query(cluster_session, (error) => {
        // A server that knows no cluster knows no such variable.
        done((error as { errno?: number } | null)?.errno === unknown_variable ? null : error);
      });
    });
  });
}

function openMysql(settings: Extract<DatabaseSettings, { engine: 'mysql' }>): Knex {
  const where = settings.socket_path === null
    ? { host: settings.host, port: settings.port }
    : { socketPath: settings.socket_path };
  return loadKnex()({
    client: exactDialect('mysql'),
    connection: {
      ...where,
      user: settings.user,
      password: settings.password,
      database: settings.database,
      charset: 'utf8mb4_bin',
      timezone: 'Z',
      dateStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
      connectTimeout: connect_timeout_ms,
      // UPDATE reports the rows that its WHERE found, changed or not: a compare-and-set must hit one.
      flags: ['+FOUND_ROWS'],
    } as object,
    log: silent,
    compileSqlOnError: false,
    acquireConnectionTimeout: connect_timeout_ms + 5_000,
    pool: {
      min: 0,
      max: 4,
      afterCreate: (
        connection: MysqlConnection,
        done: (error: Error | null, connection: unknown) => void,
      ) => {
        connection.stream.setTimeout(silence_max_ms, () => {
          connection.stream.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }));
        });
        prepareSession(connection, (error) => done(error, connection));
      },
    },
  });
}
