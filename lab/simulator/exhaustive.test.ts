// Every crash point of the eight short stories, in every test run. All pairs of them: `npm run simulate -- --exhaustive`.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exhaust, killedAt, type CrashPoint } from './exhaustive.js';
import { scenarios } from './scenarios.js';

const timezone = process.env['TZ'];
beforeAll(() => { process.env['TZ'] = 'UTC'; });
afterAll(() => { process.env['TZ'] = timezone; });

/** Pairs that found something once. */
const found_before: readonly (readonly [what: string, story: string, kills: readonly CrashPoint[]])[] = [
  ['a chain that grew by more than its height between two questions', 'the log is renamed between two blocks',
    [{ effect: 2, when: 'before' }, { effect: 22, when: 'before' }]],
];

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

  test('fault 3: and once more while it recovers: every twentieth pair of the first story', async () => {
    const [first] = scenarios;
    const { pairs, violations } = await exhaust(first!, { every_pair: 20 });
    expect(violations).toEqual([]);
    expect(pairs).toBeGreaterThanOrEqual(100);
  });

  test.each(found_before)('%s, found by a pair of crash points, does no harm any more', async (_what, name, kills) => {
    const story = scenarios.find((one) => one.name === name)!;
    expect((await killedAt(story, kills)).violations).toEqual([]);
  });
});
