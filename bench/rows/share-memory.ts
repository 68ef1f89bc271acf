// Whether memory stays flat: the daemon in a process of its own counts ten million shares (at the default size),
// twice. As it runs, its resident memory is noted after each commit: the peak. With the garbage collected
// before each note, what it holds is: the slope over the second half says what a hundred million would take.
// The share logs are one file under many names: what is counted does not matter, that it is read does.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Count, Counted } from '../children/count-shares.js';
import { chainTip } from '../place.js';
import type { Bench, Goal, Measurement, Row } from '../row.js';
import { createShareLines, sharelogPath, workInfo, writeShareLog } from '../share-lines.js';
import { slopeOf } from '../side-by-side.js';

/** At the default size: with lines of 587 bytes, 67 files of 150,000 shares are ten million. */
const default_size_bytes = 512 * 1024 * 1024;
const shares_total = 10_000_000;
const shares_goal = 100_000_000;
/** About thirty seconds at 5,000 shares a second: how long ckpool writes into one file. */
const bytes_each = 88 * 1024 * 1024;
const mebibyte = 2 ** 20;
const child_file = fileURLToPath(new URL('../children/count-shares.js', import.meta.url));

interface Input {
  readonly bytes: number;
  readonly shares: number;
  readonly work: number;
}

export const shareMemory: Row<Input> = {
  name: 'share-memory',
  async prepare({ directory, size_bytes, users, random, say }) {
    const part = size_bytes / default_size_bytes;
    const height = chainTip().height + 1;
    const lines = createShareLines(users, random);
    const pathOf = (counter: number) => join(directory, 'logs', sharelogPath(height, workInfo(counter)));
    mkdirSync(dirname(pathOf(1)), { recursive: true });
    writeShareLog(pathOf(1), lines, Math.ceil(bytes_each * part));
    const files = Math.ceil((shares_total * part) / lines.lines);
    say(`${files} share logs, ${files * lines.lines} shares of ${users} users`);
    for (let counter = 2; counter <= files; counter += 1) linkSync(pathOf(1), pathOf(counter));
    return {
      bytes: statSync(pathOf(1)).size * files,
      shares: lines.lines * files,
      work: lines.accepted_work * files,
    };
  },
  async measure(input, bench) {
    bench.say('as it runs');
    const running = await countInAProcess(input, bench, []);
    bench.say('with the garbage collected before each look');
    const collected = await countInAProcess(input, bench, ['--expose-gc']);
    return figures(running, collected, input);
  },
};

async function countInAProcess(
  { bytes, work }: Input, { directory, stop, defer }: Bench, execArgv: string[],
): Promise<readonly Count[]> {
  const child = fork(child_file, [directory], { execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  defer(() => { child.kill('SIGKILL'); });
  const counts: Count[] = [];
  let counted: number | null = null;
  child.on('message', (message: Count | Counted) => {
    if ('work' in message) counted = message.work;
    else counts.push(message);
  });
  const [status] = (await once(child, 'exit', { signal: stop })) as [number | null];
  if (status !== 0) throw new Error('the counting process failed; what it said stands above');
  if (counts.at(-1)?.bytes !== bytes || counted !== work) {
    throw new Error(`counted ${counted} and not ${work}: memory of a wrong sum counts for nothing`);
  }
  return counts;
}

function figures(running: readonly Count[], collected: readonly Count[], { bytes, shares }: Input): Measurement[] {
  const peakUntil = (part: number): number => Math.max(...running
    .filter((count) => count.bytes <= part * bytes).map(({ resident_bytes }) => resident_bytes / mebibyte));
  const peak = peakUntil(1);
  const peer = { name: 'its peak in the first fifth', value: peakUntil(0.2) };
  const millions = (shares / 1e6).toPrecision(2);
  const slope = slopeOf(collected.filter((count) => count.bytes > bytes / 2)
    .map((count) => [((count.bytes / bytes) * shares) / 1e6, count.held_bytes / mebibyte]));
  const at_goal = peak + (Math.max(0, slope) * (shares_goal - shares)) / 1e6;
  const flat: Goal = { of: 'ratio', bound: 'at most', limit: 1.5 };
  return [
    {
      name: `memory, peak of ${millions} million shares`,
      value: peak, unit: 'MiB', peer, ratio_as: 'size', goal: flat,
    },
    {
      name: 'memory held, growth in the second half',
      value: slope, unit: 'MiB a million shares', peer: null, ratio_as: 'size',
      goal: { of: 'value', bound: 'at most', limit: 0.2 },
    },
    {
      name: `memory, ${shares_goal / 1e6} million shares by that growth`,
      value: at_goal, unit: 'MiB', peer, ratio_as: 'size', goal: flat,
    },
  ];
}
