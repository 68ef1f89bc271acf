// Kept sums of the ledger: what each user's and each account's entries come to up to one event, and up to which
// block all are decided. Written only here, forward and in whole events; read together with the entries that came
// after, in one statement, so that whoever reads a balance sees the sum of all entries whatever is kept. The ledger is
// the truth: nothing here is needed to know it, and `wrongSums` finds where the two differ.
import type { Knex } from 'knex';
import { integer, smallInteger, type Engine } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';

/** An event is summed as a whole, however many entries it has; else about so many entries at once. */
const entries_at_once = 100_000;
const entries_compared_at_once = 100_000;
const users_compared_at_once = 500;

export interface SumsReach {
  readonly event_id: number;
  readonly decided_block_id: number;
  readonly spent_block_id: number;
}

/** What of a user's entries (`entry`, of `event`) counts for which sum. */
const parts: Readonly<Record<string, string>> = {
  earned_sats: "CASE WHEN entry.account = 'miner' AND event.kind IN ('settle', 'reverse') THEN entry.amount_sats ELSE 0 END",
  paid_sats: "CASE WHEN entry.account = 'paid' THEN entry.amount_sats ELSE 0 END",
  network_fee_sats: "CASE WHEN entry.account = 'network_fee' THEN entry.amount_sats ELSE 0 END",
  reserved_sats: "CASE WHEN entry.account = 'reserved' THEN entry.amount_sats ELSE 0 END",
  balance_sats: "CASE WHEN entry.account = 'miner' THEN entry.amount_sats ELSE 0 END",
};
export const user_sum_columns = Object.keys(parts);

/** To the last event that the kept sums hold. */
export const keptTo = (knex: Knex): Knex.QueryBuilder => knex('ledger_sums').where('ledger_sums.id', 1).select('event_id');

/** One row for each user with entries in events above `above` (and up to `up_to`). */
export function sumsOfUsers(
  knex: Knex, above: number | Knex.QueryBuilder, up_to: number | null = null,
): Knex.QueryBuilder {
  const query = knex('ledger_events AS event').join('ledger_entries AS entry', 'entry.event_id', 'event.id')
    .where('event.id', '>', above as number)
    .whereNotNull('entry.user_id').groupBy('entry.user_id').select('entry.user_id')
    .select(Object.entries(parts).map(([name, part]) => knex.raw(`sum(${part}) AS ${name}`)));
  return up_to === null ? query : query.where('event.id', '<=', up_to);
}

/** One row for each account with entries in events above `above` (and up to `up_to`). */
export function sumsOfAccounts(
  knex: Knex, above: number | Knex.QueryBuilder, up_to: number | null = null,
): Knex.QueryBuilder {
  const query = knex('ledger_entries AS entry').where('entry.event_id', '>', above as number)
    .groupBy('entry.account').select('entry.account').sum({ total_sats: 'entry.amount_sats' });
  return up_to === null ? query : query.where('entry.event_id', '<=', up_to);
}

export async function sumsReach(knex: Knex): Promise<SumsReach> {
  const row = await knex('ledger_sums').where({ id: 1 }).first<Record<string, unknown> | undefined>();
  invariant(row, 'The row of ledger_sums is missing: migrate the schema again.');
  return {
    event_id: smallInteger(row.event_id),
    decided_block_id: smallInteger(row.decided_block_id),
    spent_block_id: smallInteger(row.spent_block_id),
  };
}

/** Ids of the last event and the last round; 0 before the first. */
export async function lastDecisions(knex: Knex): Promise<{ readonly event_id: number; readonly round_id: number }> {
  const row = await knex.select({
    event_id: knex('ledger_events').max('id'), round_id: knex('rounds').max('id'),
  }).first<{ event_id: unknown; round_id: unknown } | undefined>();
  return { event_id: smallInteger(row?.event_id ?? 0), round_id: smallInteger(row?.round_id ?? 0) };
}

/**
 * How far the sums can be brought in one transaction, `latest` being the last event; where they are when there is
 * nothing to add.
 */
export async function nextReach(
  knex: Knex, { event_id, decided_block_id, spent_block_id }: SumsReach, latest: number,
): Promise<SumsReach> {
  return {
    event_id: latest <= event_id ? event_id : await boundedTo(knex, event_id, latest),
    decided_block_id: await beforeTheFirst(knex, decided_block_id, (blocks) => blocks.whereNull('rounds.id')),
    spent_block_id: await beforeTheFirst(knex, spent_block_id, (blocks) => withCoinsLeft(knex, blocks)),
  };
}

/** The block before the first one above `from` for which it is so; the last one when there is none. */
async function beforeTheFirst(
  knex: Knex, from: number, which: (blocks: Knex.QueryBuilder) => Knex.QueryBuilder,
): Promise<number> {
  // Before the others: accounting may write a block between the two questions.
  const [highest] = await knex('blocks').max<{ id: unknown }[]>({ id: 'id' });
  const found = await which(blocksWithRound(knex)).where('blocks.id', '>', from).orderBy('blocks.id')
    .first<{ id: unknown } | undefined>('blocks.id');
  if (found) return smallInteger(found.id) - 1;
  return smallInteger(highest?.id ?? from);
}

const blocksWithRound = (knex: Knex): Knex.QueryBuilder =>
  knex('blocks').leftJoin('rounds', 'rounds.block_hash', 'blocks.hash');

/** Of these blocks (with their round) those that may have a coin which no final payout has spent. */
const withCoinsLeft = (knex: Knex, blocks: Knex.QueryBuilder): Knex.QueryBuilder => blocks
  .where((standing) => void standing.whereNull('rounds.id').orWhere('rounds.state', 'credited'))
  .where('blocks.reward_sats', '>', knex('payout_inputs')
    .join('payout_transactions', 'payout_transactions.id', 'payout_inputs.transaction_id')
    .join('payout_batches', 'payout_batches.id', 'payout_transactions.batch_id')
    .whereRaw('payout_inputs.txid = blocks.coinbase_txid')
    .where({ 'payout_inputs.live': 1, 'payout_batches.state': 'final' })
    .select(knex.raw('coalesce(sum(payout_inputs.amount_sats), 0)')));

/** A block or a final payout has come back: which coins are left is found out anew. */
export async function forgetSpentCoins(transaction: Knex.Transaction): Promise<void> {
  await transaction('ledger_sums').where({ id: 1 }).update({ spent_block_id: 0 });
}

async function boundedTo(knex: Knex, from: number, latest: number): Promise<number> {
  const [beyond] = await knex('ledger_entries').where('event_id', '>', from).orderBy('event_id')
    .offset(entries_at_once).limit(1).select<{ event_id: unknown }[]>('event_id');
  if (!beyond) return latest;
  const [first] = await knex('ledger_events').where('id', '>', from).min<{ id: unknown }[]>({ id: 'id' });
  return Math.max(smallInteger(first?.id), smallInteger(beyond.event_id) - 1);
}

const on_conflict: Readonly<Record<Engine, (key: string, columns: readonly string[]) => string>> = {
  mysql: (_, columns) =>
    `ON DUPLICATE KEY UPDATE ${columns.map((name) => `${name} = ${name} + VALUES(${name})`).join(', ')}`,
  sqlite: (key, columns) =>
    `ON CONFLICT (${key}) DO UPDATE SET ${columns.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`,
};

/** Adds the events between to the sums. @throws InvariantBroken when they no longer reach where they were read. */
export async function bringSums(
  transaction: Knex.Transaction, engine: Engine, from: SumsReach, to: SumsReach,
): Promise<void> {
  const changed = await transaction('ledger_sums').where({ id: 1, ...from }).update({ ...to });
  invariant(changed === 1, 'The kept sums of the ledger were moved by somebody else; nothing was added to them.');
  if (to.event_id === from.event_id) return;
  const add = async (table: string, key: string, columns: readonly string[], sums: Knex.QueryBuilder): Promise<void> => {
    const { sql, bindings } = sums.toSQL().toNative();
    const text = `INSERT INTO ${table} (${[key, ...columns].join(', ')}) ${sql} ${on_conflict[engine](key, columns)}`;
    await transaction.raw(text, bindings as Knex.RawBinding[]);
  };
  await add('user_sums', 'user_id', user_sum_columns, sumsOfUsers(transaction, from.event_id, to.event_id));
  await add('account_sums', 'account', ['total_sats'], sumsOfAccounts(transaction, from.event_id, to.event_id));
}

type Sums = Readonly<Record<string, bigint>>;

async function sumsBy(query: Knex.QueryBuilder, key: string): Promise<Map<string, Sums>> {
  const rows = await query as Record<string, unknown>[];
  return new Map(rows.map(({ [key]: name, ...sums }) =>
    [String(name), Object.fromEntries(Object.entries(sums).map(([column, sum]) => [column, integer(sum)]))]));
}

function differing(what: string, kept: ReadonlyMap<string, Sums>, entries: ReadonlyMap<string, Sums>): string[] {
  return [...new Set([...kept.keys(), ...entries.keys()])].flatMap((name) => {
    const columns = Object.keys(kept.get(name) ?? entries.get(name) ?? {});
    return columns.flatMap((column) => {
      const [is, should] = [kept.get(name)?.[column] ?? 0n, entries.get(name)?.[column] ?? 0n];
      return is === should ? [] : [`${what} ${name}: ${column} is kept as ${is} and its entries sum to ${should}`];
    });
  });
}

/** All kept sums against all entries. A sentence for each that differs. */
export async function wrongSums(knex: Knex): Promise<string[]> {
  const { event_id, decided_block_id, spent_block_id } = await sumsReach(knex);
  const undecided = await blocksWithRound(knex).where('blocks.id', '<=', decided_block_id).whereNull('rounds.id')
    .select<{ hash: unknown }[]>('blocks.hash');
  const unspent = await withCoinsLeft(knex, blocksWithRound(knex)).where('blocks.id', '<=', spent_block_id)
    .select<{ hash: unknown }[]>('blocks.hash');
  return [
    ...differing('user', await sumsBy(knex('user_sums').select('user_id', ...user_sum_columns), 'user_id'),
      await sumsBy(sumsOfUsers(knex, 0, event_id), 'user_id')),
    ...differing('account', await sumsBy(knex('account_sums').select('account', 'total_sats'), 'account'),
      await sumsBy(sumsOfAccounts(knex, 0, event_id), 'account')),
    ...undecided.map(({ hash }) => `block ${String(hash)} is counted as decided and has no round`),
    ...unspent.map(({ hash }) => `block ${String(hash)} is counted as spent and has a coin left`),
  ];
}

const usersBetween = (rows: Knex.QueryBuilder, above: number, up_to: number | null): Knex.QueryBuilder =>
  (up_to === null ? rows.where('user_id', '>', above) : rows.where('user_id', '>', above).where('user_id', '<=', up_to));

/** The last of the next so many users, fewer if they have more entries than that; null: all that are left. */
async function lastOfAPage(knex: Knex, user_id: number): Promise<number | null> {
  const [last] = await knex('user_sums').where('user_id', '>', user_id).orderBy('user_id')
    .offset(users_compared_at_once - 1).limit(1).select<{ user_id: unknown }[]>('user_id');
  const by_entries = await lastByEntries(knex, user_id);
  if (!last) return by_entries;
  return by_entries === null ? smallInteger(last.user_id) : Math.min(by_entries, smallInteger(last.user_id));
}

async function lastByEntries(knex: Knex, user_id: number): Promise<number | null> {
  const [beyond] = await knex('ledger_entries').where('user_id', '>', user_id).orderBy('user_id')
    .offset(entries_compared_at_once).limit(1).select<{ user_id: unknown }[]>('user_id');
  if (!beyond) return null;
  const [first] = await knex('ledger_entries').where('user_id', '>', user_id).orderBy('user_id').limit(1)
    .select<{ user_id: unknown }[]>('user_id');
  return Math.max(smallInteger(first?.user_id), smallInteger(beyond.user_id) - 1);
}

/**
 * The sums of the next users by id, without `earned_sats`, which is not a sum of one account: it is compared with
 * what it must equal. `last`: where the next look goes on; null once all were looked at.
 */
export async function wrongSumsAfter(
  knex: Knex, { event_id }: SumsReach, user_id: number,
): Promise<{ readonly wrong: string[]; readonly last: number | null }> {
  const last = await lastOfAPage(knex, user_id);
  const kept = await sumsBy(usersBetween(knex('user_sums'), user_id, last).select('user_id', ...user_sum_columns), 'user_id');
  const entries = usersBetween(knex('ledger_entries'), user_id, last).where('event_id', '<=', event_id)
    .groupBy('user_id', 'account').select('user_id', 'account').sum({ total: 'amount_sats' });
  const found = new Map<string, Record<string, bigint>>();
  for (const { user_id: user, account, total } of await entries as unknown as Record<string, unknown>[]) {
    const sums = found.get(String(user)) ?? { earned_sats: 0n, paid_sats: 0n, network_fee_sats: 0n, reserved_sats: 0n, balance_sats: 0n };
    const column = account === 'miner' ? 'balance_sats' : `${String(account)}_sats`;
    sums[column] = integer(total);
    sums['earned_sats'] = (sums['earned_sats'] ?? 0n) + integer(total);
    found.set(String(user), sums);
  }
  return { wrong: differing('user', kept, found), last };
}
