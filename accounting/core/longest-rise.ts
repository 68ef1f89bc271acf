// Of a sequence of counter values, the longest subsequence that never falls: a true counter only rises
// while its file did not fall, so what does not fit into it is forged or torn.

/**
 * Indices of one longest non-decreasing subsequence of `values`, ascending. Of several equally long ones
 * the one whose values are smallest is taken: less is counted now, and the file brings the rest.
 * O(n log n).
 */
export function longestRise(values: readonly bigint[]): number[] {
  const tails: number[] = []; // tails[k]: index of the smallest value that ends a run of length k + 1.
  const before = new Array<number>(values.length).fill(-1);
  values.forEach((value, index) => {
    const length = runsNotAbove(values, tails, value);
    before[index] = length > 0 ? tails[length - 1]! : -1;
    tails[length] = index;
  });
  const run: number[] = [];
  for (let index = tails.at(-1) ?? -1; index >= 0; index = before[index]!) run.push(index);
  return run.reverse();
}

/** How many runs end in a value that is not above the given one (binary search: the tails ascend). */
function runsNotAbove(values: readonly bigint[], tails: readonly number[], value: bigint): number {
  let low = 0;
  let high = tails.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[tails[middle]!]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
