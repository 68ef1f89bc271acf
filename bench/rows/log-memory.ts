// The whole daemon over a log of 100,000 users (twenty times --users): `run --once` in a process of its own, once over
// a log of a quarter of the size and once over one ten times as long. Its memory must not depend on the length, and what it
// counted must be what was written.
import { join } from 'node:path';
import { runOnce, type OnceRun } from '../log-pool.js';
import { writePoolLog, writeUserFiles } from '../pool-log.js';
import type { Bench, Measurement, Row } from '../row.js';

const users_factor = 20;
/** Of --size, the shorter log: with 4G they are 1 and 10 GB. */
const part_of_size = 4;
const longer = 10;
const mebibyte = 2 ** 20;
/** A pool of 100,000 users is ten to twenty times as busy: a third of the lines are theirs. */
const noise_lines_a_user = 2;

interface Input {
  readonly users: number;
}

export const logMemory: Row<Input> = {
  name: 'log-memory',
  prepare: ({ users }) => Promise.resolve({ users: users * users_factor }),
  async measure({ users }, bench) {
    const short = await readThrough(bench, 'short', bench.size_bytes / part_of_size, users);
    const long = await readThrough(bench, 'long', (bench.size_bytes / part_of_size) * longer, users);
    const size = (bytes: number): string => `${(bytes / 1e9).toPrecision(2)} GB`;
    const peak = ({ run }: Through): number => run.peak_bytes / mebibyte;
    const lines: Measurement[] = [
      {
        name: `memory, ${users} users, log of ${size(short.bytes)}`, value: peak(short), unit: 'MiB', peer: null,
        ratio_as: 'size', goal: { of: 'value', bound: 'at most', limit: 150 },
      },
      {
        name: `memory, ${users} users, log of ${size(long.bytes)}`, value: peak(long), unit: 'MiB', peer: null,
        ratio_as: 'size', goal: { of: 'value', bound: 'at most', limit: 150 },
      },
      {
        name: 'memory, the log ten times as long', value: peak(long), unit: 'MiB',
        peer: { name: 'the shorter log', value: peak(short) }, ratio_as: 'size',
        goal: { of: 'ratio', bound: 'at most', limit: 1.1 },
      },
      {
        name: 'growth, the log ten times as long', value: long.run.seconds, unit: 's',
        peer: { name: 'the shorter log', value: short.run.seconds }, ratio_as: 'time',
        goal: { of: 'ratio', bound: 'at most', limit: 11 },
      },
    ];
    return lines;
  },
};

interface Through {
  readonly run: OnceRun;
  readonly bytes: number;
}

async function readThrough(bench: Bench, name: string, size_bytes: number, users: number): Promise<Through> {
  const { directory, random, say } = bench;
  say(`writing ${size_bytes} bytes of ckpool.log of ${users} users, and their files`);
  const log_directory = join(directory, name);
  const plan = { size_bytes, users, noise_lines: users * noise_lines_a_user, random: random.fork(name) };
  const log = writePoolLog(log_directory, plan);
  writeUserFiles(log_directory, log.counters);
  say('accounting reads it');
  const run = await runOnce(bench, log_directory, join(directory, `${name}.sqlite`));
  const work = [...log.counters.values()].reduce((sum, counter) => sum + counter, 0);
  if (run.work !== work || run.snapshots !== log.blocks) {
    throw new Error(`counted ${run.work} of ${work} shares in ${run.snapshots} of ${log.blocks} snapshots`);
  }
  say(`${run.seconds.toFixed(1)} s`);
  return { run, bytes: log.bytes };
}
