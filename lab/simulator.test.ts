// What the simulated pool promises in every test run: some forty seeds, and that a seed is the same run each time.
// `npm run simulate` runs thousands. Every crash point of the short stories: simulator/exhaustive.test.ts.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { simulate } from './simulator.js';

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
