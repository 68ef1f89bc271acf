import { describe, expect, test } from 'vitest';
import { createRipeness } from './ripeness.js';

describe('line and block wait for each other', () => {
  test.each([
    ['what appeared just now waits', [9_500], false],
    ['what appeared before the wait is ripe', [8_000], true],
    ['the youngest of a height counts', [7_000, 9_999], false],
    ['but not for ever: lines can be forged every second', [0, 9_999], true],
  ])('%s', (_, appeared, ripe) => {
    const isRipe = createRipeness(appeared.map((at_ms) => ({ height: 7, at_ms })), 10_000, 2_000);
    expect(isRipe(7)).toBe(ripe);
  });

  test('with --once nothing waits', () => {
    expect(createRipeness([{ height: 7, at_ms: 10_000 }], 10_000, 0)(7)).toBe(true);
  });

  test('heights do not wait for each other', () => {
    const isRipe = createRipeness([{ height: 7, at_ms: 9_999 }, { height: 8, at_ms: 1_000 }], 10_000, 2_000);
    expect([isRipe(7), isRipe(8)]).toEqual([false, true]);
  });
});
