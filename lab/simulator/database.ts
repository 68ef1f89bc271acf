// The database of a simulated pool: SQLite in memory, shared by all processes, each of which has a knex of its own
// over it with the project's own dialect, errors and retries. Between two transactions anybody may come first;
// within one nobody else runs, as SQLite has it. What goes wrong is asked for at each BEGIN, statement and COMMIT
// and is thrown as a driver throws it, so that the real classification decides what it means.
import Sqlite from 'better-sqlite3';
import knexFactory, { type Knex } from 'knex';
import { connect, databaseOver } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { exactDialect } from '../../shared/database/dialects.js';
import { databaseFailure } from '../../shared/database/errors.js';
import { migrate } from '../../shared/database/migrate.js';

export type CommitFate = 'done' | 'killed_before' | 'killed_after' | 'lost_before' | 'lost_after';

/** What happens to one process at the database. */
export interface DatabaseFaults {
  /** Before a connection is taken: the process waits here. @throws a driver's error when nobody answers. */
  connecting(): Promise<void>;
  /** The error with which this statement of a write transaction fails; null: none. */
  statement(): DriverFault | null;
  /** `changes`: whether it wrote anything but the lease. */
  commit(changes: boolean): CommitFate;
  /** The process dies now. */
  kill(): void;
}

export type DriverFault = 'lock_wait' | 'deadlock' | 'busy' | 'disk_full' | 'connection_lost';

export interface SimulatedDatabase {
  readonly raw: Sqlite.Database;
  portFor(faults: DatabaseFaults): Database;
  backUp(): Buffer;
  /** Every process must be dead. */
  restore(copy: Buffer): void;
  close(): void;
}

let schema: Promise<Buffer> | null = null;

/** The whole schema, migrated once for all simulations of this process. */
async function emptySchema(): Promise<Buffer> {
  const database = await connect({ engine: 'sqlite', file: ':memory:' });
  try {
    await migrate(database);
    const client = database.knex.client as Client;
    const connection = (await client.acquireConnection()) as Sqlite.Database;
    const copy = connection.serialize();
    await client.releaseConnection(connection);
    return copy;
  } finally {
    await database.close();
  }
}

export async function createSimulatedDatabase(now_ms: () => number): Promise<SimulatedDatabase> {
  schema ??= emptySchema();
  let raw = open(await schema, now_ms);
  return {
    get raw() { return raw; },
    portFor: (faults) => databaseOver('sqlite', knexOver(() => raw, faults), async () => faults.connecting()),
    backUp: () => raw.serialize(),
    restore: (copy) => {
      raw.close();
      raw = open(copy, now_ms);
    },
    close: () => raw.close(),
  };
}

function open(copy: Buffer, now_ms: () => number): Sqlite.Database {
  const raw = new Sqlite(copy);
  raw.defaultSafeIntegers(true);
  raw.pragma('foreign_keys = ON');
  raw.function('database_now_ms', { deterministic: false }, () => BigInt(Math.trunc(now_ms())));
  return raw;
}

interface Statement {
  sql: string;
  bindings?: readonly unknown[];
  response?: unknown;
  context?: unknown;
}

/** What of knex's client is taken over; it ships no types for it. */
interface Client {
  acquireConnection(): Promise<unknown>;
  releaseConnection(connection?: unknown): Promise<void>;
  _query(connection: unknown, statement: Statement): Promise<Statement>;
  _formatBindings(bindings: readonly unknown[] | undefined): unknown[];
}

function knexOver(raw: () => Sqlite.Database, faults: DatabaseFaults): Knex {
  const Base = exactDialect('sqlite') as unknown as new (config: Knex.Config) => Client;
  const prepared = new Map<string, Sqlite.Statement>();
  const connection = {
    exec: (sql: string) => raw().exec(sql),
    get inTransaction() { return raw().inTransaction; },
  };
  let writing = false;
  let changes = false;

  function run(statement: Statement): Statement {
    let known = prepared.get(statement.sql);
    if (!known) prepared.set(statement.sql, known = raw().prepare(statement.sql));
    return known.reader ? answer(statement, known) : change(statement, known);
  }

  function commit(statement: Statement): Statement | Promise<never> {
    const fate = writing ? faults.commit(changes) : 'done';
    writing = false;
    if (fate === 'killed_before' || fate === 'lost_before') raw().exec('ROLLBACK');
    else run(statement);
    if (fate === 'killed_before' || fate === 'killed_after') {
      faults.kill();
      return new Promise<never>(() => undefined);
    }
    if (fate !== 'done') throw driverError('connection_lost');
    return statement;
  }

  class SimulatedDialect extends Base {
    /** One connection, as the real pool of SQLite has: what asks for another one meanwhile would wait for ever. */
    override async acquireConnection() {
      if (raw().inTransaction) throw new Error('a statement beside its transaction: on SQLite it would never come to its turn');
      await faults.connecting().catch((error: unknown) => { throw databaseFailure(error, 'connect'); });
      return connection;
    }

    override async releaseConnection() {}

    override async _query(_connection: unknown, statement: Statement): Promise<Statement> {
      if (statement.sql.startsWith('COMMIT')) return commit(statement);
      if (statement.sql.startsWith('BEGIN IMMEDIATE')) [writing, changes] = [true, false];
      else if (writing && !statement.sql.startsWith('ROLLBACK')) refuse(faults.statement(), raw());
      changes ||= isChange(statement.sql);
      return run(statement);
    }
  }

  return knexFactory({
    client: SimulatedDialect as unknown as typeof Knex.Client,
    connection: { filename: ':memory:' },
    useNullAsDefault: true,
    compileSqlOnError: false,
    pool: { min: 0, max: 1 },
    log: { warn() {}, error() {}, debug() {}, deprecate() {} },
  });
}

const isChange = (sql: string): boolean => /^(?:insert|update|delete)\b/i.test(sql) && !/_lease`/.test(sql);

function answer(statement: Statement, known: Sqlite.Statement): Statement {
  statement.response = known.all(...bindingsOf(statement));
  return statement;
}

function change(statement: Statement, known: Sqlite.Statement): Statement {
  const response = known.run(...bindingsOf(statement));
  statement.response = response;
  statement.context = { lastID: response.lastInsertRowid, changes: response.changes };
  return statement;
}

const bindingsOf = ({ bindings = [] }: Statement): unknown[] =>
  bindings.map((value) => (typeof value === 'boolean' ? Number(value) : value));

/** A deadlock undoes the whole transaction, a lock wait only its statement, as MySQL's manual has it. */
function refuse(fault: DriverFault | null, raw: Sqlite.Database): void {
  if (fault === null) return;
  if (fault === 'deadlock' || fault === 'connection_lost') raw.exec('ROLLBACK');
  throw driverError(fault);
}

const faces: Readonly<Record<DriverFault, { code: string; errno?: number; fatal?: true; message: string }>> = {
  lock_wait: { code: 'ER_LOCK_WAIT_TIMEOUT', errno: 1205, message: 'Lock wait timeout exceeded' },
  deadlock: { code: 'ER_LOCK_DEADLOCK', errno: 1213, message: 'Deadlock found' },
  busy: { code: 'SQLITE_BUSY', message: 'database is locked' },
  disk_full: { code: 'SQLITE_FULL', message: 'database or disk is full' },
  connection_lost: { code: 'PROTOCOL_CONNECTION_LOST', fatal: true, message: 'Connection lost' },
};

const driverError = (fault: DriverFault): Error => {
  const { message, ...rest } = faces[fault];
  return Object.assign(new Error(message), rest);
};

/** Nobody listens at the server's address. */
export const serverIsDown = (): Error =>
  Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
