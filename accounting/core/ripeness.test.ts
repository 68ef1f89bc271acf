import { describe, expect, test } from 'vitest';
import { createRipeness } from './ripeness.js';

describe('line and block wait for each other', () => {
  test.each([
    ['what appeared just now waits', [500], false],
    ['what appeared before the wait is ripe', [2_000], true],
    ['the youngest of a height counts', [3_000, 1], false],
    ['but not for ever: lines can be forged every second', [10_000, 1], true],
  ])('%s', (_, ages, ripe) => {
    const isRipe = createRipeness(ages.map((age_ms) => ({ height: 7, age_ms })), 2_000);
    expect(isRipe(7)).toBe(ripe);
  });

  test('with --once nothing waits', () => {
    expect(createRipeness([{ height: 7, age_ms: 0 }], 0)(7)).toBe(true);
  });

  test('heights do not wait for each other', () => {
    const isRipe = createRipeness([{ height: 7, age_ms: 1 }, { height: 8, age_ms: 9_000 }], 2_000);
    expect([isRipe(7), isRipe(8)]).toEqual([false, true]);
  });
});
