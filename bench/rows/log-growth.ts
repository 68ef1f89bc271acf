// Whether the cost of a log grows in proportion: ten times the users, with as many lines and files each; ten times the
// blocks. The whole daemon, `run --once` on a fresh SQLite file each time. The length of the log is log-memory's row, the
// history of the ledger growth-ledger's.
import { join } from 'node:path';
import { runOnce } from '../log-pool.js';
import { writePoolLog, writeUserFiles, type PoolLog } from '../pool-log.js';
import type { Measurement, Row } from '../row.js';
import { sideBySide } from '../side-by-side.js';

const repetitions = 2;
const times = 10;
/** Of --size, the smaller log. */
const part_of_size = 8;

interface Input {
  readonly small: PoolLog;
  readonly more_users: PoolLog;
  readonly more_blocks: PoolLog;
}

export const logGrowth: Row<Input> = {
  name: 'log-growth',
  prepare: ({ directory, size_bytes, users, random, say }) => {
    const bytes = size_bytes / part_of_size;
    const write = (name: string, users_times: number, blocks: number): PoolLog => {
      const plan = { size_bytes: bytes * users_times, users: users * users_times, noise_lines: users * users_times };
      say(`writing ${plan.size_bytes} bytes of ckpool.log of ${plan.users} users, and their files`);
      const log = writePoolLog(join(directory, name), {
        ...plan, random: random.fork(name), bytes_a_block: plan.size_bytes / blocks,
      });
      writeUserFiles(join(directory, name), log.counters);
      return log;
    };
    return Promise.resolve({
      small: write('small', 1, 1), more_users: write('users', times, 1), more_blocks: write('blocks', 1, times),
    });
  },
  async measure({ small, more_users, more_blocks }, bench) {
    const { say, stop, directory } = bench;
    say(`${repetitions} times each: ${small.blocks}, ${more_users.blocks} and ${more_blocks.blocks} blocks`);
    let runs = 0;
    const read = (name: string, log: PoolLog) => async (): Promise<number> => {
      const { snapshots, work } = await runOnce(bench, join(directory, name), join(directory, `${runs += 1}.sqlite`));
      const written = [...log.counters.values()].reduce((sum, counter) => sum + counter, 0);
      if (snapshots !== log.blocks || work !== written) throw new Error(`${name}: ${work} of ${written} shares counted`);
      return snapshots;
    };
    const timings = await sideBySide({
      small: read('small', small), users: read('users', more_users), blocks: read('blocks', more_blocks),
    }, repetitions, stop);
    const grown = (what: string, key: 'users' | 'blocks'): Measurement => ({
      name: `growth, ten times the ${what}`, value: timings[key].median_seconds, unit: 's',
      peer: { name: 'the smaller log', value: timings.small.median_seconds }, ratio_as: 'time',
      goal: { of: 'ratio', bound: 'at most', limit: 11 },
    });
    return [grown('users', 'users'), grown('blocks', 'blocks')];
  },
};
