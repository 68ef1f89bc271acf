import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitReward } from '../../payments/core/reward-split.js';
import { blockHash, satoshis, shares } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { compareRounds, formatPercent, split, totalOf, whole_ppm, type CountedRound, type WorkByUser } from './compare-rounds.js';

const name = (text: string) => text as NameBytes;
const work = (parts: Record<string, bigint>): WorkByUser =>
  new Map(Object.entries(parts).map(([user, count]) => [name(user), shares(count)]));
const hash = (number: number) => blockHash(number.toString(16).padStart(64, '0'));

const anyWork: fc.Arbitrary<WorkByUser> = fc.dictionary(
  fc.constantFrom('alice', 'bob', 'carol', 'dave', 'erin', 'frank'),
  fc.oneof(fc.bigInt({ min: 1n, max: 5n }), fc.bigInt({ min: 1n, max: 1n << 56n })),
).map((parts) => work(parts));
const anyRound: fc.Arbitrary<CountedRound> = fc.record({
  hash: fc.nat(1_000_000).map(hash),
  active: fc.boolean(),
  reward_sats: fc.bigInt({ min: 1n, max: 5_000_000_000n }).map(satoshis),
  counters: anyWork,
  share_logs: fc.option(anyWork, { freq: 5 }),
  is_paid: fc.constant(true),
});
const anyRounds = fc.array(anyRound, { maxLength: 20 });

function comparedAll(rounds: readonly CountedRound[]) {
  const comparison = compareRounds<CountedRound>();
  return [...rounds.flatMap((round) => comparison.add(round)), ...comparison.end()];
}
const sum = (values: readonly (bigint | null)[]): bigint => values.reduce<bigint>((all, value) => all + (value ?? 0n), 0n);

describe('both counts of a round', () => {
  it('every round comes out once, in the order it went in', () => {
    fc.assert(fc.property(anyRounds, (rounds) => {
      expect(comparedAll(rounds).map(({ round }) => round)).toEqual(rounds);
    }));
  });

  it('parts sum to the whole, points to zero', () => {
    fc.assert(fc.property(anyRounds, (rounds) => {
      for (const { users, round, largest } of comparedAll(rounds)) {
        const by_counters = totalOf(round.counters) > 0n;
        const by_share_logs = round.share_logs !== null && totalOf(round.share_logs) > 0n;
        expect(sum(users.map((user) => user.counters_ppm))).toBe(by_counters ? whole_ppm : 0n);
        expect(sum(users.map((user) => user.share_logs_ppm))).toBe(by_share_logs ? whole_ppm : 0n);
        expect(sum(users.map((user) => user.points_ppm))).toBe(0n);
        expect(largest !== null).toBe(by_counters && by_share_logs);
        for (const { points_ppm } of largest ? users : []) {
          expect(points_ppm! ** 2n).toBeLessThanOrEqual(largest!.points_ppm! ** 2n);
        }
      }
    }));
  });

  it('each count hands out the reward to the satoshi, and what one user gains another loses', () => {
    fc.assert(fc.property(anyRounds, (rounds) => {
      for (const { users, round, moved_sats } of comparedAll(rounds)) {
        for (const side of ['counters_sats', 'share_logs_sats'] as const) {
          const known = users.some((user) => user[side] !== null);
          if (known) expect(sum(users.map((user) => user[side]))).toBe(round.reward_sats);
        }
        expect(sum(users.map((user) => user.gain_sats))).toBe(0n);
        if (moved_sats === null) continue;
        expect(sum(users.map(({ gain_sats }) => (gain_sats! < 0n ? gain_sats : 0n)))).toBe(-moved_sats);
      }
    }));
  });

  it('counts that agree differ by nothing', () => {
    fc.assert(fc.property(anyRounds, (rounds) => {
      for (const { users, moved_sats } of comparedAll(rounds.map((round) => ({ ...round, share_logs: round.counters })))) {
        expect([0n, null]).toContain(moved_sats);
        for (const user of users) expect([0n, null]).toContain(user.points_ppm);
      }
    }));
  });

  it('a part is split as payments splits it, down to the satoshi of rounding', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 5_000_000_000n }), anyWork, fc.nat(1_000_000), (amount, parts, number) => {
      fc.pre(totalOf(parts) > 0n);
      const users = [...parts].map(([user, count], index) => ({ user_id: index, name: user, shares: count }));
      const credits = splitReward(satoshis(amount), users, hash(number));
      const expected = credits.map(({ user_id, amount_sats }) => [users[user_id]!.name, amount_sats]);
      expect([...split(amount, parts, hash(number))!]).toEqual(expected);
    }));
  });
});

describe('what a reward is split over', () => {
  const round = (number: number, more: Partial<CountedRound>): CountedRound => ({
    hash: hash(number), active: true, reward_sats: satoshis(100n), counters: work({}), share_logs: work({}), is_paid: true,
    ...more,
  });
  const worth = (rounds: readonly CountedRound[]) => comparedAll(rounds).map(({ users }) =>
    Object.fromEntries(users.map((user) => [user.user, [user.counters_sats, user.share_logs_sats, user.gain_sats]])));

  it('its own round, where both counts show work', () => {
    expect(worth([round(1, { counters: work({ alice: 3n, bob: 1n }), share_logs: work({ alice: 1n, bob: 1n }) })]))
      .toEqual([{ alice: [75n, 50n, -25n], bob: [25n, 50n, 25n] }]);
  });

  it('by the counters the next round with work, where they show none', () => {
    expect(worth([
      round(1, { share_logs: work({ alice: 1n }) }),
      round(2, { counters: work({ alice: 1n, bob: 1n }), share_logs: work({ bob: 1n }) }),
    ])).toEqual([{ alice: [50n, 100n, 50n], bob: [50n, 0n, -50n] }, { alice: [50n, 0n, -50n], bob: [50n, 100n, 50n] }]);
  });

  it('nothing yet, where no such round has come', () => {
    const [only] = comparedAll([round(1, { share_logs: work({ alice: 1n }) })]);
    expect(only).toMatchObject({ moved_sats: null, largest: null, users: [{ counters_sats: null, share_logs_sats: 100n, gain_sats: null }] });
  });

  it('the work of an orphan as well, which has no worth itself', () => {
    expect(worth([
      round(1, { active: false, counters: work({ alice: 1n }), share_logs: work({ alice: 1n }) }),
      round(2, { counters: work({ bob: 1n }), share_logs: work({ bob: 3n }) }),
    ])).toEqual([{ alice: [null, null, null] }, { alice: [50n, 25n, -25n], bob: [50n, 75n, 25n] }]);
  });

  it('no work from before a baseline', () => {
    expect(worth([
      round(1, { is_paid: false, counters: work({ alice: 1n }), share_logs: work({ alice: 1n }) }),
      round(2, { counters: work({ bob: 1n }), share_logs: work({ bob: 1n }) }),
    ])).toEqual([{ alice: [0n, 0n, 0n], bob: [100n, 100n, 0n] }, { bob: [100n, 100n, 0n] }]);
  });

  it('unknown by the share logs, where the counters decided a part of it', () => {
    const [, second] = comparedAll([
      round(1, { active: false, counters: work({ alice: 1n }), share_logs: null }),
      round(2, { counters: work({ alice: 1n }), share_logs: work({ alice: 1n }) }),
    ]);
    expect(second).toMatchObject({ moved_sats: null, largest: { points_ppm: 0n }, users: [{ counters_sats: 100n, share_logs_sats: null }] });
  });
});

it.each([
  [0n, '0.0000'], [1n, '0.0001'], [-1n, '-0.0001'], [123_456n, '12.3456'], [1_000_000n, '100.0000'], [-367_614n, '-36.7614'],
])('%s millionths are shown as %s', (ppm, text) => {
  expect(formatPercent(ppm)).toBe(text);
});
