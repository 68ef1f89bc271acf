import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { clear_line, createLogger } from './logger.js';
import { createProgress, type ProgressOptions } from './progress.js';

/** A stream that remembers, and a clock that stands until it is moved. */
function stand(terminal: { columns: number } | null, options: Partial<ProgressOptions> = {}) {
  const chunks: string[] = [];
  const out = Object.assign(
    new Writable({ write(chunk, _encoding, done) { chunks.push(String(chunk)); done(); } }),
    terminal ? { isTTY: true, ...terminal } : {},
  );
  const time = { now_ms: 0 };
  const clock = { now_ms: () => 0, monotonic_ms: () => time.now_ms, sleep: async () => undefined };
  const progress = createProgress({ label: 'reading', clock, out, ...options });
  return { progress, out, chunks, time };
}

/** Ten looks a second at 20 MB/s, of 1,000 MB. */
function read({ progress, time }: ReturnType<typeof stand>, seconds: number, text?: string): void {
  const until_ms = time.now_ms + seconds * 1_000;
  for (; time.now_ms <= until_ms; time.now_ms += 100) progress.report(time.now_ms * 20_000, 1e9, text);
}

describe('without a terminal, progress', () => {
  it('is a plain line every ten seconds, and one at the end', () => {
    const run = stand(null);
    read(run, 25, '3 blocks found');
    run.progress.end();
    expect(run.chunks).toEqual([
      'reading: 20%, 20.0 MB/s, 40 s left, 3 blocks found\n',
      'reading: 40%, 20.0 MB/s, 30 s left, 3 blocks found\n',
      'reading: 50%, 500 MB in 25 s, 20.0 MB/s, 3 blocks found\n',
    ]);
  });

  it('goes through the logger of a daemon', () => {
    const logged: unknown[] = [];
    const log = { debug() {}, warn() {}, error() {}, info: (...line: unknown[]) => { logged.push(line); } };
    const run = stand(null, { log });
    read(run, 12);
    run.progress.end('caught up');
    expect(run.chunks).toEqual([]);
    expect(logged).toEqual([['reading: 20%, 20.0 MB/s, 40 s left'], ['reading: 24%, 240 MB in 12 s, 20.0 MB/s, caught up']]);
  });
});

describe('on a terminal, progress', () => {
  it('is one line that is rewritten in place and stays at the end', () => {
    const run = stand({ columns: 80 });
    read(run, 3);
    run.progress.end('done');
    expect(run.chunks.join('').match(/\n/g)).toHaveLength(1);
    const drawn = run.chunks.slice(0, -1);
    expect(drawn.every((line) => line.startsWith('\r\x1b[Kreading: '))).toBe(true);
    expect(drawn.length).toBeGreaterThan(5);
    expect(drawn.length).toBeLessThan(15);
    expect(run.chunks.slice(-2)).toEqual(['\r\x1b[Kreading: 6%, 60.0 MB in 3 s, 20.0 MB/s, done', '\n']);
  });

  it('never wraps: a second line could not be taken back', () => {
    const run = stand({ columns: 20 });
    read(run, 3, 'a great many words about what was found');
    for (const line of run.chunks) expect(line.length).toBeLessThan(20 + '\r\x1b[K'.length);
  });

  it('makes room for the lines of the log', () => {
    const run = stand({ columns: 80 });
    const log = createLogger({ name: 'accounting', level: 'info', format: 'line', stream: run.out });
    read(run, 2);
    log.info('a block');
    const line = run.chunks.at(-1)!;
    expect(line.startsWith(clear_line)).toBe(true);
    expect(line.slice(clear_line.length)).toMatch(/^\S+Z info {2}accounting {2}a block\n$/);
  });
});

describe('what is soon over', () => {
  it('says nothing at all', () => {
    for (const terminal of [null, { columns: 80 }]) {
      const run = stand(terminal);
      read(run, 0.8);
      run.progress.end('done');
      expect(run.chunks).toEqual([]);
    }
  });

  it('is ended once, however often it is said', () => {
    const run = stand(null);
    read(run, 12);
    run.progress.end();
    run.progress.end();
    expect(run.chunks).toHaveLength(2);
  });
});
