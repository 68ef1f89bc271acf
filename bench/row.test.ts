// When a goal is met, and what stands in the table and in latest.json.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isMet, lineOf, ratioOf, type Measurement } from './row.js';
import { tableText, thisMachine, writeReport, type Report } from './report.js';
import { median, quantile, sideBySide, slopeOf } from './side-by-side.js';
import { chooseRows, parseSize, parseUsers } from './sizes.js';

const measured = (change: Partial<Measurement>): Measurement => ({
  name: 'row', value: 10, unit: 's', peer: { name: 'cat', value: 4 }, ratio_as: 'time', goal: null, ...change,
});

describe('the ratio to a peer', () => {
  it.each([
    ['a time, as a multiple of the time', 's', 'time', 2.5],
    ['a time, as a multiple of the speed', 's', 'speed', 0.4],
    ['a rate, as a multiple of the speed', 'GB/s', 'speed', 2.5],
    ['a rate, as a multiple of the time', 'GB/s', 'time', 0.4],
    ['a size, as a multiple of the size', 'MiB', 'size', 2.5],
  ] as const)('of %s', (_, unit, ratio_as, ratio) => {
    expect(ratioOf(measured({ unit, ratio_as }))).toBeCloseTo(ratio);
  });

  it('is none without a peer', () => {
    expect(ratioOf(measured({ peer: null }))).toBeNull();
  });
});

describe('a goal', () => {
  it.each([
    ['ratio', 'at most', 2.5, true],
    ['ratio', 'at most', 2.4, false],
    ['ratio', 'at least', 2.5, true],
    ['ratio', 'at least', 2.6, false],
    ['value', 'at most', 10, true],
    ['value', 'at most', 9, false],
  ] as const)('of the %s, %s %d: met is %s', (of, bound, limit, met) => {
    expect(isMet(measured({ goal: { of, bound, limit } }))).toBe(met);
  });

  it('is missed by a figure that is no number, and by a ratio without a peer', () => {
    expect(isMet(measured({ value: Number.NaN, goal: { of: 'value', bound: 'at most', limit: 1 } }))).toBe(false);
    expect(isMet(measured({ peer: null, goal: { of: 'ratio', bound: 'at most', limit: 1 } }))).toBe(false);
  });

  it('that is not set is neither met nor missed', () => {
    expect(isMet(measured({}))).toBeNull();
  });
});

describe('the report', () => {
  const lines = [
    lineOf(measured({ goal: { of: 'ratio', bound: 'at most', limit: 2 } })),
    lineOf(measured({ name: 'alone', value: 1 / 3, peer: null })),
  ];

  it('has the fields that others read, and figures of four digits', () => {
    expect(lines).toEqual([
      { name: 'row', value: 10, unit: 's', peer: 'cat: 4 s', ratio: 2.5, goal: 'at most 2 x the time', met: false },
      { name: 'alone', value: 0.3333, unit: 's', peer: null, ratio: null, goal: null, met: null },
    ]);
  });

  it('is one table, a line for each figure, what is missed in capitals', () => {
    const table = tableText({ machine: thisMachine(), rows: lines }).split('\n');
    expect(table.filter((line) => /^(?:what|row|alone) /.test(line))).toHaveLength(3);
    expect(table.find((line) => line.startsWith('row '))).toMatch(/cat: 4 s\s+2\.5\s+at most 2 x the time\s+NO$/);
  });

  it('is written whole, and tells of the machine neither name nor place', () => {
    const directory = mkdtempSync(join(tmpdir(), 'pool-bench-report-'));
    try {
      writeReport(join(directory, 'results/latest.json'), { machine: thisMachine(), rows: lines });
      expect(readdirSync(join(directory, 'results'))).toEqual(['latest.json']);
      const report = JSON.parse(readFileSync(join(directory, 'results/latest.json'), 'utf8')) as Report;
      expect(Object.keys(report.machine)).toEqual(['cpu', 'cores', 'memory_gib', 'node']);
      expect(report.rows).toEqual(lines);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('measuring side by side', () => {
  it('takes turns, the order reversed each time, and does not count the first round', async () => {
    const order: string[] = [];
    const contender = (name: string) => async () => { order.push(name); return 1; };
    const timings = await sideBySide({ a: contender('a'), b: contender('b') }, 2);
    expect(order.join('')).toBe('abbaab');
    expect(timings.a.result).toBe(1);
    expect(timings.a.median_seconds).toBeGreaterThanOrEqual(0);
  });

  it('reports nothing of work that comes out differently each time', async () => {
    let count = 0;
    await expect(sideBySide({ a: async () => count++ }, 2)).rejects.toThrow('two different answers');
  });

  it('ends between two pieces of work when it is told to stop', async () => {
    await expect(sideBySide({ a: async () => 1 }, 2, AbortSignal.abort())).rejects.toThrow();
  });

  it('knows medians, quantiles and slopes', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, Number.NaN]);
    expect([quantile([5, 1], 0), quantile([5, 1], 1), quantile([0, 10], 0.99)]).toEqual([1, 5, 9.9]);
    expect(slopeOf([[0, 1], [1, 3], [2, 5]])).toBeCloseTo(2);
  });
});

describe('the command line', () => {
  it.each([['1M', 2 ** 20], ['512m', 2 ** 29], ['2GB', 2 ** 31], ['1048576', 2 ** 20]])('takes %s as a size', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', '1', '-1M', '1.5G', '1T', '99999G', 'M'])('refuses %j as a size', (text) => {
    expect(() => parseSize(text)).toThrow('--size');
  });

  it.each(['0', '1e3', '', '-5'])('refuses %j as a number of users', (text) => {
    expect(() => parseUsers(text)).toThrow('--users');
  });

  it('runs the rows that are named, in their own order, and refuses a name that is none', () => {
    const rows = ['a', 'b', 'c'].map((name) => ({ name }));
    expect(chooseRows(rows, 'c, a').map(({ name }) => name)).toEqual(['a', 'c']);
    expect(chooseRows(rows, undefined)).toHaveLength(3);
    expect(() => chooseRows(rows, 'a,d')).toThrow('names none of a, b, c');
    expect(() => chooseRows(rows, '')).toThrow('--rows');
  });
});
