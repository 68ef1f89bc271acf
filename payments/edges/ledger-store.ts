// The ledger's rows: append-only double entry in satoshis. One event for each decision, unique by its cause,
// so that a decision taken twice fails on the key instead of moving money twice. Nothing here updates or
// deletes; a balance is always a sum of entries.
import type { Knex } from 'knex';
import { integer, smallInteger } from '../../shared/database/database.js';
import { insertRows } from '../../shared/database/many-rows.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import {
  balancedEntries, type LedgerAccount, type LedgerEntry, type LedgerEventKind,
} from '../core/ledger.js';
import { keptTo, sumsOfAccounts, sumsOfUsers, user_sum_columns } from './sums-store.js';

/** Ids in one question: no engine takes any number of them. */
const users_at_once = 200;

export interface LedgerEvent {
  readonly kind: LedgerEventKind;
  /**
   * What decided it, such as `settle:<block hash>`; a second event of the same cause is refused by the key.
   */
  readonly cause: string;
  readonly round_id: number | null;
  readonly batch_id: number | null;
  readonly detail: string;
  /** `timeText(clock.now_ms())` */
  readonly occurred_at: string;
  readonly entries: readonly LedgerEntry[];
}

/**
 * Posts one event with its entries, inside the transaction of the decision that it books.
 * @throws InvariantBroken when the entries do not sum to zero; a duplicate key error on a known cause.
 */
export async function postEvent(transaction: Knex.Transaction, event: LedgerEvent): Promise<void> {
  const entries = balancedEntries(event.entries);
  const { kind, cause, round_id, batch_id, detail, occurred_at } = event;
  const [inserted] = await transaction('ledger_events').insert({
    kind,
    cause,
    round_id,
    batch_id,
    detail,
    occurred_at,
  });
  const event_id = smallInteger(inserted);
  await insertRows(
    transaction, { table: 'ledger_entries', columns: ['event_id', 'account', 'user_id', 'amount_sats'] },
    entries.map(({ account, user_id, amount_sats }) => [event_id, { word: account }, user_id, amount_sats]),
  );
}

export interface MinerBalance {
  readonly user_id: number;
  readonly name: NameBytes;
  readonly balance_sats: Satoshis;
  /** earned = paid + network fee + reserved + balance, for every user. */
  readonly earned_sats: Satoshis;
  readonly paid_sats: Satoshis;
  readonly network_fee_sats: Satoshis;
  readonly reserved_sats: Satoshis;
}

/** Every user with a ledger entry (of these), by user id. A user's sum of satoshis stays far below 2^63. */
export async function minerBalances(knex: Knex, user_ids?: readonly number[]): Promise<MinerBalance[]> {
  const later = sumsOfUsers(knex, keptTo(knex));
  if (user_ids !== undefined) void later.whereIn('entry.user_id', user_ids);
  const query = withSums(knex, later).orderBy('users.id').select('users.id', 'users.name')
    .select(user_sum_columns.map((name) => knex.raw(`coalesce(kept.${name}, 0) + coalesce(later.${name}, 0) AS ${name}`)));
  if (user_ids !== undefined) void query.whereIn('users.id', user_ids);
  const rows = await query as Record<string, unknown>[];
  return rows.map((row) => ({
    user_id: smallInteger(row.id),
    name: nameFromBuffer(row.name as Uint8Array),
    balance_sats: satoshis(integer(row.balance_sats)),
    earned_sats: satoshis(integer(row.earned_sats)),
    paid_sats: satoshis(integer(row.paid_sats)),
    network_fee_sats: satoshis(integer(row.network_fee_sats)),
    reserved_sats: satoshis(integer(row.reserved_sats)),
  }));
}

/** The ids of users with a balance above zero. */
export const owedUsers = (knex: Knex): Knex.QueryBuilder => withSums(knex, sumsOfUsers(knex, keptTo(knex)))
  .whereRaw('coalesce(kept.balance_sats, 0) + coalesce(later.balance_sats, 0) > 0')
  .select('users.id AS user_id');

/** Users with a ledger entry, their kept sums beside those of what came later. */
const withSums = (knex: Knex, later: Knex.QueryBuilder): Knex.QueryBuilder => knex('users')
  .leftJoin('user_sums AS kept', 'kept.user_id', 'users.id')
  .leftJoin(later.as('later'), 'later.user_id', 'users.id')
  .where((either) => void either.whereNotNull('kept.user_id').orWhereNotNull('later.user_id'));

/** The balance of each account over all users and the pool itself; an account without entries is zero. */
export async function accountBalances(knex: Knex): Promise<Record<LedgerAccount, Satoshis>> {
  const none = satoshis(0n);
  const balances: Record<LedgerAccount, Satoshis> = {
    coinbase: none, miner: none, reserved: none, paid: none,
    network_fee: none, pool_fee: none, carry: none, orphan_loss: none,
  };
  const rows = await knex('account_sums').select('account', 'total_sats')
    .unionAll([sumsOfAccounts(knex, keptTo(knex))]) as { account: LedgerAccount; total_sats: unknown }[];
  for (const { account, total_sats } of rows) balances[account] = satoshis(balances[account] + integer(total_sats));
  return balances;
}

/**
 * What each of these users is owed now, by their entries alone; a user without entries is left out. Whatever is kept
 * besides, a payout is promised by this.
 */
export async function balancesOf(knex: Knex, user_ids: readonly number[]): Promise<Map<number, Satoshis>> {
  const balances = new Map<number, Satoshis>();
  for (let start = 0; start < user_ids.length; start += users_at_once) {
    const sums = await knex('ledger_entries').where('account', 'miner')
      .whereIn('user_id', user_ids.slice(start, start + users_at_once))
      .groupBy('user_id').select('user_id')
      .sum({ total: 'amount_sats' }) as unknown as { user_id: unknown; total: unknown }[];
    for (const { user_id, total } of sums) balances.set(smallInteger(user_id), satoshis(integer(total)));
  }
  return balances;
}

export interface RoundLedger {
  /** How many events the round has had. */
  readonly events: number;
  /** The latest event that settled, reversed or restored the whole round. */
  readonly event_id: number;
  /** By which it was first settled. */
  readonly settled: readonly LedgerEntry[];
  /**
   * What all of them together have come to: the same while it is credited, what is left of it once it
   * is lost.
   */
  readonly net: readonly LedgerEntry[];
}

/** null for a round without events: an orphan. */
export async function roundLedger(knex: Knex, round_id: number): Promise<RoundLedger | null> {
  const events = await knex('ledger_events').where({ round_id }).orderBy('id')
    .select<{ id: unknown; batch_id: unknown }[]>('id', 'batch_id');
  const latest = events.filter(({ batch_id }) => batch_id === null).at(-1);
  if (!latest) return null;
  const entries: LedgerEntry[] = [];
  for (const { id } of events) entries.push(...await entriesOf(knex, id));
  return {
    events: events.length, event_id: smallInteger(latest.id),
    settled: await roundEntries(knex, round_id), net: balancedEntries(entries),
  };
}

/** 0 before the first. */
export async function lastEventId(knex: Knex): Promise<number> {
  const [row] = await knex('ledger_events').max<{ id: unknown }[]>({ id: 'id' });
  return smallInteger(row?.id ?? 0);
}

/** The event by which a batch was promised. */
export async function reservedBy(knex: Knex, batch_id: number): Promise<number> {
  const row = await knex('ledger_events')
    .where({ batch_id, kind: 'reserve' })
    .first<{ id: unknown } | undefined>('id');
  return row ? smallInteger(row.id) : Infinity;
}

/** The balance of one of the pool's own accounts. */
export async function poolBalance(
  knex: Knex,
  account: 'carry' | 'pool_fee' | 'orphan_loss',
): Promise<Satoshis> {
  const [sum] = await knex('ledger_entries').whereNull('user_id').where({ account })
    .sum({ total: 'amount_sats' }) as unknown as { total: unknown }[];
  return satoshis(sum?.total === null || sum === undefined ? 0n : integer(sum.total));
}

/** The entries by which a round was first settled; empty when it was not credited. */
export async function roundEntries(knex: Knex, round_id: number): Promise<LedgerEntry[]> {
  const event = await knex('ledger_events').where({ round_id, kind: 'settle' }).orderBy('id')
    .first<{ id: unknown } | undefined>('id');
  return event ? entriesOf(knex, event.id) : [];
}

async function entriesOf(knex: Knex, event_id: unknown): Promise<LedgerEntry[]> {
  const rows = await knex('ledger_entries')
    .where({ event_id: event_id as number })
    .orderBy('id')
    .select<{ account: LedgerAccount; user_id: unknown; amount_sats: unknown }[]>(
      'account',
      'user_id',
      'amount_sats',
    );
  return rows.map(({ account, user_id, amount_sats }) => ({
    account,
    user_id: user_id === null ? null : smallInteger(user_id),
    amount_sats: satoshis(integer(amount_sats)),
  }));
}

export interface UnbalancedEvent {
  readonly event_id: number;
  readonly total_sats: bigint;
}

/** Events whose entries do not sum to zero: none, unless somebody wrote past this store. */
export async function unbalancedEvents(knex: Knex): Promise<UnbalancedEvent[]> {
  const rows = await knex('ledger_entries').groupBy('event_id').havingRaw('sum(amount_sats) <> 0')
    .select('event_id').sum({ total: 'amount_sats' }) as unknown as { event_id: unknown; total: unknown }[];
  return rows.map(({ event_id, total }) => ({ event_id: smallInteger(event_id), total_sats: integer(total) }));
}
