import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ring, type Bell } from './bell.js';

let directory: string;
let log: string;
let bell: Bell;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'bell-'));
  log = path.join(directory, 'ckpool.log');
});
afterEach(() => {
  bell.close();
  rmSync(directory, { recursive: true, force: true });
});

const rung = async (rings: () => number, after: number): Promise<void> =>
  vi.waitFor(() => expect(rings()).toBeGreaterThan(after), { timeout: 5000, interval: 10 });

it('rings when the log grows, without waiting for the end of a line', async () => {
  let rings = 0;
  appendFileSync(log, 'old\n');
  bell = ring(log, () => { rings++; });
  const before = rings;
  appendFileSync(log, 'half a li');
  await rung(() => rings, before);
});

it('rings through absence, rotation, truncation and deletion of the log', async () => {
  let rings = 0;
  bell = ring(log, () => { rings++; });
  const afterEachOf = [
    () => appendFileSync(log, 'appears\n'),
    () => { renameSync(log, `${log}.1`); appendFileSync(log, 'new\n'); },
    () => { truncateSync(log, 0); appendFileSync(log, 'x'.repeat(10)); appendFileSync(log, 'y'.repeat(5000)); },
    () => { rmSync(log); appendFileSync(log, 'again\n'); },
    () => appendFileSync(log, 'grows\n'),
  ];
  for (const change of afterEachOf) {
    const before = rings;
    change();
    await rung(() => rings, before);
    await new Promise((resolve) => { setTimeout(resolve, 1100); });
  }
});

it('is silent once it is taken down', async () => {
  let rings = 0;
  appendFileSync(log, 'old\n');
  bell = ring(log, () => { rings++; });
  bell.close();
  const before = rings;
  appendFileSync(log, 'more\n');
  await new Promise((resolve) => { setTimeout(resolve, 200); });
  expect(rings).toBe(before);
});
