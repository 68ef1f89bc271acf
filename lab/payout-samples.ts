// Generated payees, coins and terms for the property tests of planning, drafting and checking.
import fc from 'fast-check';
import { satoshis, transactionId } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import { oldestFirst, type Coin } from '../payments/core/coin-choice.js';
import type { DraftTerms } from '../payments/core/payout-draft.js';
import type { Payee } from '../payments/core/payout-plan.js';

const hexOf = (value: number, bytes: number): string => value.toString(16).padStart(bytes * 2, '0');
const scriptOf = (kind: number, key: number): string =>
  [
    `76a914${hexOf(key, 20)}88ac`,
    `a914${hexOf(key, 20)}87`,
    `0014${hexOf(key, 20)}`,
    `0020${hexOf(key, 32)}`,
  ][kind] ?? '';

export const pool_script = `0014${'ff'.repeat(20)}`;

/** Up to 30 users on few scripts, so that some share one; balances from negative to a block's reward. */
export const anyPayees = fc
  .array(fc.record({
    kind: fc.nat(3), key: fc.nat(12),
    balance: fc.oneof(fc.bigInt(-5n, 2_000n), fc.bigInt(1n, 5_000_000_000n)),
  }), { maxLength: 30 })
  .map((rows): Payee[] => rows.map(({ kind, key, balance }, position) => ({
    user_id: position + 1,
    name: `user${position}` as NameBytes,
    address: `address${kind}-${key}`,
    script: scriptOf(kind, key),
    balance_sats: satoshis(balance),
  })));

export const anyCoins = fc
  .array(fc.record({ amount: fc.bigInt(1n, 5_000_000_000n), age: fc.integer({ min: 101, max: 400 }) }), {
    maxLength: 20,
  })
  .map((rows): Coin[] =>
    oldestFirst(
      rows.map(({ amount, age }, position) => ({
        txid: transactionId(hexOf(position + 1, 32)),
        index: position % 3,
        amount: satoshis(amount),
        confirmations: age,
      })),
    ),
  );

export const anyTerms: fc.Arbitrary<DraftTerms> = fc
  .record({
    coins: anyCoins,
    rate: fc.bigInt(1n, 500_000n),
    from: fc.constantFrom('miners' as const, 'pool' as const),
    pool_fee: fc.bigInt(0n, 1_000_000n),
  })
  .map(({ coins, rate, from, pool_fee }) => ({
    coins, pool_script, fee_rate: satoshis(rate), network_fee_from: from, pool_fee_sats: satoshis(pool_fee),
  }));
