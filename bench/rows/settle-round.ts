// Settling a round of a hundred thousand users on MariaDB: the daemon's own move, from the question which block is
// next to the commit of round, event and entries, beside a bare INSERT of the same ledger rows (mysql2, many rows a
// statement, one transaction) into a database of the same schema. Credits must be to the satoshi what the split gives.
import { createConnection, type Connection } from 'mysql2/promise';
import { startMariadb } from '../../lab/mariadb.js';
import { openPayments, type TestPayments } from '../../lab/payments-context.js';
import { createNode } from '../../shared/bitcoind/client.js';
import { integer, timeText, type Database } from '../../shared/database/database.js';
import { settle } from '../../payments/settle.js';
import { completeTo, writeBlocks, writePool } from '../payment-facts.js';
import type { Measurement, Row } from '../row.js';
import { openMigrated } from '../share-pool.js';
import { sideBySide } from '../side-by-side.js';
import { hashAt, serveStillNode, still_pool_address, still_reward_sats, type StillNode } from '../still-node.js';

const users = 100_000;
const repetitions = 5;
const maturity = 100;
/** The fastest of those tried between 200 rows and all of them, by a hair. */
const bare_rows_per_statement = 5_000;
/** What MariaDB has by default; the private server of the tests has less. */
export const server_options = ['--innodb-buffer-pool-size=128M', '--innodb-log-file-size=96M'];

interface Input {
  readonly payments: TestPayments;
  readonly node: StillNode;
  readonly bare: Connection;
}

export const settleRound: Row<Input> = {
  name: 'settle-round',
  async prepare({ say, defer }) {
    const server = await startMariadb(server_options);
    defer(() => server.stop());
    say(`${users} users, ${repetitions + 1} rounds`);
    const blocks = repetitions + 1;
    const node = await serveStillNode(maturity, 0);
    defer(() => node.close());
    const database = await openMigrated(await server.createDatabase('ours'));
    defer(() => database.close());
    await writePool(database, users, maturity);
    await writeBlocks(database, { from: 1, to: blocks, users, workers: users });
    const peer = await server.createDatabase('bare');
    const peer_database = await openMigrated(peer);
    await writePool(peer_database, users, maturity);
    await peer_database.close();
    const bare = await createConnection({
      socketPath: peer.socket_path ?? '', user: peer.user, database: peer.database, charset: 'utf8mb4_bin',
    });
    defer(() => bare.end());
    const payments = await openPayments(database, createNode(node.login), still_pool_address, { pool_fee_ppm: 10_000n });
    return { payments, node, bare };
  },
  async measure({ payments, node, bare }, { stop }) {
    let height = 0;
    let bare_events = 0;
    const rows = Array.from({ length: users }, (_, index) => [index + 1, 48_000 + (index % 1_000)] as const);
    const timings = await sideBySide({
      ours: async () => {
        height += 1;
        await completeTo(payments.database, height + maturity);
        node.tip_height = height + maturity;
        if ((await settle(payments)) !== 'progress') throw new Error(`block ${height} was not settled`);
        return users;
      },
      bare: () => bareInsert(bare, bare_events += 1, rows),
    }, repetitions, stop);
    await requireExact(payments.database, height);
    return [figure(timings.ours.median_seconds, timings.bare.median_seconds)];
  },
};

async function bareInsert(
  connection: Connection, number: number, credits: readonly (readonly [user_id: number, amount_sats: number])[],
): Promise<number> {
  await connection.query('START TRANSACTION');
  const event = [['settle', `bare:${number}`, 'bare', timeText(Date.now())]];
  const [inserted] = await connection.query('INSERT INTO ledger_events (kind, cause, detail, occurred_at) VALUES ?', [event]);
  const { insertId: event_id } = inserted as { insertId: number };
  const entries = [
    [event_id, 'coinbase', null, -5_000_000_000], [event_id, 'pool_fee', null, 50_000_000],
    ...credits.map(([user_id, amount_sats]) => [event_id, 'miner', user_id, amount_sats]),
  ];
  for (let start = 0; start < entries.length; start += bare_rows_per_statement) {
    await connection.query('INSERT INTO ledger_entries (event_id, account, user_id, amount_sats) VALUES ?',
      [entries.slice(start, start + bare_rows_per_statement)]);
  }
  await connection.query('COMMIT');
  return credits.length;
}

/** Every round credits everybody, and to the satoshi what came in. */
async function requireExact({ knex }: Database, blocks: number): Promise<void> {
  const rows = await knex('ledger_entries').join('ledger_events', 'ledger_events.id', 'ledger_entries.event_id')
    .join('rounds', 'rounds.id', 'ledger_events.round_id').where('account', 'miner').groupBy('rounds.block_hash')
    .select('rounds.block_hash').count({ credits: '*' }).sum({ total: 'amount_sats' }) as unknown as Record<string, unknown>[];
  const divided = still_reward_sats - still_reward_sats / 100n;
  const hashes = new Set(Array.from({ length: blocks }, (_, index) => hashAt(index + 1)));
  const right = rows.filter((row) => hashes.has(String(row['block_hash']))
    && integer(row['credits']) === BigInt(users) && integer(row['total']) === divided);
  if (right.length !== blocks) throw new Error(`of ${blocks} rounds ${right.length} are credited as they should be`);
}

const figure = (ours_seconds: number, bare_seconds: number): Measurement => ({
  name: `settle a round of ${users} users, MariaDB`,
  value: ours_seconds, unit: 's',
  peer: { name: 'bare INSERT of the same ledger rows', value: bare_seconds },
  ratio_as: 'time',
  goal: { of: 'ratio', bound: 'at most', limit: 2 },
});
