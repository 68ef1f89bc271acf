// The generator writes what ckpool writes: each line is read whole by the reader of share logs, has the form of
// a line of the recording, and the sums that it tells are those of its lines.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../lab/random.js';
import { unpackRecording } from '../lab/recordings.js';
import { parseShareLine } from '../accounting/core/share-line.js';
import { wholeShares } from '../accounting/core/share-work.js';
import { createShareLines, line_bytes_max, workInfo, writeShareLog } from './share-lines.js';

let directory: string;
beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'pool-bench-lines-')); });
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const written = (seed: number, bytes = 200_000) => {
  const path = join(directory, `${seed}-${bytes}-${Math.trunc(performance.now() * 1e3)}.sharelog`);
  const lines = createShareLines(300, createRandom(seed));
  writeShareLog(path, lines, bytes);
  return { lines, texts: readFileSync(path, 'utf8').trimEnd().split('\n') };
};
/** Digits and names by their kind. */
const formOf = (line: string): string => line.replace(/"[^"]*"(?=[,}])/g, '"text"').replace(/\d+/g, '1');

describe('generated share logs', () => {
  it('hold lines that the reader of share logs takes, rejected ones included', () => {
    const { texts } = written(1);
    const shares = texts.map((text) => parseShareLine(Buffer.from(text)));
    expect(shares.filter((share) => 'fault' in share)).toEqual([]);
    const rejected = shares.filter((share) => 'accepted' in share && !share.accepted).length;
    expect(rejected / shares.length).toBeGreaterThan(0.01);
    expect(rejected / shares.length).toBeLessThan(0.08);
  });

  it('say what their lines add up to', () => {
    const { lines, texts } = written(2);
    const accepted = texts.map((text) => parseShareLine(Buffer.from(text)))
      .flatMap((share) => ('accepted' in share && share.accepted ? [share] : []));
    expect(lines.lines).toBe(texts.length);
    expect(lines.accepted_lines).toBe(accepted.length);
    const sum = accepted.reduce((total, { work }) => total + wholeShares(work), 0n);
    expect(sum).toBe(BigInt(lines.accepted_work));
  });

  it('have the form and about the length of the lines that a real ckpool wrote', async () => {
    const recording = await unpackRecording('busy');
    try {
      const real = readFileSync(join(recording.log_directory, '0000007a', '6b00110b00000001.sharelog'), 'utf8')
        .trimEnd().split('\n');
      const { texts } = written(3);
      const forms = new Set(texts.map(formOf));
      const accepted = real.find((line) => line.includes('"result": true')) ?? '';
      expect(forms).toContain(formOf(accepted));
      const mean = (lines: readonly string[]) => lines.join('').length / lines.length;
      expect(Math.abs(mean(texts) - mean(real))).toBeLessThan(60);
      expect(Math.max(...texts.map((text) => text.length))).toBeLessThan(line_bytes_max);
    } finally {
      await recording.remove();
    }
  });

  it('are the same bytes for the same seed, in the order of their time', () => {
    expect(written(4).texts).toEqual(written(4).texts);
    expect(written(4).texts).not.toEqual(written(5).texts);
    const moments = written(4).texts.map((text) => /"createdate": "(\d+),(\d+)"/.exec(text)!)
      .map(([, seconds, nanoseconds]) => Number(seconds) * 1e9 + Number(nanoseconds));
    expect(moments).toEqual([...moments].sort((a, b) => a - b));
  });

  it('name work as ckpool does, above what a double can hold', () => {
    expect(workInfo(7)).toMatch(/^[0-9a-f]{8}00000007$/);
    expect(BigInt(`0x${workInfo(7)}`)).toBeGreaterThan(BigInt(Number.MAX_SAFE_INTEGER));
  });
});
