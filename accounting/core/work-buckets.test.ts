import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NameBytes } from '../../shared/username.js';
import { comparePlaces, type SharePlace } from './share-order.js';
import { noWork, workOfShares, type Work } from './share-work.js';
import { createWorkBuckets } from './work-buckets.js';

const users = ['anna', 'bert'] as NameBytes[];
const nameOf = (slot: number): NameBytes => users[slot]!;
const at = (seconds: number, nanoseconds = 0, offset = 0): SharePlace =>
  ({ seconds, nanoseconds, height: 7, workinfoid: '0', offset });

describe('buckets of work', () => {
  test('end with the place of their cut, itself included', () => {
    const buckets = createWorkBuckets([at(5, 7, 1), at(9)], nameOf);
    for (const place of [at(5), at(5, 7, 1), at(5, 7, 2), at(9), at(9, 1)]) buckets.at(place).sums.addSmall(0, 1);
    const counts = [0, 1, 2].map((bucket) => buckets.work(bucket).get(users[0]!));
    expect(counts).toEqual([workOfShares(2n), workOfShares(2n), workOfShares(1n)]);
  });

  test('are one and hold everything where nothing is cut', () => {
    const buckets = createWorkBuckets([], nameOf);
    expect(buckets.at(at(0))).toMatchObject({ after_seconds: -Infinity, before_seconds: Infinity });
    expect(buckets.work(0)).toEqual(new Map());
    expect(buckets.work(1)).toEqual(new Map());
  });

  const anyPlace = fc.record({ seconds: fc.integer({ min: 1, max: 6 }), nanoseconds: fc.nat(2), offset: fc.nat(2) })
    .map(({ seconds, nanoseconds, offset }) => at(seconds, nanoseconds, offset));

  test('take each share once; a second that a bucket calls its own falls into no other', () => {
    fc.assert(fc.property(fc.array(anyPlace), fc.array(anyPlace), (some, places) => {
      const cuts = [...some].sort(comparePlaces);
      const buckets = createWorkBuckets(cuts, nameOf);
      for (const place of places) buckets.at(place).sums.addSmall(1, 1);
      const counts = [...cuts, null].map((_, bucket) => buckets.work(bucket).get(users[1]!) ?? noWork);
      expect(counts.reduce<bigint>((sum, work) => sum + work, 0n)).toBe(workOfShares(BigInt(places.length)));
      counts.forEach((work, bucket) => {
        const own = places.filter((place) => cuts.filter((cut) => comparePlaces(cut, place) < 0).length === bucket);
        expect(work).toBe(own.length === 0 ? noWork : workOfShares(BigInt(own.length)) satisfies Work);
      });
      for (const place of places) {
        const { after_seconds, before_seconds } = buckets.at(place);
        const sure = places.filter(({ seconds }) => seconds > after_seconds && seconds < before_seconds);
        expect(sure.every((one) => buckets.at(one) === buckets.at(place))).toBe(true);
      }
    }));
  });
});
