// How fast a log is caught up with: ckpool.log with every user's counts rebuilt, beside `grep -c`, which only counts,
// and beside a loop over the `tail` package. Two logs: one that is mostly noise, as a pool of 5,000 users writes it,
// and one of 100,000 users that is mostly their lines. All must find the same blocks, and ours each user's count.
import { join } from 'node:path';
import { grepBlocks, loopOverTail } from '../log-peers.js';
import { readPoolLog } from '../log-reading.js';
import { noise_lines_a_minute, writePoolLog, type PoolLog } from '../pool-log.js';
import type { Goal, Measurement, Row } from '../row.js';
import { sideBySide, type Timing } from '../side-by-side.js';

const repetitions = 5;
/** The loop is so slow that it is given a part of the log, of its own. */
const loop_part = 8;

interface Input {
  readonly whole: PoolLog;
  readonly part: PoolLog;
}

interface Plan {
  readonly name: string;
  readonly title: string;
  /** 1: as many as --users says. */
  readonly users_factor: number;
  readonly noise_lines: (users: number) => number;
  readonly grep_limit: number;
  readonly loop_limit: number;
  readonly speed_goal: Goal | null;
}

const atLeast = (of: Goal['of'], limit: number): Goal => ({ of, bound: 'at least', limit });

const row = (plan: Plan): Row<Input> => ({
  name: plan.name,
  prepare: ({ directory, size_bytes, users, random, say }) => {
    const all = users * plan.users_factor;
    say(`writing ${size_bytes} bytes of ckpool.log of ${all} users`);
    const write = (name: string, bytes: number): PoolLog => writePoolLog(join(directory, name), {
      size_bytes: bytes, users: all, noise_lines: plan.noise_lines(all), random: random.fork(name),
    });
    return Promise.resolve({ whole: write('whole', size_bytes), part: write('part', size_bytes / loop_part) });
  },
  async measure({ whole, part }, { say, stop }) {
    say(`${whole.lines} lines and ${whole.blocks} blocks, ${repetitions} times each: ours, grep, a loop over tail`);
    await readPoolLog(whole, true);
    const timings = await sideBySide({
      ours: () => readPoolLog(whole),
      grep: () => grepBlocks(whole.path),
      loop: () => loopOverTail(part.path, part.lines),
    }, repetitions, stop);
    for (const [name, blocks] of [['ours', whole.blocks], ['grep', whole.blocks], ['loop', part.blocks]] as const) {
      if (timings[name].result !== blocks) throw new Error(`${name} found ${timings[name].result} of ${blocks} blocks`);
    }
    const speed = ({ bytes }: PoolLog, { median_seconds }: Timing): number => bytes / 1e9 / median_seconds;
    const figure = { value: speed(whole, timings.ours), unit: 'GB/s' };
    return [
      {
        ...figure, name: plan.title, ratio_as: 'time', peer: { name: 'grep -c', value: speed(whole, timings.grep) },
        goal: { of: 'ratio', bound: 'at most', limit: plan.grep_limit },
      },
      {
        ...figure, name: `${plan.title}, the loop`, ratio_as: 'speed',
        peer: { name: 'tail and JSON.parse', value: speed(part, timings.loop) }, goal: atLeast('ratio', plan.loop_limit),
      },
      ...(plan.speed_goal === null ? [] : [{
        ...figure, name: `${plan.title}, bytes`, ratio_as: 'speed', peer: null, goal: plan.speed_goal,
      } satisfies Measurement]),
    ];
  },
});

export const logCatchUp = row({
  name: 'log-catch-up', title: 'catch-up of a log', users_factor: 1, noise_lines: () => noise_lines_a_minute,
  grep_limit: 2, loop_limit: 8, speed_goal: atLeast('value', 2),
});

export const logUsers = row({
  name: 'log-users', title: 'catch-up, nine in ten lines of users', users_factor: 20,
  noise_lines: (users) => Math.round(users / 9), grep_limit: 6, loop_limit: 5, speed_goal: null,
});
