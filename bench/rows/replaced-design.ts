// What the replaced tool's design costs: it looks at the log every 20 seconds, and writes a snapshot as a connection
// and an autocommit INSERT for each user. Measured is its writing, on the same server and of the same users; a block
// line waits half a period for it on average, which is calculated. Its tables here have the least that they can: a
// block, and a number for each user of it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PrivateMariadb } from '../../lab/mariadb.js';
import { connectTo, startLivePool, startServer, type LivePool } from '../live-blocks.js';
import type { Row } from '../row.js';
import { median } from '../side-by-side.js';

const users = 1_000;
const rounds = 3;
/** Not counted: compilers warm up. */
const first_rounds = 20;
const poll_period_ms = 20_000;

export const replacedDesign: Row<PrivateMariadb> = {
  name: 'replaced-design',
  prepare: (bench) => startServer(bench),
  async measure(server, bench) {
    bench.say(`${rounds} snapshots of ${users} users, each beside one of the replaced design`);
    const live = await startLivePool(bench, server, users);
    await live.connection.query('CREATE DATABASE replaced');
    await live.connection.query('CREATE TABLE replaced.blocks (id INT AUTO_INCREMENT PRIMARY KEY, height INT NOT NULL)');
    await live.connection.query('CREATE TABLE replaced.stats (id INT AUTO_INCREMENT PRIMARY KEY, '
      + 'block_id INT NOT NULL, user VARCHAR(127) NOT NULL, shares BIGINT NOT NULL)');
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < first_rounds + rounds; round += 1) {
      bench.stop.throwIfAborted();
      await live.countPass();
      const { took_ms } = await live.blockToSnapshot();
      if (round < first_rounds) continue;
      ours.push(took_ms);
      theirs.push(await writeTheirs(live, round));
    }
    return [{
      name: `block line to stored snapshot, ${users} users`,
      value: median(ours), unit: 'ms',
      peer: {
        name: 'the replaced design (10 s of waiting, then a connection for each user)',
        value: poll_period_ms / 2 + median(theirs),
      },
      ratio_as: 'speed', goal: null,
    }, {
      name: 'the same without the waiting',
      value: median(ours), unit: 'ms',
      peer: { name: 'a connection and an autocommit INSERT for each user', value: median(theirs) },
      ratio_as: 'speed', goal: null,
    }];
  },
};

async function writeTheirs({ pool, connection, settings }: LivePool, height: number): Promise<number> {
  const started_ms = performance.now();
  const block = await autocommit(settings, 'INSERT INTO replaced.blocks (height) VALUES (?)', [height]);
  for (const name of readdirSync(pool.users_directory)) {
    const { shares } = JSON.parse(readFileSync(join(pool.users_directory, name), 'utf8')) as { shares: number };
    await autocommit(settings, 'INSERT INTO replaced.stats (block_id, user, shares) VALUES (?, ?, ?)', [block, name, shares]);
  }
  const took_ms = performance.now() - started_ms;
  const [rows] = await connection.query({
    sql: 'SELECT COUNT(*) FROM replaced.stats WHERE block_id = ?', rowsAsArray: true,
  }, [block]);
  if ((rows as unknown as number[][])[0]?.[0] !== users) throw new Error('the replaced design wrote other rows');
  return took_ms;
}

async function autocommit(settings: LivePool['settings'], sql: string, values: unknown[]): Promise<number> {
  const connection = await connectTo(settings);
  try {
    const [made] = await connection.query(sql, values);
    return (made as { insertId: number }).insertId;
  } finally {
    await connection.end();
  }
}
