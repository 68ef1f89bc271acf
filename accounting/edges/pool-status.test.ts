import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { poolStartedAt } from './pool-status.js';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pool-status-'));
  mkdirSync(join(directory, 'pool'));
  file = join(directory, 'pool', 'pool.status');
});
afterEach(() => { rmSync(directory, { recursive: true }); });

const real = '{"runtime": 840, "lastupdate": 1795166478, "Users": 7, "Workers": 9, "Idle": 0, "Disconnected": 0}\n{"hashrate1m": "1.5T"}\n';

test('the start of ckpool is the time of its last pass less how long it has run', async () => {
  writeFileSync(file, real);
  expect(await poolStartedAt(directory)).toBe(1795166478 - 840);
});

test.each<[string, string]>([
  ['nothing', ''], ['half a line', real.slice(0, 40)], ['null', 'null\n'], ['a list', '[1, 2]\n'],
  ['a time without end', '{"runtime": 1e999, "lastupdate": 1e999}\n'], ['a time in text', '{"runtime": "1", "lastupdate": "2"}\n'],
  ['a part of a second', '{"runtime": 0.5, "lastupdate": 2}\n'], ['a start before all time', '{"runtime": 5, "lastupdate": 2}\n'],
])('a file that holds %s tells nothing', async (_, content) => {
  writeFileSync(file, content);
  expect(await poolStartedAt(directory)).toBeNull();
});

test('no file, a pipe in its place and a file of a terabyte tell nothing, at once', async () => {
  expect(await poolStartedAt(directory)).toBeNull();
  execFileSync('mkfifo', [file]);
  expect(await poolStartedAt(directory)).toBeNull();
  rmSync(file);
  writeFileSync(file, '');
  truncateSync(file, 2 ** 40);
  expect(await poolStartedAt(directory)).toBeNull();
});
