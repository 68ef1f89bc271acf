// How fast an old log directory is read, as `--once` does: a log in several files, all but the last compressed, beside
// the shell's way to look into it. Compressed files are inflated twice, once to know where they end: a torn one must
// never be taken for whole.
import { execFile } from 'node:child_process';
import { closeSync, openSync, readSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { readPoolLog } from '../log-reading.js';
import { noise_lines_a_minute, writePoolLog, type PoolLog } from '../pool-log.js';
import type { Row } from '../row.js';
import { sideBySide } from '../side-by-side.js';

const run = promisify(execFile);
const repetitions = 3;
const files = 4;
/** Of --size: inflating is slow. */
const part_of_size = 2;

export const logRotated: Row<PoolLog> = {
  name: 'log-rotated',
  prepare: ({ directory, size_bytes, users, random, say }) => {
    const plan = { size_bytes: size_bytes / part_of_size, users, noise_lines: noise_lines_a_minute, random };
    say(`writing ${plan.size_bytes} bytes of ckpool.log of ${users} users in ${files} files`);
    const log = writePoolLog(join(directory, 'logs'), plan);
    rotate(log);
    return Promise.resolve(log);
  },
  async measure(log, { say, stop }) {
    say(`${log.lines} lines, ${repetitions} times each: ours, zcat and grep`);
    await readPoolLog(log, true);
    const timings = await sideBySide({ ours: () => readPoolLog(log), zcat: () => zcatBlocks(log) }, repetitions, stop);
    for (const { result } of Object.values(timings)) {
      if (result !== log.blocks) throw new Error(`found ${result} of ${log.blocks} blocks`);
    }
    const speed = (seconds: number): number => log.bytes / 1e9 / seconds;
    return [{
      name: 'rotated and compressed logs', value: speed(timings.ours.median_seconds), unit: 'GB/s',
      peer: { name: 'zcat and grep -c', value: speed(timings.zcat.median_seconds) }, ratio_as: 'time',
      goal: { of: 'ratio', bound: 'at most', limit: 1 },
    }];
  },
};

/** Quarters, cut at a line's end; the last stays where ckpool writes. */
function rotate({ path, bytes }: PoolLog): void {
  const source = openSync(path, 'r');
  try {
    let from = 0;
    for (let file = 1; file < files; file += 1) {
      const piece = Buffer.alloc(Math.floor((bytes * file) / files) - from);
      readSync(source, piece, 0, piece.length, from);
      const whole = piece.subarray(0, piece.lastIndexOf('\n') + 1);
      const rotated = `${path}.${files - file}.gz`;
      writeFileSync(rotated, gzipSync(whole, { level: 6 }));
      utimesSync(rotated, 1_000 + file, 1_000 + file);
      from += whole.length;
    }
    const rest = Buffer.alloc(bytes - from);
    readSync(source, rest, 0, rest.length, from);
    truncateSync(path);
    writeFileSync(path, rest);
  } finally {
    closeSync(source);
  }
}

async function zcatBlocks({ path }: PoolLog): Promise<number> {
  const command = '(zcat "$1".3.gz "$1".2.gz "$1".1.gz; cat "$1") | grep -c "Solved and confirmed"';
  const { stdout } = await run('sh', ['-c', command, 'sh', path], { env: { ...process.env, LC_ALL: 'C' } });
  return Number(stdout);
}
