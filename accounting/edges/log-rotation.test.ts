// Whatever rotations do to the log: as long as no byte is destroyed, each line is read once and in order.
// The pool of this test opens its log again as ckpool does: by name, with the first line after more than 60 s.
import {
  appendFileSync, closeSync, copyFileSync, existsSync, openSync, readdirSync, readFileSync, renameSync, rmSync,
  statSync, truncateSync, utimesSync, writeFileSync, fstatSync, futimesSync,
} from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Clock } from '../../shared/clock.js';
import { createTestPool, createTestReader } from './log-reader.fixture.js';

type Move = 'write' | 'wait' | 'rename' | 'create' | 'copytruncate' | 'compress' | 'read' | 'drain' | 'restart' | 'tear';
const start_ms = Date.UTC(2026, 10, 20, 9);

function createRotatingPool() {
  const pool = createTestPool();
  let now_ms = start_ms;
  let written = 0;
  let opened: { fd: number; at_ms: number } | null = null;
  const expected: string[] = [];
  const clock: Clock = { now_ms: () => now_ms, monotonic_ms: () => now_ms, sleep: async () => undefined };

  function write(text: string): void {
    if (opened === null || now_ms - opened.at_ms > 60_000) {
      if (opened) closeSync(opened.fd);
      opened = { fd: openSync(pool.log, 'a'), at_ms: now_ms };
    }
    appendFileSync(opened.fd, text);
    futimesSync(opened.fd, now_ms / 1000, now_ms / 1000);
  }

  function writeLine(): void {
    now_ms += 7;
    const stamp = new Date(now_ms).toISOString().replace('T', ' ').slice(0, 23);
    const line = `[${stamp}] line ${++written} ${'x'.repeat((written * 37) % 90)}`;
    expected.push(line);
    write(`${line}\n`);
  }

  /** ckpool.log.2 becomes ckpool.log.3, and so on. */
  function shift(): void {
    const numbers = readdirSync(pool.directory).flatMap((name) => /^ckpool\.log\.(\d+)(\.gz)?$/.exec(name)?.[0] ?? []);
    const of = (name: string): number => Number(/\d+/.exec(name)![0]);
    for (const name of numbers.sort((a, b) => of(b) - of(a))) {
      renameSync(path.join(pool.directory, name), path.join(pool.directory, name.replace(/\d+/, String(of(name) + 1))));
    }
  }

  /** As `gzip` does it: never the file that ckpool has open. */
  function compress(): void {
    const inode = opened ? fstatSync(opened.fd).ino : null;
    for (const name of readdirSync(pool.directory)) {
      const file = path.join(pool.directory, name);
      if (!/\.\d+$/.test(name) || statSync(file).ino === inode) continue;
      writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
      utimesSync(`${file}.gz`, statSync(file).mtime, statSync(file).mtime);
      rmSync(file);
    }
  }

  const moves: Record<Exclude<Move, 'read' | 'drain' | 'restart'>, () => void> = {
    write: writeLine,
    wait: () => { now_ms += 61_000; },
    tear: () => {
      now_ms += 7;
      const stamp = new Date(now_ms).toISOString().replace('T', ' ').slice(0, 23);
      write(`[${stamp}] to`);
      expected.push(`[${stamp}] torn ${++written}`);
      write(`rn ${written}\n`);
    },
    rename: () => {
      if (!existsSync(pool.log)) return;
      shift();
      renameSync(pool.log, `${pool.log}.1`);
    },
    create: () => appendFileSync(pool.log, ''),
    copytruncate: () => {
      if (!existsSync(pool.log)) return;
      shift();
      copyFileSync(pool.log, `${pool.log}.1`);
      utimesSync(`${pool.log}.1`, now_ms / 1000, now_ms / 1000);
      truncateSync(pool.log, 0);
    },
    compress,
  };
  const remove = (): void => {
    if (opened) closeSync(opened.fd);
    pool.remove();
  };
  return { log: pool.log, clock, expected, moves, remove };
}

const anyMoves = fc.array(fc.oneof(
  { weight: 6, arbitrary: fc.constant<Move>('write') },
  { weight: 3, arbitrary: fc.constantFrom<Move>('read', 'drain', 'wait') },
  { weight: 3, arbitrary: fc.constantFrom<Move>('rename', 'copytruncate', 'create', 'compress', 'restart', 'tear') },
), { minLength: 5, maxLength: 60 });

it.each([
  { restarting: false, once: false }, { restarting: true, once: false }, { restarting: false, once: true },
])('no rotation loses or doubles a line (D-17), restarted at every step: $restarting, --once: $once', async ({ restarting, once }) => {
  await fc.assert(fc.asyncProperty(anyMoves, async (moves) => {
    const pool = createRotatingPool();
    const reader = createTestReader(pool.log, { bytes_max: 400, clock: pool.clock, once });
    try {
      for (const move of moves) {
        if (restarting) await reader.restart();
        if (move === 'read') await reader.step();
        else if (move === 'drain') await reader.drain();
        else if (move === 'restart') await reader.restart();
        else pool.moves[move]();
      }
      for (const move of ['wait', 'write', 'wait', 'write'] as const) pool.moves[move]();
      expect(await reader.drain()).toEqual(pool.expected);
      expect(reader.gaps).toEqual([]);
    } finally {
      await reader.close();
      pool.remove();
    }
  }), { numRuns: 200 });
});
