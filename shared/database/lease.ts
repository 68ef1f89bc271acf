// Who may write. One row per daemon holds an epoch; taking the lease raises it, and every write transaction
// begins with an UPDATE that must find the row at its own epoch. So a process that was stopped, replaced and
// woken again writes nothing, whatever it believes; the same UPDATE takes SQLite's write lock and the row
// lock of MySQL. It expires by the database's clock after 10 s without a write; a clean exit gives it back
// at once. If taking it dies after COMMIT, the row expires; nobody held it. A row that would last longer than any
// holder can make it was written before the database's clock was set back: it has expired once it has stood
// unchanged for as long as a lease lasts, for a holder that lives would have renewed it meanwhile.
import type { Knex } from 'knex';
import type { Clock } from '../clock.js';
import { OutsideFailure } from '../errors.js';
import { integer, type Database, type Engine, type Lease } from './database.js';

export type LeaseTable = 'accounting_lease' | 'payments_lease';

/** The holder's right to write is gone: another process took over. Stop; never try again with this lease. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

export interface LeaseRow {
  /** For a sentence to an operator; empty when nobody holds it. */
  readonly holder: string;
  readonly epoch: bigint;
  readonly expires_at_ms: bigint;
  /** Later than the database's clock, as it is now, lets a holder write. */
  readonly is_overlong: boolean;
}

interface StoredLease {
  readonly holder: string;
  readonly epoch: unknown;
  readonly expires_at_ms: unknown;
  readonly now_ms: unknown;
}

export interface DaemonLease extends Lease {
  /** The epoch under which this process writes, null before it took the lease. */
  readonly epoch: bigint | null;
  /** False while another holder's lease has not expired; `stuck` is one that has by the time it stood unchanged. */
  tryTake(stuck?: LeaseRow | null): Promise<boolean>;
  /** The row as it stands. */
  current(): Promise<LeaseRow>;
  /** A transaction that does nothing but fence. @throws LeaseLost */
  renew(): Promise<void>;
  /** Gives the lease back so that the next start need not wait; nothing happens if it was lost before. */
  release(): Promise<void>;
}

export const lease_duration_ms = 10_000;
const look_again_ms = 250;

/** The database's own clock in milliseconds, the one expression that differs between the engines. */
const now_ms: Record<Engine, string> = {
  mysql: 'CAST(unix_timestamp(now(3)) * 1000 AS SIGNED)',
  sqlite: 'database_now_ms()',
};

/** `holder` is for people: host, process id, what it was started as. */
export function createLease(database: Database, table: LeaseTable, holder: string): DaemonLease {
  const now = now_ms[database.engine];
  // Twice in one millisecond must differ as well: a row that does not change is no write, and the nodes of a
  // cluster compare nothing but writes, so that a stale holder could commit beside the one that replaced it.
  const until_ms = `${now} + ${lease_duration_ms}`;
  const always_new = `${until_ms} + (expires_at_ms = ${until_ms})`;
  let epoch: bigint | null = null;

  async function fence(transaction: Knex.Transaction): Promise<void> {
    if (epoch === null) throw new LeaseLost(`${table} is not held by this process`);
    const hit = await transaction(table)
      .where({ id: 1, epoch: epoch })
      .update({ expires_at_ms: transaction.raw(always_new) });
    if (hit !== 1) throw new LeaseLost(`${table} was taken over by another process: this one stops`);
  }

  async function tryTake(stuck: LeaseRow | null = null): Promise<boolean> {
    const taken = await database.transaction(async (transaction) => {
      const row_to_take = transaction(table).where('id', 1);
      const hit = await (stuck
        ? row_to_take.where({ epoch: stuck.epoch, expires_at_ms: stuck.expires_at_ms })
        : row_to_take.whereRaw(`expires_at_ms <= ${now}`))
        .update({
          epoch: transaction.raw('epoch + 1'),
          holder: holder.slice(0, 255),
          expires_at_ms: transaction.raw(until_ms),
        });
      if (hit !== 1) return null;
      const row = await transaction(table).where('id', 1).first<{ epoch: unknown }>('epoch');
      return integer(row.epoch);
    });
    if (taken === null) return false;
    epoch = taken;
    return true;
  }

  async function release(): Promise<void> {
    if (epoch === null) return;
    const own = epoch;
    epoch = null;
    // The epoch rises here too, so that nothing of this process still under way can pass the fence.
    await database.transaction((transaction) => transaction(table)
      .where({ id: 1, epoch: own })
      .update({ epoch: transaction.raw('epoch + 1'), holder: '', expires_at_ms: 0 }));
  }

  return {
    get epoch() { return epoch; },
    fence,
    tryTake,
    current: async () => {
      const row = await database.knex(table).where('id', 1).first<StoredLease | undefined>(
        'holder', 'epoch', 'expires_at_ms', database.knex.raw(`${now} AS now_ms`));
      const expires_at_ms = integer(row?.expires_at_ms ?? 0);
      return {
        holder: row?.holder ?? '', epoch: integer(row?.epoch ?? 0), expires_at_ms,
        is_overlong: expires_at_ms > integer(row?.now_ms ?? 0) + BigInt(lease_duration_ms),
      };
    },
    renew: () => database.transaction(fence),
    release,
  };
}

export interface WaitForLease {
  readonly clock: Clock;
  readonly stop: AbortSignal;
  /** Null: as long as it takes. */
  readonly wait_ms: number | null;
  readonly log?: { info(message: string, fields?: Record<string, unknown>): void };
}

/**
 * Waits until the lease is held. False when `stop` was given first.
 * @throws OutsideFailure `retry` when the time is up or the database stayed out of reach.
 */
export async function takeLease(
  lease: DaemonLease,
  { clock, stop, wait_ms, log }: WaitForLease,
): Promise<boolean> {
  const until = wait_ms === null ? Infinity : clock.monotonic_ms() + wait_ms;
  const watch: Watch = { row: null, since_ms: 0 };
  let told = false;
  while (!stop.aborted) {
    const failure = await attempt(lease, watch, clock.monotonic_ms());
    if (failure === null) return true;
    if (clock.monotonic_ms() >= until) throw failure;
    if (!told) log?.info('waiting for the lease', { reason: failure.message });
    told = true;
    await clock.sleep(look_again_ms, stop);
  }
  return false;
}

/** An overlong row, and since when it stands as it does. */
interface Watch {
  row: LeaseRow | null;
  since_ms: number;
}

/** Null when it was taken, else why not. */
async function attempt(lease: DaemonLease, watch: Watch, now_ms: number): Promise<OutsideFailure | null> {
  try {
    const stuck = watch.row !== null && now_ms - watch.since_ms > lease_duration_ms ? watch.row : null;
    if (await lease.tryTake(stuck)) return null;
    const row = await lease.current();
    if (!row.is_overlong) watch.row = null;
    else if (watch.row?.epoch !== row.epoch || watch.row.expires_at_ms !== row.expires_at_ms) {
      Object.assign(watch, { row, since_ms: now_ms });
    }
    const { holder } = row;
    return new OutsideFailure(
      'retry',
      'database',
      `Another process of this daemon (${holder}) runs, or was killed less than 10 s ago: stop it, or wait.`,
      'lease',
    );
  } catch (error) {
    if (error instanceof OutsideFailure && error.kind !== 'refused') return error;
    throw error;
  }
}
