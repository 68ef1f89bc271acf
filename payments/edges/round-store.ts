// The rows of decided blocks. A block is decided once: its hash is unique, and every later change of state is
// a compare-and-set that must hit one row.
import type { Knex } from 'knex';
import { integer, smallInteger, timeFromText } from '../../shared/database/database.js';
import { inBatches } from '../../shared/database/rows.js';
import { invariant } from '../../shared/errors.js';
import {
  blockHash, blockHeight, place, satoshis, shares, transactionId, type BlockHash,
  type BlockHeight, type Place, type Satoshis, type Shares, type TransactionId,
} from '../../shared/units.js';
import type { RoundState } from '../core/block-state.js';
import { roundStart, type Cut } from '../core/round.js';
import { baselinePlace } from './facts.js';
import { forgetSpentCoins } from './sums-store.js';

export interface RoundDecision extends Cut {
  readonly block_hash: BlockHash;
  readonly height: BlockHeight;
  readonly state: RoundState;
  readonly scheme: string;
  readonly coinbase_txid: TransactionId;
  readonly reward_sats: Satoshis;
  readonly round_shares: Shares;
  readonly pool_fee_ppm: bigint;
  readonly pool_fee_sats: Satoshis;
  readonly carried_in_sats: Satoshis;
  readonly credited_sats: Satoshis;
  readonly carried_out_sats: Satoshis;
  /** The tip when it was decided. */
  readonly tip_height: BlockHeight;
  readonly tip_hash: BlockHash;
  /** `timeText` */
  readonly settled_at: string;
}

export interface Round extends RoundDecision {
  readonly id: number;
  readonly settled_at_ms: number;
}

/** @returns the round's id. A block decided already is refused by the unique key. */
export async function recordRound(transaction: Knex.Transaction, decision: RoundDecision): Promise<number> {
  const [id] = await transaction('rounds').insert({ ...decision });
  return smallInteger(id);
}

/** An orphan is in the active chain after all: the same row, credited, with an empty cut. */
export async function creditOrphan(
  transaction: Knex.Transaction,
  round_id: number,
  decision: RoundDecision,
): Promise<void> {
  // What names the row stays as it is; the login of payments may not even write it.
  const { block_hash, height, ...decided } = decision;
  const changed = await transaction('rounds')
    .where({ id: round_id, state: 'orphaned', block_hash, height })
    .update(decided);
  invariant(changed === 1, `Round ${round_id} was no longer orphaned when it was to be credited.`);
  await forgetSpentCoins(transaction);
}

/** @throws InvariantBroken when the round is not in state `from`. */
export async function changeRoundState(
  transaction: Knex.Transaction, round_id: number, from: RoundState, to: RoundState,
): Promise<void> {
  const changed = await transaction('rounds').where({ id: round_id, state: from }).update({ state: to });
  invariant(changed === 1, `Round ${round_id} was no longer ${from} when it was to become ${to}.`);
  if (to === 'credited') await forgetSpentCoins(transaction);
}

/** Where the next round starts: after everything cut so far, or at the baseline. */
export async function nextRoundStart(knex: Knex): Promise<Place> {
  const [highest] = await knex('rounds').max<{ cut: unknown }[]>({ cut: 'cut_to' });
  const cut = await knex('rounds').whereRaw('cut_to > cut_from').first<{ id: unknown } | undefined>('id');
  const highest_cut = highest?.cut ?? null;
  return roundStart({
    highest_cut: highest_cut === null ? null : place(integer(highest_cut)),
    work_was_cut: cut !== undefined,
    // From then on a baseline moves nothing, and looking for one means looking through all snapshots.
    baseline: cut === undefined ? await baselinePlace(knex) : null,
  });
}

/** Highest block first; `offset` and `limit` for walking down in pages. */
export async function roundsFromTheTop(knex: Knex, offset: number, limit: number): Promise<Round[]> {
  const rows = (await knex('rounds')
    .orderBy([
      { column: 'height', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .offset(offset)
    .limit(limit)) as RoundRow[];
  return rows.map(roundOfRow);
}

/** Rounds recorded after the given id, oldest first. */
export async function roundsAfter(knex: Knex, round_id: number): Promise<Round[]> {
  return (await knex('rounds').where('id', '>', round_id).orderBy('id') as RoundRow[]).map(roundOfRow);
}

/** All decided blocks, lowest first. */
export async function allRounds(knex: Knex): Promise<Round[]> {
  return (await knex('rounds').orderBy(['height', 'id']) as RoundRow[]).map(roundOfRow);
}

/** How many blocks came to which end. */
export async function countRounds(knex: Knex): Promise<Record<RoundState, number>> {
  const counts = { credited: 0, orphaned: 0, lost: 0 };
  const rows = await knex('rounds').groupBy('state').select('state')
    .count({ blocks: '*' }) as unknown as { state: RoundState; blocks: unknown }[];
  for (const { state, blocks } of rows) counts[state] = smallInteger(blocks);
  return counts;
}

/** Rounds that a height or a whole hash names. */
export async function roundsNamed(knex: Knex, block: string): Promise<Round[]> {
  const named = /^(0|[1-9]\d{0,9})$/.test(block) ? { height: Number(block) } : { block_hash: block };
  return (await knex('rounds').where(named).orderBy(['height', 'id']) as RoundRow[]).map(roundOfRow);
}

/** Rounds with these ids, and those to which these places belong, lowest first. */
export async function roundsWith(knex: Knex, ids: readonly number[], places: readonly Place[]): Promise<Round[]> {
  const wanted = new Set([...ids, ...(await roundsOfPlaces(knex, places))]);
  const rows: RoundRow[] = [];
  for (const some of inBatches([...wanted])) rows.push(...await knex('rounds').whereIn('id', some) as RoundRow[]);
  return rows.map(roundOfRow).sort((left, right) => left.height - right.height || left.id - right.id);
}

/** Mostly a round ends where work was cut, and is found by its end; what was cut in its middle is looked for alone. */
async function roundsOfPlaces(knex: Knex, places: readonly Place[]): Promise<number[]> {
  const found = new Map<bigint, number>();
  for (const some of inBatches(places)) {
    const rows = await knex('rounds').whereIn('cut_to', some).whereRaw('cut_to > cut_from')
      .select<{ id: unknown; cut_to: unknown }[]>('id', 'cut_to');
    for (const { id, cut_to } of rows) found.set(integer(cut_to), smallInteger(id));
  }
  for (const at of places) {
    if (found.has(at)) continue;
    const row = await knex('rounds').where('cut_to', '>', at).orderBy(['cut_to', 'cut_from'])
      .first<{ id: unknown; cut_from: unknown } | undefined>('id', 'cut_from');
    if (row && integer(row.cut_from) < at) found.set(at, smallInteger(row.id));
  }
  return [...found.values()];
}

/** Lowest first. */
export async function lostRounds(knex: Knex): Promise<Round[]> {
  return ((await knex('rounds').where({ state: 'lost' }).orderBy(['height', 'id'])) as RoundRow[]).map(
    roundOfRow,
  );
}

export async function roundOfBlock(knex: Knex, hash: BlockHash): Promise<Round | null> {
  const row = await knex('rounds').where({ block_hash: hash }).first() as RoundRow | undefined;
  return row ? roundOfRow(row) : null;
}

type RoundRow = Record<keyof RoundDecision | 'id', unknown>;

const roundOfRow = (row: RoundRow): Round => ({
  id: smallInteger(row.id),
  block_hash: blockHash(String(row.block_hash)),
  height: blockHeight(smallInteger(row.height)),
  state: row.state as RoundState,
  scheme: String(row.scheme),
  coinbase_txid: transactionId(String(row.coinbase_txid)),
  reward_sats: satoshis(integer(row.reward_sats)),
  round_shares: shares(integer(row.round_shares)),
  pool_fee_ppm: integer(row.pool_fee_ppm),
  pool_fee_sats: satoshis(integer(row.pool_fee_sats)),
  carried_in_sats: satoshis(integer(row.carried_in_sats)),
  credited_sats: satoshis(integer(row.credited_sats)),
  carried_out_sats: satoshis(integer(row.carried_out_sats)),
  cut_from: place(integer(row.cut_from)),
  cut_to: place(integer(row.cut_to)),
  tip_height: blockHeight(smallInteger(row.tip_height)),
  tip_hash: blockHash(String(row.tip_hash)),
  settled_at: String(row.settled_at),
  settled_at_ms: timeFromText(String(row.settled_at)),
});
