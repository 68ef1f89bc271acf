// The work of each user, cut into buckets by places in the order of all shares: bucket b holds what stands behind
// cut b - 1, up to and with cut b. Every share falls into exactly one bucket.
import type { NameBytes } from '../../shared/username.js';
import { comparePlaces, type SharePlace } from './share-order.js';
import type { Work } from './share-work.js';
import { createWorkSums, type WorkSums } from './work-sums.js';

export interface WorkBucket {
  readonly sums: WorkSums;
  /** A share of a second between these two (neither of them included) belongs here for sure. */
  readonly after_seconds: number;
  readonly before_seconds: number;
}

export interface WorkBuckets {
  at(place: SharePlace): WorkBucket;
  /** Users with work in that bucket, and how much. */
  work(bucket: number): ReadonlyMap<NameBytes, Work>;
}

const nobody: ReadonlyMap<NameBytes, Work> = new Map();

/**
 * @param cuts ascending
 * @param nameOf the user of a slot
 */
export function createWorkBuckets(
  cuts: readonly SharePlace[], nameOf: (slot: number) => NameBytes,
): WorkBuckets {
  const buckets = new Map<number, WorkBucket>();

  function create(index: number): WorkBucket {
    const bucket: WorkBucket = {
      sums: createWorkSums(nameOf),
      after_seconds: index === 0 ? -Infinity : cuts[index - 1]!.seconds,
      before_seconds: index === cuts.length ? Infinity : cuts[index]!.seconds,
    };
    buckets.set(index, bucket);
    return bucket;
  }

  return {
    at(place) {
      const index = countBefore(cuts, place);
      return buckets.get(index) ?? create(index);
    },
    work: (bucket) => buckets.get(bucket)?.sums.sums() ?? nobody,
  };
}

/** How many of the cuts stand before a place. */
function countBefore(cuts: readonly SharePlace[], place: SharePlace): number {
  let [low, high] = [0, cuts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePlaces(cuts[middle]!, place) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
