import { describe, expect, test } from 'vitest';
import { batchesFromTheEnd, placesOf, roundStretches, type DecidedCut } from './round-stretches.js';
import type { SharePlace } from './share-order.js';

const at = (seconds: number): SharePlace => ({ seconds, nanoseconds: 0, height: 7, workinfoid: '0', offset: 0 });
const cut = (seconds: number | null, decided_at = 'b', users = 1): DecidedCut =>
  ({ at: seconds === null ? null : at(seconds), decided_at, users });
const seen = (cuts: DecidedCut[], gone_last: number | null = null) =>
  roundStretches(cuts, 'b', gone_last === null ? null : { seconds: gone_last, nanoseconds: 0 })
    .map(({ from, to, not_rebuilt }) => [typeof from === 'object' ? from?.seconds ?? null : from, to?.seconds ?? null, not_rebuilt]);

describe('the stretch of a round', () => {
  test('begins where the round before ends', () => {
    expect(seen([cut(5), cut(9)])).toEqual([['nothing', 5, null], [5, 9, null]]);
  });

  test('is empty where a cut lies before one that was made already', () => {
    expect(seen([cut(5), cut(3), cut(9)])).toEqual([['nothing', 5, null], [5, 5, null], [5, 9, null]]);
  });

  test('is not known behind a baseline, and known again behind the next cut', () => {
    expect(seen([cut(5), cut(null), cut(9), cut(11)])).toEqual([
      ['nothing', 5, null], [5, null, 'no_place'], [null, 9, 'no_place'], [9, 11, null],
    ]);
  });

  test('is not known as far as share logs are gone, or were passed over after it', () => {
    expect(seen([cut(5), cut(9), cut(11), cut(15)], 10)).toEqual([
      ['nothing', null, 'gone'], [null, null, 'gone'], [null, 11, 'gone'], [11, 15, null],
    ]);
    expect(seen([cut(5, 'a'), cut(9), cut(11)])).toEqual([
      ['nothing', null, 'passed_over'], [null, 9, 'passed_over'], [9, 11, null],
    ]);
  });
});

test('batches hold no more rows than they may, and at least one round; the last comes first', () => {
  const rounds = roundStretches([cut(1, 'b', 10), cut(2, 'b', 60), cut(3, 'b', 50), cut(4, 'b', 900), cut(5)], 'b', null);
  const batches = batchesFromTheEnd(rounds, 110, 100).map((batch) => batch.map(({ to }) => to!.seconds));
  expect(batches).toEqual([[5], [4], [3, 2], [1]]);
  expect(batchesFromTheEnd(rounds, 10_000, 2)).toHaveLength(3);
  expect(placesOf(rounds.slice(1)).map(({ seconds }) => seconds)).toEqual([1, 2, 3, 4, 5]);
});
