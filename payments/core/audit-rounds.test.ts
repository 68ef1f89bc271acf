import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockHash, place, satoshis, shares } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { cutViolations, roundViolations, type AuditedRound } from './audit-rounds.js';
import { settleEntries, type LedgerEntry } from './ledger.js';
import { poolFee, splitReward } from './reward-split.js';

const sats = (value: number) => satoshis(BigInt(value));
const at = (value: number) => place(BigInt(value));

interface Made {
  readonly round: AuditedRound;
  readonly work: Map<number, bigint>;
  readonly entries: LedgerEntry[];
}

/** A round as settling makes it. */
function settled(counts: readonly bigint[], reward: bigint, carried_in: bigint, ppm: bigint): Made {
  const reward_sats = satoshis(reward);
  const work = new Map(counts.flatMap((count, index) => (count > 0n ? [[index + 1, count] as const] : [])));
  const total = counts.reduce((sum, count) => sum + count, 0n);
  const pool_fee_sats = poolFee(reward_sats, ppm);
  const divisible = satoshis(reward - pool_fee_sats + carried_in);
  const users = [...work].map(([user_id, count]) => ({ user_id, name: `user${user_id}` as NameBytes, shares: shares(count) }));
  const credits = total > 0n ? splitReward(divisible, users, blockHash('ab'.repeat(32))) : [];
  const round: AuditedRound = {
    id: 1, height: 7, state: 'credited', reward_sats, pool_fee_ppm: ppm, pool_fee_sats, carried_in_sats: satoshis(carried_in),
    credited_sats: total > 0n ? divisible : sats(0), carried_out_sats: total > 0n ? sats(0) : divisible,
    round_shares: shares(total), cut_from: at(0), cut_to: at(10),
  };
  return { round, work, entries: settleEntries({ ...round, credits }) };
}

describe('the audit of a round', () => {
  it('finds nothing wrong with what settling makes', () => {
    fc.assert(fc.property(
      fc.array(fc.bigInt(0n, 1n << 40n), { maxLength: 20 }), fc.bigInt(0n, 5_000_000_000n), fc.bigInt(0n, 9_000_000_000n),
      fc.bigInt(0n, 1_000_000n), (counts, reward, carried_in, ppm) => {
        const { round, work, entries } = settled(counts, reward, carried_in, ppm);
        expect(roundViolations(round, work, entries)).toEqual([]);
      }));
  });

  const good = settled([3n, 1n], 1_000n, 0n, 10_000n);
  const shifted = good.entries.map((entry) => (entry.account !== 'miner' ? entry
    : { ...entry, amount_sats: satoshis(entry.amount_sats + (entry.user_id === 1 ? 1n : -1n)) }));
  it.each<[string, Made, string]>([
    ['work that was not counted', { ...good, work: new Map([[1, 3n], [2, 2n]]) }, '5 shares in its snapshots, 4 in the round'],
    ['a reward that is not what was divided', { ...good, round: { ...good.round, reward_sats: sats(1_001) } }, 'reward + carried in is not'],
    ['a fee that is not its rate', { ...good, round: { ...good.round, pool_fee_ppm: 20_000n } }, 'is not its rate'],
    ['a credit without its ledger entry', { ...good, entries: good.entries.filter(({ user_id }) => user_id !== 2) }, 'booked other credits'],
    ['two satoshis moved from one miner to another', {
      ...good, entries: shifted.map((entry) => (entry.account !== 'miner' ? entry
        : { ...entry, amount_sats: satoshis(entry.amount_sats + (entry.user_id === 1 ? 1n : -1n)) })),
    }, 'was credited'],
    ['money for an orphan', { ...good, round: { ...good.round, state: 'orphaned' } }, 'orphaned, and the ledger has an event'],
  ])('finds %s', (_, { round, work, entries }, sentence) => {
    expect(roundViolations(round, work, entries).join('\n')).toContain(sentence);
  });
});

describe('the audit of the cuts', () => {
  const cut = (id: number, from: number, to: number, state: AuditedRound['state'] = 'credited'): AuditedRound =>
    ({ ...settled([1n], 1n, 0n, 0n).round, id, state, cut_from: at(from), cut_to: at(to) });

  it.each<[string, AuditedRound[], number]>([
    ['no rounds', [], 0],
    ['rounds that follow each other, an empty one between them', [cut(1, 0, 10), cut(2, 10, 10), cut(3, 10, 20)], 0],
    ['a gap: work that nobody is paid for', [cut(1, 0, 10), cut(2, 11, 20)], 1],
    ['an overlap: work that is paid twice (D-10)', [cut(1, 0, 10), cut(2, 9, 20)], 1],
    ['an orphan that took work', [cut(1, 0, 10, 'orphaned')], 1],
  ])('%s', (_, rounds, count) => {
    expect(cutViolations(rounds)).toHaveLength(count);
  });
});
