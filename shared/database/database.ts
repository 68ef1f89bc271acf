// What a store needs of a database, the same on MySQL and SQLite: reads, and writes that are one whole
// transaction each. `connect.ts` makes one; `lease.ts` says who may write. No SQL of either daemon here.
import type { Knex } from 'knex';

export type Engine = 'mysql' | 'sqlite';

export interface Database {
  readonly engine: Engine;
  /** For reads outside a transaction. Big integers arrive as decimal text or bigint: see `integer`. */
  readonly knex: Knex;
  /**
   * Runs one whole transaction, and the whole of it again after a deadlock (1213), a lock wait timeout
   * (1205) or SQLITE_BUSY. A connection lost in COMMIT throws OutsideFailure `unknown`: look the natural
   * key up before doing anything else.
   */
  transaction<T>(work: (transaction: Knex.Transaction) => Promise<T>): Promise<T>;
  /** A consistent view for several reads. */
  snapshot<T>(work: (transaction: Knex.Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** The right to write: every write transaction of a daemon begins with `fence`. */
export interface Lease {
  /**
   * UPDATE of the lease row that must hit this holder's own epoch, first statement of each transaction.
   * @throws InvariantBroken-like LeaseLost.
   */
  fence(transaction: Knex.Transaction): Promise<void>;
}

/** A whole number column, whatever the driver made of it. @throws RangeError when it is none. */
export function integer(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value);
  throw new RangeError(`not a whole number: ${typeof value} ${String(value).slice(0, 40)}`);
}

/** As `integer`, for columns that are small by their meaning (ids, heights, lengths). */
export function smallInteger(value: unknown): number {
  const result = Number(integer(value));
  if (!Number.isSafeInteger(result)) throw new RangeError(`too large: ${String(value)}`);
  return result;
}

/** Times in both engines are `YYYY-MM-DD HH:MM:SS.mmm` in UTC. */
export const timeText = (now_ms: number): string =>
  new Date(now_ms).toISOString().slice(0, 23).replace('T', ' ');
export const timeFromText = (text: string): number => Date.parse(`${text.replace(' ', 'T')}Z`);
