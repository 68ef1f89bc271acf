import fc from 'fast-check';
import { expect, it } from 'vitest';
import { satoshis } from '../../shared/units.js';
import { balancedEntries } from './ledger.js';
import { payEntries, releaseEntries, reserveEntries } from './payout-entries.js';

const anyPayouts = fc.array(fc.record({ planned: fc.bigInt(2n, 5_000_000_000n), fee: fc.bigInt(0n, 1n) }), { minLength: 1, maxLength: 30 })
  .map((rows) => rows.map(({ planned, fee }, position) =>
    ({ user_id: position + 1, planned_sats: satoshis(planned), network_fee_sats: satoshis(fee) })));

it('reserving, releasing and paying each sum to zero; a release undoes a reserve exactly', () => {
  fc.assert(fc.property(anyPayouts, (payouts) => {
    expect(() => balancedEntries(reserveEntries(payouts))).not.toThrow();
    expect(balancedEntries([...reserveEntries(payouts), ...releaseEntries(payouts)])).toEqual([]);
    const fee = satoshis(payouts.reduce((sum, payout) => sum + payout.network_fee_sats, 0n));
    const left = balancedEntries([...reserveEntries(payouts), ...payEntries(payouts, 'miners', fee)]);
    expect(left.some(({ account }) => account === 'reserved')).toBe(false);
  }));
});

it('a fee that was not withheld as it was paid is refused, and the pool never bears what miners bore', () => {
  const payout = { user_id: 1, planned_sats: satoshis(1_000n), network_fee_sats: satoshis(10n) };
  expect(() => payEntries([payout], 'miners', satoshis(11n))).toThrow(/withheld/);
  expect(() => payEntries([payout], 'pool', satoshis(10n))).toThrow(/withheld/);
  expect(payEntries([payout], 'miners', satoshis(10n)).filter(({ user_id }) => user_id === null)).toEqual([]);
  expect(payEntries([{ ...payout, network_fee_sats: satoshis(0n) }], 'pool', satoshis(10n)))
    .toContainEqual({ account: 'pool_fee', user_id: null, amount_sats: -10n });
});
