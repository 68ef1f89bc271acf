// Facts for payments at the size of a large pool, written by the database itself from sequences (MariaDB's
// seq_1_to_N): users, and blocks of a still node's chain with the shares of so many users each. What accounting
// would have written, in the same rows.
import type { Database } from '../shared/database/database.js';
import { hashAt, still_pool_address } from './still-node.js';
import { readAddress } from '../lab/simulated-node/addresses.js';

const at = '2026-01-01 00:00:00.000';
/** Users' names are addresses: sim1q and the user's number in forty hex digits. */
const name_of = "concat('sim1q', lpad(lower(hex(seq)), 40, '0'))";

/** Users 1 to `users`, the log, and the chain as accounting has read it. The database is empty. */
export async function writePool({ knex }: Database, users: number, tip_height: number): Promise<void> {
  await knex.raw(`INSERT INTO users (id, name, counter, ledger_count, snapshot_count, disputed_count)
    SELECT seq, ${name_of}, 0, 0, 0, 0 FROM seq_1_to_${users}`);
  await knex.raw(`INSERT INTO payout_addresses (user_id, address, script, state, reason, checked_at)
    SELECT seq, ${name_of}, concat('0014', lpad(lower(hex(seq)), 40, '0')), 'payable', '', '${at}'
    FROM seq_1_to_${users}`);
  await knex('log_cursors').insert({
    sequence: 1, path: 'ckpool.log', device: '1', inode: '1', log_start: 0, file_offset: 0, fingerprint_length: 0,
    fingerprint: '', state: 'current', login_seen: 1, notice_seen: 1, updated_at: at,
  });
  await knex('chain_scan').insert({
    id: 1, genesis_hash: hashAt(0), pool_script: readAddress(still_pool_address)?.script, floor_height: 0, floor_reason: '',
    cursor_height: tip_height, cursor_hash: hashAt(tip_height), complete_height: tip_height,
    complete_hash: hashAt(tip_height), updated_at: at,
  });
}

export async function completeTo({ knex }: Database, tip_height: number): Promise<void> {
  await knex('chain_scan').update({ complete_height: tip_height, complete_hash: hashAt(tip_height) });
}

/**
 * Blocks `from` to `to` of ours, each with a snapshot in which `workers` users, one after another in the order of
 * their numbers, have worked. A snapshot's id is its block's height.
 */
export async function writeBlocks(
  { knex }: Database, { from, to, users, workers }: Readonly<Record<'from' | 'to' | 'users' | 'workers', number>>,
): Promise<void> {
  const heights = `seq_${from}_to_${to}`;
  await knex.raw(`INSERT INTO snapshots (id, kind, log_position, log_sequence, log_offset, height, finder, logged_at,
      quality, state, dispute, changed_users, total_difference, taken_at)
    SELECT seq, 'block', seq * 1000, 1, seq * 1000, seq, 'worker', '${at}', 'minute', 'confirmed', 'none', ${workers},
      ${workers} * 1000 + ${workers} * (${workers} - 1) DIV 2, '${at}' FROM ${heights}`);
  await knex.raw(`INSERT INTO cuts (snapshot_id, place, decided_at) SELECT seq, seq * 1000, '${at}' FROM ${heights}`);
  await knex.raw(`INSERT INTO snapshot_shares (snapshot_id, user_id, share_count, difference, disputed_difference)
    SELECT h.seq, 1 + (h.seq * 7 + w.seq) MOD ${users}, 1000000 + h.seq, 1000 + w.seq, 0
    FROM ${heights} AS h STRAIGHT_JOIN seq_0_to_${workers - 1} AS w`);
  await knex.raw(`INSERT INTO blocks (id, hash, height, previous_hash, header_at, coinbase_txid, reward_sats, active,
      snapshot_id, discovered_at)
    SELECT seq, lpad(lower(hex(seq)), 64, '0'), seq, lpad(lower(hex(seq - 1)), 64, '0'), '${at}',
      concat('c', lpad(lower(hex(seq)), 63, '0')), 5000000000, 1, seq, '${at}' FROM ${heights}`);
}
