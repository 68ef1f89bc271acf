import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shares, type Shares } from '../../shared/units.js';
import { judgeLines, type Reading, type Verdict } from './counter-lines.js';
import { longestRise } from './longest-rise.js';

const counts = (...values: number[]): Shares[] => values.map((value) => shares(BigInt(value)));
const file = (value: number): Reading => ({ counter: shares(BigInt(value)) });

/** What the verdicts come to: the counter afterwards, the rise, and the part of it that is disputed. */
function total(counter: Shares, values: readonly Shares[], verdicts: readonly Verdict[]) {
  let now: bigint = counter;
  let rise = 0n;
  let disputed = 0n;
  verdicts.forEach((verdict, index) => {
    const value = values[index]!;
    if (verdict.verdict === 'fall') now = value;
    if (verdict.verdict !== 'rise') return;
    expect(value).toBeGreaterThanOrEqual(now);
    rise += value - now;
    if (verdict.disputed) disputed += value - now;
    now = value;
  });
  return { counter: now, rise, disputed };
}

const short = (verdict: Verdict): string =>
  verdict.verdict === 'rise' ? (verdict.disputed ? 'disputed' : 'rise') : verdict.verdict === 'fall' ? 'fall' : verdict.why;

describe('which lines about a user are believed', () => {
  test.each<[string, number, number[], Reading, string[]]>([
    ['lines up to what the file says count', 10, [12, 20, 20, 31], file(31), ['rise', 'rise', 'rise', 'rise']],
    ['a huge forged count gains nothing', 10, [12, 999999, 20], file(31), ['rise', 'above_file', 'rise']],
    ['a tiny forged count takes nothing away', 10, [12, 1, 20], file(31), ['rise', 'below_count', 'rise']],
    ['a plausible forged count does not swallow the true lines after it', 10, [12, 29, 15, 20, 25], file(31), ['rise', 'below_count', 'rise', 'rise', 'rise']],
    ['a user without a file has no count', 0, [5, 9], { absent: true }, ['no_file', 'no_file']],
    ['a file that cannot be read now is caught up later', 5, [6], { unreadable: 'empty' }, ['unreadable_file']],
    ['a counter that began again adds nothing at the fall, and goes on from there (D-6)', 39251, [39300, 144, 200], file(260), ['disputed', 'fall', 'rise']],
    ['a fall that no line shows is left to the file', 39251, [39300], file(10), ['disputed']],
    ['a forged huge line around a fall is disputed, never silently paid', 100, [110, 5, 99999, 12], file(12), ['disputed', 'below_count', 'disputed', 'fall']],
    ['a forged line beyond what any pool does is not even disputed', 100, [110, 9e15, 12], file(12), ['disputed', 'above_file', 'fall']],
    ['a forged tiny line before a fall does not hide the true lines', 100, [110, 3, 120, 5, 9], file(12), ['disputed', 'below_count', 'disputed', 'fall', 'rise']],
  ])('%s', (_, counter, values, reading, expected) => {
    expect(judgeLines(shares(BigInt(counter)), counts(...values), reading).map(short)).toEqual(expected);
  });

  const values = fc.array(fc.bigInt({ min: 0n, max: 60n }), { maxLength: 40 }).map((all) => all as Shares[]);

  test('no line lifts a user above what his file says while the file did not fall', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 30n }), values, fc.bigInt({ min: 0n, max: 30n }), (counter, lines, more) => {
      const reading = { counter: shares(counter + more) };
      const result = total(shares(counter), lines, judgeLines(shares(counter), lines, reading));
      expect(result.counter).toBeLessThanOrEqual(counter + more);
      expect(result.rise).toBe(result.counter - counter);
      expect(result.disputed).toBe(0n);
    }));
  });

  test('true lines all count, whatever a forger adds beyond the bounds', () => {
    fc.assert(fc.property(values, fc.array(fc.tuple(fc.nat(40), fc.bigInt({ min: 61n, max: 10n ** 18n })), { maxLength: 10 }), (raw, forged) => {
      const lines = [...raw].sort((a, b) => (a < b ? -1 : 1));
      const mixed: { value: Shares; genuine: boolean }[] = lines.map((value) => ({ value, genuine: true }));
      for (const [at, value] of forged) mixed.splice(at % (mixed.length + 1), 0, { value: shares(value), genuine: false });
      const verdicts = judgeLines(shares(0n), mixed.map((one) => one.value), { counter: lines.at(-1) ?? shares(0n) });
      mixed.forEach((one, index) => expect(verdicts[index]!.verdict).toBe(one.genuine ? 'rise' : 'dropped'));
    }));
  });

  test('a rise after a fall is bounded by the file, and nothing before it escapes the dispute', () => {
    fc.assert(fc.property(fc.bigInt({ min: 31n, max: 60n }), values, fc.bigInt({ min: 0n, max: 30n }), (counter, lines, now) => {
      const verdicts = judgeLines(shares(counter), lines, { counter: shares(now) });
      const fall = verdicts.findIndex((verdict) => verdict.verdict === 'fall');
      const result = total(shares(counter), lines, verdicts);
      if (fall >= 0) expect(result.counter).toBeLessThanOrEqual(now);
      verdicts.forEach((verdict, index) => {
        if (verdict.verdict === 'rise') expect(verdict.disputed).toBe(fall < 0 || index < fall);
      });
    }));
  });
});

describe('the longest rise', () => {
  test('is a rise, and no longer one exists', () => {
    fc.assert(fc.property(fc.array(fc.bigInt({ min: 0n, max: 12n }), { maxLength: 12 }), (sequence) => {
      const run = longestRise(sequence);
      run.forEach((index, at) => at > 0 && expect(sequence[index]! >= sequence[run[at - 1]!]!).toBe(true));
      expect(run.length).toBe(longestByTrying(sequence));
    }));
  });

  test('100,000 lines of one user are judged at once', () => {
    const sequence = Array.from({ length: 100_000 }, (_, index) => BigInt(index));
    expect(longestRise(sequence)).toHaveLength(100_000);
  });
});

function longestByTrying(sequence: readonly bigint[]): number {
  let best = 0;
  for (let mask = 0; mask < 1 << sequence.length; mask++) {
    const chosen = sequence.filter((_, index) => mask & (1 << index));
    if (chosen.every((value, at) => at === 0 || value >= chosen[at - 1]!)) best = Math.max(best, chosen.length);
  }
  return best;
}
