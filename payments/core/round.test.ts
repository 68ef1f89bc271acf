import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { place, shares } from '../../shared/units.js';
import { roundOf, roundStart, sumDifferences, type StoredDifference } from './round.js';

const at = (value: number) => place(BigInt(value));

function difference(user_id: number, amount: number, disputed = 0, dispute: StoredDifference['dispute'] = 'none') {
  return { user_id, difference: shares(BigInt(amount)), disputed_difference: shares(BigInt(disputed)), dispute };
}

describe('where a round starts', () => {
  it.each([
    ['the first round of a new pool, from zero', null, false, null, 0],
    ['the first round after a baseline, from there: earlier work is not paid (D-9)', null, false, 500, 500],
    ['every later round, where the one before ended', 900, true, null, 900],
    ['a later round, whatever baseline is taken meanwhile', 900, true, 950, 900],
    ['the first round with work, from the baseline although a block without a line was settled', 0, false, 500, 500],
  ])('%s', (_, highest, work_was_cut, baseline, expected) => {
    const cut = {
      highest_cut: highest === null ? null : at(highest), work_was_cut, baseline: baseline === null ? null : at(baseline),
    };
    expect(roundStart(cut)).toBe(at(expected));
  });
});

describe('the round of a block', () => {
  it('is everything after the last cut, up to its own cut', () => {
    expect(roundOf(at(120), at(100))).toEqual({ cut_from: at(100), cut_to: at(120) });
  });

  it.each([['no place in the order of work', null], ['a place before the last cut', 80], ['a place at the last cut', 100]])(
    'is empty for a block with %s', (_, own) => {
      expect(roundOf(own === null ? null : at(own), at(100))).toEqual({ cut_from: at(100), cut_to: at(100) });
    });

  it('never overlaps another and leaves no gap, whatever order places come in (D-10)', () => {
    fc.assert(fc.property(fc.array(fc.option(fc.nat(1000), { nil: null }), { maxLength: 40 }), (places) => {
      let highest: ReturnType<typeof at> | null = null;
      let work_was_cut = false;
      for (const own of places) {
        const start = roundStart({ highest_cut: highest, work_was_cut, baseline: null });
        const cut = roundOf(own === null ? null : at(own), start);
        expect(cut.cut_from).toBe(highest ?? 0n);
        expect(cut.cut_to >= cut.cut_from).toBe(true);
        work_was_cut ||= cut.cut_to > cut.cut_from;
        highest = cut.cut_to;
      }
    }));
  });
});

describe('the shares of a round', () => {
  it('are the sums of stored differences: a user who is absent keeps the work, none is counted twice (D-7, D-8)', () => {
    const sums = sumDifferences([difference(1, 10), difference(2, 5), difference(1, 7)]);
    expect(sums.total).toBe(22n);
    expect([...sums.by_user]).toEqual([[1, 17n], [2, 5n]]);
  });

  it('take a dropped dispute away and keep a taken one (D-6)', () => {
    const sums = sumDifferences([difference(1, 10, 4, 'dropped'), difference(2, 10, 4, 'taken'), difference(3, 4, 4, 'dropped')]);
    expect([...sums.by_user]).toEqual([[1, 6n], [2, 10n]]);
    expect(sums.total).toBe(16n);
  });

  it('are not known while a dispute is open', () => {
    expect(() => sumDifferences([difference(1, 10, 4, 'open')])).toThrow('open dispute');
  });

  it.each([difference(1, -1), difference(1, 1, 2), difference(1, 2, -1)])(
    'refuse an impossible difference %#: work is never negative (D-6)', (row) => {
      expect(() => sumDifferences([row])).toThrow('impossible');
    });
});
