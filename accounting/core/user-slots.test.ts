import { describe, expect, test } from 'vitest';
import { createUserSlots, user_slots_max } from './user-slots.js';

const finder = () => {
  const slots = createUserSlots();
  const find = (text: string, before = '') => {
    const bytes = Buffer.from(`${before}${text}!`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return slots.find(view, Buffer.byteLength(before), bytes.length - 1);
  };
  return { slots, find };
};

describe('the slots of users', () => {
  test('the same bytes have the same slot wherever they stand, others another', () => {
    const { slots, find } = finder();
    const names = ['a', 'b', 'abcd', 'abce', 'abcde', 'abcdef', 'Abcdef', 'é', 'x'.repeat(127), 'x'.repeat(126)];
    expect(names.map((name) => find(name))).toEqual(names.map((_, slot) => slot));
    expect(names.map((name) => find(name, '"é'))).toEqual(names.map((_, slot) => slot));
    expect(slots.name(7)).toBe('\xc3\xa9');
  });

  test('an escaped name is the name that it stands for', () => {
    const { slots, find } = finder();
    expect(['a\\"b', '\\u00e9\\\\', 'a\\u002eb'].map((name) => find(name))).toEqual([0, 1, -1]);
    expect([slots.name(0), slots.name(1)]).toEqual(['a"b', '\xc3\xa9\\']);
  });

  test.each(['', 'a.b', 'a_b', 'a/b', 'x'.repeat(128)])('what is no user has none: %s', (name) => {
    const { slots, find } = finder();
    expect(find(name)).toBe(-1);
    expect(slots.count).toBe(0);
  });

  test('there is an end to them, and who has one keeps it', () => {
    const { slots, find } = finder();
    const found = Array.from({ length: 2 * user_slots_max }, (_, index) => find(`user${index}`));
    expect(slots.count).toBeLessThanOrEqual(user_slots_max);
    expect(find('somebody else')).toBe(-1);
    found.slice(0, 1000).forEach((slot, index) => expect(find(`user${index}`)).toBe(slot));
  });
});
