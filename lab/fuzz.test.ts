// Thirty seconds of what `npm run fuzz` does for ten minutes: every target has a fixed share of them. The seed is
// another one each time and is printed with the counts; a failure prints the smallest input and how to meet it again.
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildPrograms } from '../tests/programs.js';
import { loadCorpus, type Corpus } from './fuzz/corpus.js';
import { measureMemory, memoryLine, peak_limit_mib } from './fuzz/memory.js';
import { memoryCases } from './fuzz/memory/cases.js';
import { damage_names, damaged } from './fuzz/mutator.js';
import { failureText, reportLine, runTargets } from './fuzz/run.js';
import { asyncTarget, target } from './fuzz/target.js';
import { allTargets } from './fuzz/targets.js';
import { hostile_names } from './hostile-names.js';

const time_ms = 30_000;
const print = (text: string): void => { process.stdout.write(`${text}\n`); };
let corpus: Corpus;
beforeAll(async () => { corpus = await loadCorpus(); });

describe('damaged bytes of a real pool', () => {
  it('break no promise of any parser', async () => {
    const seed = randomInt(2 ** 31);
    const reports = await runTargets(allTargets(corpus), seed, time_ms);
    print(`fuzz: seed ${seed}`);
    for (const report of reports) print(reportLine(report));
    expect(reports.map(failureText).filter((text) => text !== '')).toEqual([]);
    expect(reports.filter(({ executions }) => executions === 0)).toEqual([]);
  }, 5 * time_ms);

  it('come from every kind of line that was recorded, and from each hostile name once', () => {
    expect(corpus.log_lines.length).toBeGreaterThan(100);
    for (const part of Object.values(corpus)) expect(part.length).toBeGreaterThan(1);
    expect(new Set(hostile_names.map(({ name }) => name)).size).toBe(hostile_names.length);
    expect(new Set(damage_names).size).toBeGreaterThan(12);
  });
});

describe('a parser that breaks its promise', () => {
  const broken = (corpus_lines: readonly Buffer[]) => target('broken', 'A user has no NUL in his name.', damaged(corpus_lines), (bytes) => {
    if (bytes.includes('\0')) throw new Error('a NUL byte came through');
  });

  it('is found, with an input that is as small as it gets, and found again by its seed', async () => {
    const lines = corpus.log_lines.filter((line) => !line.includes(0));
    const first = await broken(lines).run(1, 10_000);
    expect(first.found).toMatchObject({ error: expect.stringContaining('a NUL byte came through') });
    const again = await broken(lines).run(first.found!.seed, 1);
    expect(again.found?.input).toBe(first.found!.input);
    const [report] = await runTargets([broken(lines)], first.found!.seed, 1_000);
    expect(failureText(report!)).toContain(`npm run fuzz -- --target broken --seed ${first.found!.seed}`);
  });

  it('is never blamed for an input that an earlier batch had no time for', async () => {
    let running = 0;
    let most = 0;
    const slow = asyncTarget('slow', 'One at a time.', fc.nat(), async () => {
      most = Math.max(most, running += 1);
      await new Promise((resolve) => { setTimeout(resolve, 70); });
      running -= 1;
    });
    for (const seed of [1, 2, 3]) await slow.run(seed, 100);
    expect(most).toBe(1);
  });

  it('is found when it is slow, not only when it throws', async () => {
    const { withinTime } = await import('./fuzz/target.js');
    const slow = target('slow', 'Any number is read at once.', fc.nat(), () => withinTime(50, () => {
      const until_ms = performance.now() + 500;
      while (performance.now() < until_ms);
    }));
    expect((await slow.run(1, 100)).found?.error).toMatch(/ms of processor time/);
  }, 60_000);
});

/** The whole size where that takes a moment, a tenth of ten million lines; `npm run fuzz` reads all of it. */
describe('the daemon stays below 200 MiB', () => {
  beforeAll(() => { buildPrograms(); }, 300_000);

  it.each<[string, number]>([
    ['log: a line of 1 GB, of NUL bytes', 1],
    ['log: a line of 1 GB in a compressed file', 0.25],
    ['log: 10 million lines of a real pool', 0.1],
    ['share log: a line of 1 GB', 1],
    ['share log: 10 million shares', 0.1],
    ['users/ and pool.status: files of 1 GB', 1],
  ])('%s, %d of it', async (name, part) => {
    const report = await measureMemory(memoryCases.find((one) => one.name === name)!, part, 200_000);
    print(memoryLine(report));
    expect(report.fault).toBeNull();
    expect(report.peak_mib).toBeLessThan(peak_limit_mib);
  }, 240_000);
});
