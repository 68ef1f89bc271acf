// How soon a block is accounted for: from the block line to its snapshot, committed on MariaDB, of a thousand
// users who all had shares since the one before, while the log goes on with a line for every share. The blocks come
// at moments of their own, between two passes of ckpool.
import { setTimeout as wait } from 'node:timers/promises';
import type { PrivateMariadb } from '../../lab/mariadb.js';
import { startLivePool, startServer } from '../live-blocks.js';
import type { Measurement, Row } from '../row.js';
import { quantile } from '../side-by-side.js';

const users = 1_000;
const noise_lines_a_second = 3_000;
const blocks = 120;
/** Not counted: the daemon starts, and compilers warm up. */
const first_blocks = 20;
const rest_ms_max = 100;

export const liveSnapshot: Row<PrivateMariadb> = {
  name: 'live-snapshot',
  prepare: (bench) => startServer(bench),
  async measure(server, bench) {
    bench.say(`${blocks} blocks of ${users} users, ${noise_lines_a_second} lines of noise a second`);
    const live = await startLivePool(bench, server, users);
    const took_ms: number[] = [];
    const noise = live.pool.makeNoise(noise_lines_a_second);
    for (let block = 0; block < first_blocks + blocks; block += 1) {
      await live.countPass();
      await wait(bench.random.integer(1, rest_ms_max));
      const snapshot = await live.blockToSnapshot();
      if (block >= first_blocks) took_ms.push(snapshot.took_ms);
    }
    await noise.stop();
    return [figure('p50', quantile(took_ms, 0.5), 10), figure('p99', quantile(took_ms, 0.99), 30)];
  },
};

const figure = (what: string, value: number, limit: number): Measurement => ({
  name: `block line to snapshot, ${users} users, MariaDB, ${what}`,
  value, unit: 'ms', peer: null, ratio_as: 'time',
  goal: { of: 'value', bound: 'at most', limit },
});
