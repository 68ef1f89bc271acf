// Shares written live: at the rate that was asked for, each whole, and told once when they are counted.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../lab/random.js';
import { createShareLines } from './share-lines.js';
import { createShareWriter } from './share-writer.js';

let directory: string;
beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'pool-bench-writer-')); });
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const createWriter = (stop = new AbortController().signal) => createShareWriter({
  share_directory: directory, lines: createShareLines(50, createRandom(1)), shares_a_second: 1_000, stop,
});

describe('the writer of live shares', () => {
  it('writes as many as the rate says, late ones into the file before', async () => {
    await createWriter().run(300);
    const files = readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8').split('\n').length - 1);
    expect(files).toHaveLength(2);
    expect(files.reduce((sum, lines) => sum + lines, 0)).toBe(300);
    expect(Math.min(...files)).toBe(3);
  });

  it('tells of each share once, and only when its last byte is counted', async () => {
    const writer = createWriter();
    await writer.run(100);
    const [late = '', current = ''] = readdirSync(directory).sort();
    const bytes = readFileSync(join(directory, current));
    const first_end = bytes.indexOf('\n') + 1;
    const workinfoid = current.slice(0, 16);
    expect(writer.takeUpTo(workinfoid, first_end - 1)).toHaveLength(0);
    expect(writer.takeUpTo(workinfoid, first_end)).toHaveLength(1);
    expect(writer.takeUpTo(workinfoid, first_end)).toHaveLength(0);
    expect(writer.takeUpTo(workinfoid, bytes.length)).toHaveLength(98);
    expect(writer.waiting).toBe(1);
    expect(writer.takeUpTo(late.slice(0, 16), Infinity)).toHaveLength(1);
    expect(writer.waiting).toBe(0);
  });

  it('ends when it is told to stop', async () => {
    await expect(createWriter(AbortSignal.abort()).run(60_000)).rejects.toThrow();
  });
});
