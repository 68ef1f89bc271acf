// The work of each user, summed. Nearly every share has a difficulty below 10^9: such are summed by the user's slot as
// plain numbers, whole shares and decimals apart, which is exact below 2^53, and moved to the bigint in time. What this holds grows
// with the number of users, never with the number of shares.
import type { NameBytes } from '../../shared/username.js';
import { addWorks, joinWork, noWork, type Work } from './share-work.js';

/** One difficulty more stays far below 2^53. */
const small_max = 2 ** 52;
/** Of each slot: whole shares, units of 10^-9, units of 10^-18. */
const parts = 3;

export interface WorkSums {
  /** @param difficulty whole shares, from 0 to 10^9 */
  addSmall(slot: number, difficulty: number): void;
  /** What a difficulty has beyond whole shares. @param billionths and quintillionths: each below 10^9 */
  addFraction(slot: number, billionths: number, quintillionths: number): void;
  add(user: NameBytes, work: Work): void;
  /** Users with more than no work. */
  sums(): ReadonlyMap<NameBytes, Work>;
}

/** @param nameOf the user of a slot */
export function createWorkSums(nameOf: (slot: number) => NameBytes): WorkSums {
  const sums = new Map<NameBytes, Work>();
  let small = new Float64Array(256 * parts);

  function add(user: NameBytes, work: Work): void {
    if (work > noWork) sums.set(user, addWorks(sums.get(user) ?? noWork, work));
  }

  function move(slot: number): void {
    const [whole = 0, billionths = 0, quintillionths = 0] = small.subarray(slot * parts, (slot + 1) * parts);
    small.fill(0, slot * parts, (slot + 1) * parts);
    add(nameOf(slot), joinWork(BigInt(whole), BigInt(billionths) * 1_000_000_000n + BigInt(quintillionths)));
  }

  function grow(slot: number): void {
    const larger = new Float64Array(parts * 2 ** Math.ceil(Math.log2(slot + 1)));
    larger.set(small);
    small = larger;
  }

  function addPart(slot: number, part: number, amount: number): void {
    const at = slot * parts + part;
    if (at >= small.length) grow(slot);
    const sum = small[at]! + amount;
    small[at] = sum;
    if (sum >= small_max) move(slot);
  }

  return {
    addSmall: (slot, difficulty) => addPart(slot, 0, difficulty),
    addFraction(slot, billionths, quintillionths) {
      addPart(slot, 1, billionths);
      addPart(slot, 2, quintillionths);
    },
    add,
    sums() {
      for (let slot = 0; slot < small.length / parts; slot++) move(slot);
      return sums;
    },
  };
}
