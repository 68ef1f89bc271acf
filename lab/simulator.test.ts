// What the simulated pool promises in every test run: some hundred seeds and all single crash points of the eight short
// stories, in about a minute. `npm run simulate` runs thousands of seeds, and all pairs of crash points.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { simulate } from './simulator.js';
import { exhaust } from './simulator/exhaustive.js';
import { scenarios } from './simulator/scenarios.js';

const timezone = process.env['TZ'];
beforeAll(() => { process.env['TZ'] = 'UTC'; });
afterAll(() => { process.env['TZ'] = timezone; });

const batches = Array.from({ length: 8 }, (_, batch) => Array.from({ length: 5 }, (_one, index) => String(batch * 5 + index + 1)));

describe('whatever dies, lies or comes late', () => {
  test.each(batches.map((seeds) => [seeds[0], seeds.at(-1), seeds] as const))(
    'nothing is lost and nothing is paid twice (seeds %s to %s)', async (_first, _last, seeds) => {
      for (const seed of seeds) {
        const { violations, summary } = await simulate(seed);
        expect(violations, `npm run simulate -- --seed ${seed} --trace   (${summary})`).toEqual([]);
      }
    });

  test.each(['7', '19', '28'])('a seed is the same run each time, line by line (seed %s)', async (seed) => {
    const [one, other] = [await simulate(seed), await simulate(seed)];
    expect(other).toEqual(one);
  });
});

/** The fewest effects that each story has had: a story that has fewer now tests less. */
const effects_least: Readonly<Record<string, number>> = {
  'a block, share logs': 32,
  'a block, counters': 28,
  'two blocks within a second, and the second is orphaned': 40,
  'a block whose line is lost': 38,
  'the log is renamed between two blocks': 33,
  'a payout is thrown out of the chain and confirmed again': 39,
  'the mempool forgets a payout': 33,
  'one output for each payout, and a name that is no address': 53,
};

describe('killed at every effect, before it and after it', () => {
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s: everyone has earned the same', async (name, scenario) => {
    const { effects, points, violations } = await exhaust(scenario, { every_pair: 0 });
    expect(violations).toEqual([]);
    expect(points).toBe(2 * effects);
    expect(effects).toBeGreaterThanOrEqual(effects_least[name] ?? Infinity);
  });
});
