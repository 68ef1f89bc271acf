// How fast share logs are added up: the daemon's own reader and tally over one large file in the page cache,
// beside loops with JSON.parse and beside `grep -c`, which only counts. All must come to the same number of
// accepted shares, and ours to the sum that was written, else nothing is reported.
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemClock } from '../../shared/clock.js';
import { createShareTally } from '../../accounting/core/share-tally.js';
import { noWork, wholeShares } from '../../accounting/core/share-work.js';
import { openShareLogs, type ShareLogs } from '../../accounting/edges/share-log-files.js';
import { grepCount, loopOverReadline, loopOverSplit } from '../peers.js';
import type { Measurement, Row } from '../row.js';
import { createShareLines, sharelogPath, workInfo, writeShareLog } from '../share-lines.js';
import { sideBySide, type Contender, type Timing } from '../side-by-side.js';

const height = 122;
const repetitions = 5;
/** As the daemon reads (accounting/read-shares.ts). */
const read_bytes = 16 * 1024 * 1024;

interface Input {
  readonly path: string;
  readonly bytes: number;
  readonly lines: number;
  readonly accepted_lines: number;
  readonly accepted_work: bigint;
  readonly logs: ShareLogs;
  readonly workinfoid: string;
}

export const shareTally: Row<Input> = {
  name: 'share-tally',
  async prepare({ directory, size_bytes, users, random, say, defer }) {
    say(`writing ${size_bytes} bytes of share logs of ${users} users`);
    const workinfoid = workInfo(1);
    const path = join(directory, sharelogPath(height, workinfoid));
    mkdirSync(dirname(path), { recursive: true });
    const lines = createShareLines(users, random);
    lines.setWork(workinfoid);
    writeShareLog(path, lines, size_bytes);
    const logs = openShareLogs({ log_directory: directory, clock: systemClock });
    defer(() => logs.close());
    return {
      path, logs, workinfoid,
      bytes: statSync(path).size,
      lines: lines.lines,
      accepted_lines: lines.accepted_lines,
      accepted_work: BigInt(lines.accepted_work),
    };
  },
  async measure(input, { say, stop }) {
    say(`${input.lines} shares, ${repetitions} times each: ours, grep, two loops with JSON.parse`);
    const timings = await sideBySide({
      ours: () => addUp(input),
      grep: () => grepCount(input.path),
      readline: () => loopOverReadline(input.path),
      split: async () => loopOverSplit(input.path),
    }, repetitions, stop);
    for (const { result } of Object.values(timings)) requireSame(result, input.accepted_lines);
    const speed = (amount: number, { median_seconds }: Timing): number => amount / median_seconds;
    const besideLoop = (name: string, peer: string, loop: Timing): Measurement => ({
      name,
      value: speed(input.lines, timings.ours),
      unit: 'shares/s',
      peer: { name: peer, value: speed(input.lines, loop) },
      ratio_as: 'speed',
      goal: { of: 'ratio', bound: 'at least', limit: 5 },
    });
    return [
      besideLoop('share log tally', 'readline and JSON.parse', timings.readline),
      besideLoop('share log tally, the faster loop', 'split and JSON.parse', timings.split),
      {
        name: 'share log tally, bytes',
        value: speed(input.bytes / 1e9, timings.ours),
        unit: 'GB/s',
        peer: { name: 'grep -c \'"result": true\'', value: speed(input.bytes / 1e9, timings.grep) },
        ratio_as: 'time',
        goal: { of: 'ratio', bound: 'at most', limit: 5 },
      },
    ];
  },
};

/** The whole file as the daemon reads it: bounded pieces, the rest of a torn line with the next. */
async function addUp({ logs, workinfoid, bytes, accepted_work }: Input): ReturnType<Contender> {
  const file = await logs.file(height, workinfoid);
  if (!file) throw new Error('the share log was not found');
  const tally = createShareTally();
  let accepted = 0;
  for (let offset = 0; offset < bytes;) {
    const taken = tally.take(await logs.read(file, offset, read_bytes), { height, workinfoid }, offset);
    if (taken.faults.length > 0 || taken.consumed === 0) throw new Error('the tally found a fault in a good line');
    offset += taken.consumed;
    accepted += taken.accepted;
  }
  const sum = [...tally.work(0).values()].reduce<bigint>((total, work) => total + work, noWork);
  requireSame(wholeShares(sum as typeof noWork), accepted_work);
  return accepted;
}

function requireSame(found: number | bigint, written: number | bigint): void {
  if (found !== written) throw new Error(`the sum is ${found} and not ${written}: no speed counts`);
}
