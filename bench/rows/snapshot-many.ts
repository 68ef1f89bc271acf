// The snapshot of a large pool: from the block line to the commit of a row for each of a hundred thousand users,
// beside a bare INSERT of the very same rows. The peer is the least that a snapshot can cost: a connection that
// does nothing else writes them into the same table, of a database with the same users and as many rows before
// them, in statements of many rows with the values in their text, and commits. It reads no log, moves no cursor
// and leaves out the users' own rows, of which ours changes as many.
import mysql from 'mysql2/promise';
import type { PrivateMariadb } from '../../lab/mariadb.js';
import { openMigrated } from '../share-pool.js';
import { connectTo, startLivePool, startServer, type LivePool } from '../live-blocks.js';
import type { Bench, Measurement, Row } from '../row.js';
import { median } from '../side-by-side.js';

/** `--users` has a default that is meant for share logs; this is a hundred thousand with it. */
export const manyUsers = ({ users }: Bench): number => 20 * users;
const rounds = 3;
/** So seldom that asking takes nothing from what is measured. */
const poll_ms = 10;
/** The fastest of 1,000 to 100,000. */
const rows_a_statement = 20_000;

export const snapshotMany: Row<PrivateMariadb> = {
  name: 'snapshot-many',
  prepare: (bench) => startServer(bench),
  async measure(server, bench) {
    const users = manyUsers(bench);
    bench.say(`${rounds} blocks of ${users} users, each beside a bare INSERT of its rows`);
    const live = await startLivePool(bench, server, users);
    const ours: number[] = [];
    const bare: number[] = [];
    let peer: mysql.Connection | null = null;
    // The first warms up and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      await live.countPass();
      const { id, took_ms } = await live.blockToSnapshot(poll_ms);
      peer ??= await createPeer(server, live, bench);
      const bare_ms = await insertBare(peer, await rowsOf(live, id), id);
      if (round === 0) continue;
      ours.push(took_ms);
      bare.push(bare_ms);
    }
    return [figure(users, ours, bare)];
  },
};

const figure = (users: number, ours: readonly number[], bare: readonly number[]): Measurement => ({
  name: `block line to snapshot, ${users} users, MariaDB`,
  value: median(ours), unit: 'ms',
  peer: { name: 'a bare INSERT of its rows', value: median(bare) },
  ratio_as: 'time',
  goal: { of: 'ratio', bound: 'at most', limit: 2 },
});

/** The same schema with the same users. */
async function createPeer(server: PrivateMariadb, live: LivePool, { defer }: Bench): Promise<mysql.Connection> {
  const settings = await server.createDatabase('peer_base');
  await (await openMigrated(settings)).close();
  const connection = await connectTo({ ...settings, engine: 'mysql' });
  defer(() => connection.end());
  await connection.query(`INSERT INTO users SELECT * FROM ${live.settings.database}.users`);
  await connection.query(`INSERT INTO log_cursors SELECT * FROM ${live.settings.database}.log_cursors`);
  return connection;
}

type ShareRow = readonly [user_id: string, share_count: string, difference: string, disputed_difference: string];

async function rowsOf({ connection }: LivePool, snapshot_id: number): Promise<readonly ShareRow[]> {
  const [rows] = await connection.query({
    sql: 'SELECT user_id, share_count, difference, disputed_difference FROM snapshot_shares WHERE snapshot_id = ? ORDER BY user_id',
    rowsAsArray: true,
  }, [snapshot_id]);
  return rows as unknown as ShareRow[];
}

/** Writing the text counts as well: whoever inserts rows has them as values first. */
async function insertBare(connection: mysql.Connection, rows: readonly ShareRow[], position: number): Promise<number> {
  const [made] = await connection.query(
    'INSERT INTO snapshots (kind, log_position, log_sequence, log_offset, quality, state, dispute, changed_users, '
    + "total_difference, taken_at) VALUES ('baseline', ?, 1, 0, 'minute', 'confirmed', 'none', ?, 1, NOW(3))",
    [position, rows.length]);
  const snapshot_id = (made as mysql.ResultSetHeader).insertId;
  const started_ms = performance.now();
  await connection.query('START TRANSACTION');
  for (let start = 0; start < rows.length; start += rows_a_statement) {
    let text = '';
    for (const row of rows.slice(start, start + rows_a_statement)) {
      text += `${text === '' ? '' : ','}(${snapshot_id},${row[0]},${row[1]},${row[2]},${row[3]})`;
    }
    await connection.query(
      `INSERT INTO snapshot_shares (snapshot_id,user_id,share_count,difference,disputed_difference) VALUES ${text}`);
  }
  await connection.query('COMMIT');
  const took_ms = performance.now() - started_ms;
  const [counted] = await connection.query({
    sql: 'SELECT COUNT(*) FROM snapshot_shares WHERE snapshot_id = ?', rowsAsArray: true,
  }, [snapshot_id]);
  if ((counted as unknown as number[][])[0]?.[0] !== rows.length) throw new Error('the peer wrote other rows');
  return took_ms;
}
