import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { satoshis } from '../../shared/units.js';
import { balancedEntries, restoreEntries, reverseEntries, settleEntries, type LedgerEntry } from './ledger.js';

const sats = (value: number) => satoshis(BigInt(value));
const sum = (entries: readonly LedgerEntry[]) => entries.reduce((total, { amount_sats }) => total + amount_sats, 0n);
const amounts = (entries: readonly LedgerEntry[]) =>
  Object.fromEntries(entries.map(({ account, user_id, amount_sats }) => [user_id ? `${account} ${user_id}` : account, Number(amount_sats)]));
const credit = (user_id: number, amount: number) => ({ user_id, amount_sats: sats(amount) });

const anySettled = fc.record({
  credits: fc.uniqueArray(fc.record({ user_id: fc.integer({ min: 1, max: 9 }), amount_sats: fc.bigInt(0n, 1000n).map(satoshis) }),
    { selector: ({ user_id }) => user_id }),
  pool_fee_sats: fc.bigInt(0n, 100n).map(satoshis),
  carried_in_sats: fc.bigInt(0n, 500n).map(satoshis),
  carried_out_sats: fc.bigInt(0n, 500n).map(satoshis),
}).map((round) => ({
  ...round,
  reward_sats: satoshis(round.credits.reduce((total, each) => total + each.amount_sats, 0n)
    + round.pool_fee_sats + round.carried_out_sats - round.carried_in_sats),
}));

const carryOf = (entries: readonly LedgerEntry[]): bigint =>
  sum(entries.filter(({ account }) => account === 'carry'));

describe('a ledger event', () => {
  it('is refused when it does not sum to zero', () => {
    expect(() => balancedEntries([{ account: 'miner', user_id: 1, amount_sats: sats(1) }])).toThrow('sum to zero');
  });

  it('has one entry for each account and user, and none of zero', () => {
    const entry = (account: LedgerEntry['account'], user_id: number | null, amount: number): LedgerEntry =>
      ({ account, user_id, amount_sats: sats(amount) });
    const entries = balancedEntries([entry('miner', 1, 2), entry('miner', 1, 3), entry('coinbase', null, -5), entry('carry', null, 0)]);
    expect(amounts(entries)).toEqual({ 'miner 1': 5, coinbase: -5 });
  });

  it('of a settled block books reward, fee, credits and carry', () => {
    const entries = settleEntries({
      reward_sats: sats(100), pool_fee_sats: sats(1), carried_in_sats: sats(50), carried_out_sats: sats(0),
      credits: [credit(1, 100), credit(2, 49), credit(3, 0)],
    });
    expect(amounts(entries)).toEqual({ coinbase: -100, pool_fee: 1, carry: -50, 'miner 1': 100, 'miner 2': 49 });
  });

  it('of an empty round carries its reward on instead of paying nobody (D-5)', () => {
    const entries = settleEntries({
      reward_sats: sats(100), pool_fee_sats: sats(1), carried_in_sats: sats(20), carried_out_sats: sats(119), credits: [],
    });
    expect(amounts(entries)).toEqual({ coinbase: -100, pool_fee: 1, carry: 99 });
  });
});

describe('a block that leaves the chain after its credit', () => {
  const given = settleEntries({
    reward_sats: sats(100), pool_fee_sats: sats(10), carried_in_sats: sats(0), carried_out_sats: sats(0),
    credits: [credit(1, 60), credit(2, 30)],
  });

  it('is taken back whole while nothing of it was paid', () => {
    const now = { miner: new Map([[1, sats(60)], [2, sats(90)]]), pool_fee_sats: sats(10), carry_sats: sats(0) };
    expect(amounts(reverseEntries(given, now))).toEqual({ coinbase: 100, 'miner 1': -60, 'miner 2': -30, pool_fee: -10 });
  });

  it('costs the pool what was paid or promised already, never a miner\'s balance below zero', () => {
    const now = { miner: new Map([[1, sats(5)], [2, sats(-3)]]), pool_fee_sats: sats(4), carry_sats: sats(0) };
    expect(amounts(reverseEntries(given, now)))
      .toEqual({ coinbase: 100, 'miner 1': -5, pool_fee: -4, orphan_loss: -91 });
  });

  it('sums to zero, takes no account below zero, and is undone exactly when the block returns', () => {
    fc.assert(fc.property(
      anySettled, fc.array(fc.bigInt(-100n, 2000n).map(satoshis), { minLength: 9, maxLength: 9 }),
      fc.bigInt(-50n, 200n).map(satoshis), fc.bigInt(-50n, 600n).map(satoshis),
      (round, balances, pool_fee_sats, carry_sats) => {
        const entries = settleEntries(round);
        const now = { miner: new Map(balances.map((balance, index) => [index + 1, balance])), pool_fee_sats, carry_sats };
        const reversal = reverseEntries(entries, now);
        expect(sum(reversal)).toBe(0n);
        for (const { account, user_id, amount_sats } of reversal) {
          if (account !== 'miner') continue;
          expect((now.miner.get(user_id ?? 0) ?? 0n) + amount_sats >= 0n).toBe(true);
        }
        const carry_after = satoshis((carry_sats > 0n ? carry_sats : 0n) + carryOf(reversal));
        const restored = restoreEntries(entries, balancedEntries([...entries, ...reversal]), carry_after);
        expect(sum(restored)).toBe(0n);
        expect(balancedEntries([...reversal, ...restored])).toEqual([]);
        // Whatever became of the carry meanwhile, the return of the block does not take it below zero.
        const short = restoreEntries(entries, balancedEntries([...entries, ...reversal]), sats(3));
        expect(sum(short)).toBe(0n);
        expect(carryOf(short) >= -3n).toBe(true);
      },
    ));
  });
});
