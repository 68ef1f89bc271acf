import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { logPosition, shares } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { addWork, compareCounter, cutAt, ledgerCount, newShareCount, type ShareCount } from './share-counts.js';
import { noWork, parseWork, workOfShares, type Work } from './share-work.js';

const anna = 'anna' as NameBytes;
const start = newShareCount(anna, 1);
const position = logPosition(100n);
const compare = (count: ShareCount, counter: bigint, after: bigint | null, logs_told = true) =>
  compareCounter(count, { counter_count: shares(counter), after: after === null ? null : { sure: shares(after), possible: shares(after) }, logs_told, position });

describe('work told twice counts once', () => {
  test('the counter that follows adds nothing to what the shares told', () => {
    const told = addWork(start, workOfShares(100n));
    const { count, gap, untold } = compare(told, 80n, 20n);
    expect([ledgerCount(count), gap, untold]).toEqual([100n, 0n, 0n]);
    expect(ledgerCount(compare(count, 100n, 0n).count)).toBe(100n);
  });

  test('what only the counter tells is counted by it, and said', () => {
    const { count, gap } = compare(addWork(start, workOfShares(30n)), 100n, 0n);
    expect([ledgerCount(count), gap]).toEqual([100n, 70n]);
  });

  test('what ckpool forgot at a restart stays counted, and hides no later gap', () => {
    const told = addWork(start, workOfShares(50n)); // The pass before counted none of it, then ckpool died.
    const { count, untold } = compare(told, 0n, 0n);
    expect([ledgerCount(count), untold, count.surplus_count]).toEqual([50n, 50n, 0n]);
    expect(ledgerCount(compare(count, 40n, 0n).count)).toBe(90n); // -L is off now: all of it is the counter's.
  });

  test('share logs decide a disputed rise: what they do not bear out is not counted', () => {
    const told = { ...addWork(start, workOfShares(10n)), disputed_count: shares(1_000n) };
    const decided = compare(told, 1_000n, 0n);
    expect([ledgerCount(decided.count), decided.dropped, decided.gap]).toEqual([10n, 990n, 0n]);
    const silent = compare(told, 1_000n, 0n, false);
    expect([ledgerCount(silent.count), silent.count.fallback_disputed]).toEqual([1_000n, 990n]);
  });

  test('a counter that stands lower than before adds nothing', () => {
    const { count } = compare(addWork(start, workOfShares(10n)), 10n, 0n);
    expect(compare(count, 3n, 0n).count).toEqual(count);
  });

  /** A pool with one miner: shares that are logged or not, passes, restarts; each pass is compared. */
  const event = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('share' as const), by: fc.bigInt(1n, 50n), logged: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  );

  test('never is a share counted twice, and none is lost that shares or counters tell', () => {
    fc.assert(fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      let count = start;
      const pool = { memory: 0n, file: 0n };
      let behind_pass = 0n; // Logged since the latest pass.
      let earned = 0n; // Told by the one or the other.
      let unlogged = 0n; // Since the latest pass: gone if ckpool dies now.
      let forgotten = 0n; // Told by share logs, forgotten by ckpool since the latest pass.
      let gap = 0n;
      let hidden_max = 0n;
      const pass = () => {
        pool.file = pool.memory;
        count = compare(count, pool.file, 0n).count;
        // Only within one minute can what ckpool forgot stand for what no share log holds.
        hidden_max += forgotten < gap ? forgotten : gap;
        earned += unlogged;
        [behind_pass, unlogged, forgotten, gap] = [0n, 0n, 0n, 0n];
      };
      for (const one of events) {
        if (one.kind === 'pass') pass();
        else if (one.kind === 'restart') {
          forgotten += behind_pass;
          behind_pass = 0n;
          pool.memory = pool.file;
          unlogged = 0n;
          gap = 0n;
        } else {
          pool.memory += one.by;
          if (one.logged) {
            count = addWork(count, workOfShares(one.by));
            behind_pass += one.by;
            earned += one.by;
          } else {
            unlogged += one.by;
            gap += one.by;
          }
        }
        expect(ledgerCount(count) <= earned + unlogged).toBe(true);
      }
      pass();
      expect(ledgerCount(count) <= earned).toBe(true);
      expect(ledgerCount(count) >= earned - hidden_max).toBe(true);
    }), { numRuns: 500 });
  });
});

describe('a cut', () => {
  test('takes the work before it and leaves the work behind it', () => {
    const { count, difference } = cutAt(addWork(start, workOfShares(100n)), workOfShares(30n), shares(0n));
    expect([difference, count.snapshot_count, ledgerCount(count)]).toEqual([70n, 70n, 100n]);
    expect(cutAt(count, noWork, shares(0n)).difference).toBe(30n);
  });

  test('before one that was made already takes nothing', () => {
    const { count } = cutAt(addWork(start, workOfShares(100n)), noWork, shares(0n));
    expect(cutAt(count, workOfShares(50n), shares(0n))).toEqual({ count, difference: 0n, disputed_difference: 0n });
  });

  test('carries fractions on: three thirds are one', () => {
    const third = parseWork('0.333333333333333334')!;
    let count = start;
    const differences: bigint[] = [];
    for (let times = 0; times < 3; times++) {
      const cut = cutAt(addWork(count, third), noWork, shares(0n));
      count = cut.count;
      differences.push(cut.difference);
    }
    expect(differences).toEqual([0n, 0n, 1n]);
  });

  test('cuts anywhere add up to all the work, with what the counters told', () => {
    const step = fc.record({ work: fc.bigInt(0n, 10n ** 21n), fallback: fc.bigInt(0n, 50n), behind: fc.bigInt(0n, 10n ** 20n) });
    fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
      let count = start;
      let sum = 0n;
      for (const { work, fallback, behind } of steps) {
        count = addWork(count, work as Work);
        count = { ...count, fallback_count: shares(count.fallback_count + fallback) };
        const after = (behind < count.logged ? behind : count.logged) as Work;
        const cut = cutAt(count, after, count.fallback_count);
        count = cut.count;
        sum += cut.difference;
        expect(count.snapshot_count).toBe(sum);
      }
      const last = cutAt(count, noWork, count.fallback_count);
      expect(sum + last.difference).toBe(ledgerCount(count));
    }));
  });
});
