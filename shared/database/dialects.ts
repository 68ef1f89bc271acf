// The two knex dialects as this project uses them. What differs from knex's own:
//   - errors leave as OutsideFailure or ConfigurationFault, on every path (see errors.ts);
//   - a transaction on SQLite begins IMMEDIATE, so that it never has to upgrade a read to a write;
//   - whole numbers reach SQLite as integers, never as floats;
//   - after a deadlock, a lock wait timeout, a full disk the transaction is broken: each further statement
//     and its COMMIT are refused, so that code which caught the error cannot commit half of a decision;
//   - a connection whose BEGIN, COMMIT or ROLLBACK failed is not used again.
import { createRequire } from 'node:module';
import type { Knex } from 'knex';
import type { Engine } from './database.js';
import { OutsideFailure } from '../errors.js';
import { databaseFailure } from './errors.js';

interface Connection {
  /** knex throws a connection away when this is set. */
  __knex__disposed?: unknown;
  /** Set by knex while a transaction runs on the connection. */
  __knexTxId?: string;
  /** What broke the transaction under way. */
  broken?: OutsideFailure;
  readonly inTransaction?: boolean;
  exec?(sql: string): unknown;
}

interface Statement {
  sql: string;
  bindings?: unknown[];
}

interface RunningTransaction {
  begin(connection: Connection): Promise<unknown>;
  query(connection: Connection, sql: string): Promise<unknown>;
  isCompleted(): boolean;
}

interface Dialect {
  prepBindings(bindings?: readonly unknown[]): readonly unknown[] | undefined;
  query(connection: Connection, statement: Statement | string): Promise<unknown>;
  acquireConnection(): Promise<Connection>;
  transaction(container: unknown, config?: { readOnly?: boolean }, outer?: unknown): RunningTransaction;
}

type DialectClass = new (config: Knex.Config) => Dialect;

// knex documents these modules as the base for dialects of one's own, but ships no types for them.
const require = createRequire(import.meta.url);
const bases: Record<Engine, () => DialectClass> = {
  mysql: () => require('knex/lib/dialects/mysql2/index.js') as DialectClass,
  sqlite: () => require('knex/lib/dialects/better-sqlite3/index.js') as DialectClass,
};

const begins: Record<Engine, { read: string; write: string }> = {
  mysql: { read: 'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', write: 'START TRANSACTION' },
  sqlite: { read: 'BEGIN', write: 'BEGIN IMMEDIATE' },
};

/** SQLite's driver passes every JavaScript number as a float; `count + 1` would then lose its last digits. */
const wholeNumber = (value: unknown): unknown =>
  typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;

/** Which edge of a transaction a statement is; null for the statements inside. */
function frameVerb(sql: string): 'BEGIN' | 'COMMIT' | 'ROLLBACK' | null {
  const match = /^\s*(BEGIN|START TRANSACTION|COMMIT|ROLLBACK)\b(?! TO\b)/i.exec(sql);
  if (!match) return null;
  const verb = (match[1] ?? '').toUpperCase();
  return verb === 'COMMIT' || verb === 'ROLLBACK' ? verb : 'BEGIN';
}

/** A row that was refused leaves the transaction whole; any other failure may have undone part of it. */
function breaksTransaction(connection: Connection, failure: unknown): failure is OutsideFailure {
  return (
    connection.__knexTxId !== undefined && failure instanceof OutsideFailure && failure.kind !== 'refused'
  );
}

/** The class to hand to knex as `client`. */
export function exactDialect(engine: Engine): typeof Knex.Client {
  const Base = bases[engine]();
  const begin = begins[engine];

  class ExactDialect extends Base {
    override async acquireConnection(): Promise<Connection> {
      return super.acquireConnection().catch((error: unknown) => {
        throw databaseFailure(error, 'connect');
      });
    }

    override prepBindings(bindings?: readonly unknown[]): readonly unknown[] | undefined {
      return engine === 'sqlite' ? bindings?.map(wholeNumber) : bindings;
    }

    override async query(connection: Connection, given: Statement | string): Promise<unknown> {
      const statement = typeof given === 'string' ? { sql: given } : given;
      const verb = frameVerb(statement.sql);
      if (connection.broken && verb !== 'BEGIN' && verb !== 'ROLLBACK') {
        if (verb === 'COMMIT' && connection.inTransaction !== false) {
          await super.query(connection, { sql: 'ROLLBACK' });
        }
        throw connection.broken;
      }
      if (verb !== null) delete connection.broken;
      // SQLite itself has rolled back after a full disk or a failed write; asked again, it would complain.
      if (verb === 'ROLLBACK' && connection.inTransaction === false) return undefined;
      try {
        return await super.query(connection, statement);
      } catch (error) {
        const failure = databaseFailure(error, verb === 'COMMIT' ? 'commit' : 'statement');
        if (verb !== null) discard(connection, failure);
        else if (breaksTransaction(connection, failure)) connection.broken = failure;
        throw failure;
      }
    }

    override transaction(
      container: unknown,
      config: { readOnly?: boolean } = {},
      outer?: unknown,
    ): RunningTransaction {
      const transaction = super.transaction(container, config, outer);
      transaction.begin = async (connection) => {
        await transaction.query(connection, config.readOnly === true ? begin.read : begin.write);
        // knex would run the work of a transaction that failed to begin.
        if (transaction.isCompleted()) throw new Error('the transaction did not begin');
      };
      return transaction;
    }
  }
  return ExactDialect as unknown as typeof Knex.Client;
}

/** SQLite keeps its one connection (a database in memory lives in it); a transaction left open is undone. */
function discard(connection: Connection, failure: unknown): void {
  if (!connection.exec) {
    connection.__knex__disposed = failure;
    return;
  }
  if (connection.inTransaction === true) connection.exec('ROLLBACK');
}
