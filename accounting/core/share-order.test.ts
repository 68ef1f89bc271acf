import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareMoments, comparePlaces, type SharePlace } from './share-order.js';

const place = (seconds: number, nanoseconds: number, height = 1, workinfoid = 'a', offset = 0): SharePlace =>
  ({ seconds, nanoseconds, height, workinfoid, offset });

const anyPlace = fc.record<SharePlace>({
  seconds: fc.nat(2), nanoseconds: fc.constantFrom(0, 7, 700_000_000), height: fc.nat(1),
  workinfoid: fc.constantFrom('6b00110b00000001', '6b00110b0000000a'), offset: fc.nat(2),
});

describe('the order of shares', () => {
  test.each<[string, SharePlace, SharePlace]>([
    ['nanoseconds are whole numbers, not a fraction: 5,7 is before 5,60', place(5, 7), place(5, 60)],
    ['seconds decide first', place(5, 999_999_999), place(6, 0)],
    ['in one nanosecond the lower height is first', place(5, 7, 122, 'b', 9), place(5, 7, 123, 'a', 0)],
    ['then the earlier work', place(5, 7, 1, '6b00110b00000009', 9), place(5, 7, 1, '6b00110b0000000a', 0)],
    ['then the place in the file', place(5, 7, 1, 'a', 90), place(5, 7, 1, 'a', 100)],
  ])('%s', (_, first, second) => {
    expect(comparePlaces(first, second)).toBeLessThan(0);
    expect(comparePlaces(second, first)).toBeGreaterThan(0);
    expect(comparePlaces(first, { ...first })).toBe(0);
  });

  test('is total: two shares at different places are never equal, and no three run in a circle', () => {
    fc.assert(fc.property(anyPlace, anyPlace, anyPlace, (a, b, c) => {
      expect(Math.sign(comparePlaces(a, b)) + Math.sign(comparePlaces(b, a))).toBe(0);
      if (comparePlaces(a, b) === 0) expect(a).toEqual(b);
      if (comparePlaces(a, b) <= 0 && comparePlaces(b, c) <= 0) {
        expect(comparePlaces(a, c)).toBeLessThanOrEqual(0);
      }
      if (compareMoments(a, b) !== 0) expect(comparePlaces(a, b)).toBe(compareMoments(a, b));
    }));
  });
});
