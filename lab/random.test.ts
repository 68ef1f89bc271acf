import { expect, it } from 'vitest';
import { createRandom } from './random.js';

it('one seed gives one run, another seed another', () => {
  const draw = (seed: string | number): string => createRandom(seed).hex(16);
  expect(draw(7)).toBe(draw(7));
  expect(draw(7)).not.toBe(draw(8));
});

it('a fork draws for itself', () => {
  const random = createRandom(1);
  const fork = random.fork('miners');
  const first = random.fraction();
  const again = createRandom(1);
  expect(again.fraction()).toBe(first);
  expect(fork.hex(8)).toBe(again.fork('miners').hex(8));
});

it('whole numbers fill their range and nothing beyond', () => {
  const random = createRandom('dice');
  const seen = new Set(Array.from({ length: 1000 }, () => random.integer(1, 6)));
  expect([...seen].sort()).toEqual([1, 2, 3, 4, 5, 6]);
});
