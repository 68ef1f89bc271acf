import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { satoshis, transactionId, type Satoshis } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { bookingOf, type LostPayout } from './lost-payout.js';
import { draftPayout } from './payout-draft.js';
import { groupByScript, largestFirst, type Payee } from './payout-plan.js';

const pool_script = '0014' + '00'.repeat(20);
const script = (of: number) => '0014' + of.toString(16).padStart(40, '0');
const coin = (amount: bigint) => ({ txid: transactionId('ab'.repeat(32)), index: 0, amount: satoshis(amount), confirmations: 200 });
const payee = (user_id: number, balance: bigint, at = script(user_id + 1)): Payee =>
  ({ user_id, name: `user${user_id}` as NameBytes, address: `address${user_id}`, script: at, balance_sats: satoshis(balance) });
const pays = (amount: bigint, to: string): { amount: Satoshis; script: string } => ({ amount: satoshis(amount), script: to });
const terms = { pool_script, network_fee_from: 'miners' } as const;
const two = [payee(1, 600n), payee(2, 400n)];

describe('a payout that the ledger has lost', () => {
  it('is booked with what it paid and what it withheld; change and the rest of the balances are left', () => {
    const lost: LostPayout = { coins: [coin(2_000n)], outputs: [pays(540n, script(2)), pays(360n, script(3)), pays(1_000n, pool_script)] };
    const booking = bookingOf(lost, [payee(1, 700n), payee(2, 400n), payee(3, 50n)], terms);
    expect(booking).toMatchObject({ draft: {
      change_sats: 1_000n, network_fee_sats: 100n, planned_sats: 1_000n,
      outputs: [{ amount: 540n, planned_sats: 600n, fees: [60n] }, { amount: 360n, planned_sats: 400n, fees: [40n] }],
    } });
  });

  it('whose fee the pool paid takes from the users only what they got', () => {
    const booking = bookingOf({ coins: [coin(1_000n)], outputs: [pays(600n, script(2))] }, two, { ...terms, network_fee_from: 'pool' });
    expect(booking).toMatchObject({ draft: { network_fee_sats: 400n, planned_sats: 600n, outputs: [{ amount: 600n, fees: [0n] }] } });
  });

  it.each<[string, LostPayout, RegExp]>([
    ['pays a stranger', { coins: [coin(1_000n)], outputs: [pays(500n, script(9))] }, /to a script of nobody whom the ledger owes/],
    ['pays more than is owed', { coins: [coin(1_000n)], outputs: [pays(601n, script(2))] }, /pays user1 0\.00000601, and the ledger owes 0\.00000600\./],
    ['took a fee that nobody owed', { coins: [coin(1_000n)], outputs: [pays(550n, script(2))] }, /took more from its users than the ledger owes/],
    ['pays one script twice', { coins: [coin(1_000n)], outputs: [pays(300n, script(2)), pays(300n, script(2))] }, /nobody whom the ledger owes/],
    ['has its change in front', { coins: [coin(1_000n)], outputs: [pays(400n, pool_script), pays(500n, script(2))] }, /form of a payout/],
    ['pays only the pool', { coins: [coin(1_000n)], outputs: [pays(900n, pool_script)] }, /form of a payout/],
    ['spends nothing', { coins: [], outputs: [pays(1n, script(2))] }, /form of a payout/],
    ['pays out more than it spends', { coins: [coin(100n)], outputs: [pays(500n, script(2))] }, /form of a payout/],
  ])('that %s is refused', (_, lost, sentence) => {
    expect(bookingOf(lost, two, terms)).toEqual({ refused: expect.stringMatching(sentence) });
  });

  it('is booked again as whatever this program makes: sums exact, nobody charged above the balance', () => {
    const users = fc.array(fc.record({ balance: fc.bigInt({ min: 100_000n, max: 10n ** 12n }), shared: fc.boolean() }), { minLength: 1, maxLength: 12 });
    fc.assert(fc.property(users, fc.bigInt({ min: 1_000n, max: 50_000n }), fc.bigInt({ min: 0n, max: 10n ** 9n }), (people, fee_rate, over) => {
      const owed = people.map(({ balance, shared }, index) => payee(index + 1, balance, shared ? script(99) : script(index + 1)));
      const total = owed.reduce((sum, { balance_sats }) => sum + balance_sats, 0n);
      const plan = groupByScript(owed).sort(largestFirst);
      const { draft } = draftPayout(plan, { ...terms, coins: [coin(total + over)], fee_rate: satoshis(fee_rate), pool_fee_sats: satoshis(0n) });
      fc.pre(draft !== null);
      const outputs = [...draft.outputs.map(({ amount, script: to }) => pays(amount, to)), ...(draft.change_sats > 0n ? [pays(draft.change_sats, pool_script)] : [])];
      const booking = bookingOf({ coins: draft.coins, outputs }, owed, terms);
      if ('refused' in booking) throw new Error(booking.refused);
      expect(booking.draft).toMatchObject({ planned_sats: draft.planned_sats, change_sats: draft.change_sats, network_fee_sats: draft.network_fee_sats });
      const balances = new Map(owed.map(({ user_id, balance_sats }) => [user_id, balance_sats]));
      for (const { users: members, fees, amount, planned_sats } of booking.draft.outputs) {
        expect(planned_sats - fees.reduce((sum, fee) => sum + fee, 0n)).toBe(amount);
        for (const { user_id, planned_sats: charged } of members) expect(charged <= balances.get(user_id)!).toBe(true);
      }
    }));
  });
});
