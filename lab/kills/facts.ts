// What accounting wrote, without what may differ from run to run: row ids, the times at which it was written, and how
// often it was interrupted. Two runs over one past must have the same, whatever happened meanwhile.
import { connect } from '../../shared/database/connect.js';
import { rowsOf } from '../../shared/database/rows.js';
import type { Place } from './place.js';

export type Facts = readonly string[];

const queries: Readonly<Record<string, string>> = {
  blocks: `SELECT b.hash, b.height, b.previous_hash, b.coinbase_txid, b.reward_sats, b.active, s.log_position, s.height AS line_height,
      CONVERT(s.finder USING latin1) AS finder, s.logged_at, s.quality, s.state, s.dispute, s.changed_users, s.total_difference
    FROM blocks b LEFT JOIN snapshots s ON s.id = b.snapshot_id ORDER BY b.height, b.hash`,
  snapshots: 'SELECT log_position, kind, height, quality, state, dispute, total_difference FROM snapshots ORDER BY log_position',
  shares: `SELECT s.log_position, CONVERT(u.name USING latin1) AS name, x.share_count, x.difference, x.disputed_difference
    FROM snapshot_shares x JOIN snapshots s ON s.id = x.snapshot_id JOIN users u ON u.id = x.user_id ORDER BY s.log_position, u.name`,
  cuts: `SELECT s.log_position, c.place, c.cut_seconds, c.cut_nanoseconds
    FROM cuts c JOIN snapshots s ON s.id = c.snapshot_id ORDER BY c.place`,
  solving_shares: 'SELECT block_hash, workinfoid, file_offset, CONVERT(worker USING latin1) AS worker, accepted FROM solving_shares ORDER BY block_hash',
  users: 'SELECT CONVERT(name USING latin1) AS name, counter, ledger_count, snapshot_count, disputed_count FROM users ORDER BY name',
  log_cursors: 'SELECT sequence, log_start, file_offset, state FROM log_cursors ORDER BY sequence',
  log_anchors: 'SELECT hash, log_position, height FROM log_anchors ORDER BY log_position',
  share_log_files: 'SELECT height, workinfoid, file_offset FROM share_log_files ORDER BY height, workinfoid',
  incidents: 'SELECT kind, log_position, user_id, occurrences FROM incidents ORDER BY kind, log_position, user_id',
  chain_scan: 'SELECT floor_height, floor_reason FROM chain_scan',
};

/** One line for each row: the table and its values. */
export async function readFacts({ mariadb }: Place): Promise<Facts> {
  const database = await connect(mariadb.settings('pool_base'));
  try {
    const lines: string[] = [];
    for (const [table, query] of Object.entries(queries)) {
      const rows = await rowsOf<Record<string, unknown>>(database.knex, query);
      lines.push(...rows.map((row) => `${table} ${JSON.stringify(row)}`));
    }
    return lines;
  } finally {
    await database.close();
  }
}
