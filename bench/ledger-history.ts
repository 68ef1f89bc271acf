// A long history, as payments would have written it, made by the database itself from sequences: so many blocks, all
// settled, each credited to the users who had worked, and every tenth followed by a payout of what it credited, of
// ten coinbases. Rules A and B hold in every row. Written with the checks of foreign keys off, in pieces, because twenty
// million entries are to be there in minutes; added up as the daemon does.
import { setTimeout as wait } from 'node:timers/promises';
import { bringSums, type SumsReach } from '../payments/edges/sums-store.js';
import type { Database } from '../shared/database/database.js';
import { rowsOf } from '../shared/database/rows.js';
import { writeBlocks } from './payment-facts.js';

export interface History {
  readonly users: number;
  /** A multiple of ten. */
  readonly blocks: number;
  /** How many users each block credits. */
  readonly workers: number;
}

/** Of each block: coinbase, fee, credits; of each tenth: a promise and a payment of as many credits but one. */
const entriesOfTen = (workers: number): number => 10 * (2 + workers) + 5 * (workers - 1);

export const entriesOf = ({ blocks, workers }: History): number => (blocks / 10) * entriesOfTen(workers);

/** The history of so many blocks whose entries come nearest to so many. */
export function historyOf(users: number, blocks: number, entries: number): History {
  const whole_blocks = Math.max(10, Math.round(blocks / 10) * 10);
  const workers = Math.round((entries / (whole_blocks / 10) - 15) / 15);
  return { users, blocks: whole_blocks, workers: Math.min(users, Math.max(2, workers)) };
}

const at = '2026-01-01 00:00:00.000';
const reward_sats = 5_000_000_000;
const fee_sats = 50_000_000;
const network_fee_sats = 1;
const blocks_at_once = 2_000;
const dirty_pages_max = 100;
const flush_look_ms = 250;
const flush_looks_max = 240;

/** Blocks 1 to `blocks`; users are there. An event's id tells what it is: 100 × height, and 1 or 2 more for payouts. */
export async function writeHistory(
  database: Database, history: History, { stop, say }: { readonly stop: AbortSignal; readonly say: (text: string) => void },
): Promise<void> {
  for (let from = 1; from <= history.blocks; from += blocks_at_once) {
    stop.throwIfAborted();
    const to = Math.min(history.blocks, from + blocks_at_once - 1);
    await database.knex.transaction(async (transaction) => {
      await transaction.raw('SET SESSION foreign_key_checks = 0, unique_checks = 0');
      const piece: Database = { ...database, knex: transaction };
      await writeBlocks(piece, { from, to, users: history.users, workers: history.workers });
      await settleBlocks(piece, history, from, to);
      await payBlocks(piece, history, from, to);
      await bringSums(transaction, 'mysql', reachAt(from - 1), reachAt(to));
      await transaction.raw('SET SESSION foreign_key_checks = 1, unique_checks = 1');
    });
    if (to % (10 * blocks_at_once) === 0) say(`${to} of ${history.blocks} blocks are written`);
  }
  await writtenOut(database, stop);
}

/** What the server has still to do for what was written is not the daemon's: its pages go to disk first. */
async function writtenOut({ knex }: Database, stop: AbortSignal): Promise<void> {
  await knex.raw('SET GLOBAL innodb_max_dirty_pages_pct = 0');
  for (let looks = 0; looks < flush_looks_max; looks += 1) {
    const [row] = await rowsOf<{ Value: string }>(knex, "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'");
    if (Number(row?.Value) < dirty_pages_max) break;
    await wait(flush_look_ms, undefined, { signal: stop });
  }
  await knex.raw('SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT');
}

/** After a tenth block all coinbases up to it are spent. */
const reachAt = (height: number): SumsReach => ({
  event_id: height === 0 ? 0 : height * 100 + 2, decided_block_id: height, spent_block_id: height,
});

/** Everybody gets the same whole number of satoshis; the first one the rest, which is what largest fractions come to. */
async function settleBlocks({ knex }: Database, { users, workers }: History, from: number, to: number): Promise<void> {
  const heights = `seq_${from}_to_${to}`;
  const divided = reward_sats - fee_sats;
  const each = Math.floor(divided / workers);
  const hash = "lpad(lower(hex(seq)), 64, '0')";
  await knex.raw(`INSERT INTO rounds (id, block_hash, height, state, scheme, coinbase_txid, reward_sats, round_shares,
      pool_fee_ppm, pool_fee_sats, carried_in_sats, credited_sats, carried_out_sats, cut_from, cut_to, tip_height, tip_hash,
      settled_at)
    SELECT seq, ${hash}, seq, 'credited', 'prop', concat('c', lpad(lower(hex(seq)), 63, '0')), ${reward_sats},
      ${workers} * 1000 + ${workers} * (${workers} - 1) DIV 2, 10000, ${fee_sats}, 0, ${divided}, 0,
      (seq - 1) * 1000, seq * 1000, seq + 100, ${hash}, '${at}' FROM ${heights}`);
  await knex.raw(`INSERT INTO ledger_events (id, kind, cause, round_id, detail, occurred_at)
    SELECT seq * 100, 'settle', concat('settle:', ${hash}), seq, '', '${at}' FROM ${heights}`);
  await knex.raw(`INSERT INTO ledger_entries (event_id, account, user_id, amount_sats)
    SELECT h.seq * 100, if(w.seq = -2, 'coinbase', if(w.seq = -1, 'pool_fee', 'miner')),
      if(w.seq < 0, NULL, 1 + (h.seq * 7 + w.seq) MOD ${users}),
      if(w.seq = -2, -${reward_sats}, if(w.seq = -1, ${fee_sats}, ${each} + if(w.seq = 0, ${divided - each * workers}, 0)))
    FROM ${heights} AS h STRAIGHT_JOIN (SELECT CAST(seq AS SIGNED) - 2 AS seq FROM seq_0_to_${workers + 1}) AS w`);
}

/** After every tenth block what that one credited, less its first user, is promised and paid. */
async function payBlocks({ knex }: Database, { users, workers }: History, from: number, to: number): Promise<void> {
  const batches = `seq_${Math.ceil(from / 10)}_to_${Math.floor(to / 10)}`;
  const each = Math.floor((reward_sats - fee_sats) / workers);
  const planned = each * (workers - 1);
  const user = `1 + (h.seq * 70 + w.seq) MOD ${users}`;
  const of_batch = `FROM ${batches} AS h STRAIGHT_JOIN seq_1_to_${workers - 1} AS w`;
  await knex.raw(`INSERT INTO payout_batches (id, state, network_fee_from, planned_sats, planned_at, state_at)
    SELECT seq, 'final', 'miners', ${planned}, '${at}', '${at}' FROM ${batches}`);
  await knex.raw(`INSERT INTO payouts (batch_id, user_id, address, script, planned_sats, network_fee_sats, state)
    SELECT h.seq, ${user}, concat('sim1q', lpad(lower(hex(${user})), 40, '0')),
      concat('0014', lpad(lower(hex(${user})), 40, '0')), ${each}, ${network_fee_sats}, 'active' ${of_batch}`);
  await knex.raw(`INSERT INTO payout_transactions (id, batch_id, txid, raw_hex, network_fee_sats, confirmed_height,
      confirmed_hash, prepared_at)
    SELECT seq, seq, concat('b', lpad(lower(hex(seq)), 63, '0')), '00', ${network_fee_sats} * ${workers - 1}, seq * 10 + 101,
      lpad(lower(hex(seq * 10 + 101)), 64, '0'), '${at}' FROM ${batches}`);
  await knex.raw(`INSERT INTO payout_inputs (transaction_id, txid, output_index, amount_sats, live)
    SELECT h.seq, concat('c', lpad(lower(hex(h.seq * 10 - w.seq)), 63, '0')), 0, ${reward_sats}, 1
    FROM ${batches} AS h JOIN seq_0_to_9 AS w`);
  await knex.raw(`INSERT INTO ledger_events (id, kind, cause, batch_id, detail, occurred_at)
    SELECT h.seq * 1000 + w.seq, if(w.seq = 1, 'reserve', 'pay'),
      concat(if(w.seq = 1, 'reserve', 'pay'), ':batch:', h.seq), h.seq, '', '${at}' FROM ${batches} AS h JOIN seq_1_to_2 AS w`);
  for (const [offset, account, amount_sats] of [
    [1, 'miner', -each], [1, 'reserved', each], [2, 'reserved', -each], [2, 'paid', each - network_fee_sats],
    [2, 'network_fee', network_fee_sats],
  ] as const) {
    await knex.raw(`INSERT INTO ledger_entries (event_id, account, user_id, amount_sats)
      SELECT h.seq * 1000 + ${offset}, '${account}', ${user}, ${amount_sats} ${of_batch}`);
  }
}
