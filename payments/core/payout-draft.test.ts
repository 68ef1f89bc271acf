import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyPayees, anyTerms, pool_script } from '../../lab/payout-samples.js';
import { sumSatoshis } from '../../shared/amount.js';
import { satoshis, transactionId } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import type { Coin } from './coin-choice.js';
import { dustLimit, transactionWeight, virtualSize, weight_max } from './output-script.js';
import { draftPayout, type DraftTerms } from './payout-draft.js';
import { groupByScript, largestFirst, planPayouts, type Payee, type PlannedOutput } from './payout-plan.js';

const limits = { min_payout_sats: satoshis(300n), outputs_max: 20 };

describe('any plan on any terms', () => {
  it('withheld fee = paid fee, outputs + fee = planned, coins = planned + change, nothing below dust (D-13)', () => {
    fc.assert(fc.property(anyPayees, anyTerms, (payees, terms) => {
      const { outputs: plan } = planPayouts(payees, limits);
      const { draft, waiting } = draftPayout(plan, terms);
      const scripts = [...(draft?.outputs ?? []), ...waiting.map(({ output }) => output)].map(({ script }) => script);
      expect([...scripts].sort()).toEqual(plan.map(({ script }) => script).sort());
      if (draft === null) return;
      const paid = sumSatoshis(draft.outputs.map(({ amount }) => amount));
      const withheld = sumSatoshis(draft.outputs.flatMap(({ fees }) => fees));
      const spent = sumSatoshis(draft.coins.map(({ amount }) => amount));
      expect(spent).toBe(paid + draft.network_fee_sats + draft.change_sats);
      expect(withheld).toBe(terms.network_fee_from === 'miners' ? draft.network_fee_sats : 0n);
      expect(paid + withheld).toBe(draft.planned_sats);
      expect(draft.change_sats === 0n || draft.change_sats >= dustLimit(pool_script)).toBe(true);
      for (const { amount, script, users, fees } of draft.outputs) {
        expect(amount >= dustLimit(script)).toBe(true);
        users.forEach(({ planned_sats }, position) => expect(fees[position]! >= 0n && fees[position]! <= planned_sats).toBe(true));
      }
      const change = draft.change_sats > 0n ? [pool_script] : [];
      const weight = transactionWeight(pool_script, draft.coins.length, [...draft.outputs.map(({ script }) => script), ...change]);
      expect(weight <= weight_max).toBe(true);
      expect(draft.network_fee_sats * 1000n >= virtualSize(weight) * terms.fee_rate).toBe(true);
      if (terms.network_fee_from === 'pool') expect(draft.network_fee_sats <= terms.pool_fee_sats).toBe(true);
    }), { numRuns: 500 });
  });

  it('what a draft takes is the largest part of the plan: nobody larger waits while someone smaller of the same form is paid', () => {
    fc.assert(fc.property(anyPayees, anyTerms, (payees, terms) => {
      const { outputs: plan } = planPayouts(payees, limits);
      const { draft, waiting } = draftPayout(plan, terms);
      const smallest = draft?.outputs.at(-1);
      if (!smallest) return;
      for (const { output } of waiting) {
        if (output.script.length === smallest.script.length) expect(largestFirst(smallest, output)).toBeLessThan(0);
      }
    }));
  });

  it('drafting again what a draft took, on the same terms, gives the same draft: plan and prepare agree', () => {
    fc.assert(fc.property(anyPayees, anyTerms, (payees, terms) => {
      const { draft } = draftPayout(planPayouts(payees, limits).outputs, terms);
      if (draft === null) return;
      const again: PlannedOutput[] = draft.outputs.map(({ script, address, users, planned_sats }) => ({ script, address, users, planned_sats }));
      expect(draftPayout(again, terms)).toEqual({ draft, waiting: [] });
    }));
  });
});

const coin = (amount: bigint, position: number): Coin =>
  ({ txid: transactionId(String(position).padStart(64, '0')), index: 0, amount: satoshis(amount), confirmations: 200 - position });
const payee = (user_id: number, balance: bigint): Payee =>
  ({ user_id, name: `u${user_id}` as NameBytes, address: `a${user_id}`, script: `0014${String(user_id).padStart(40, '0')}`, balance_sats: satoshis(balance) });
const terms = (coins: readonly Coin[], more: Partial<DraftTerms> = {}): DraftTerms =>
  ({ coins, pool_script, fee_rate: satoshis(1_000n), network_fee_from: 'miners', pool_fee_sats: satoshis(0n), ...more });
const plan = (...payees: Payee[]): PlannedOutput[] => groupByScript(payees).sort(largestFirst);

describe('case by case', () => {
  it('short funds: the smallest wait whole, nobody is paid a part (D-13)', () => {
    const { draft, waiting } = draftPayout(plan(payee(1, 60_000n), payee(2, 50_000n), payee(3, 40_000n)), terms([coin(115_000n, 1)]));
    expect(draft?.outputs.map(({ planned_sats }) => planned_sats)).toEqual([60_000n, 50_000n]);
    expect(waiting.map(({ output }) => output.planned_sats)).toEqual([40_000n]);
    expect(waiting[0]?.reason).toMatch(/coins that can be spent now/);
  });

  it('change below dust is not made: another coin is added', () => {
    const { draft } = draftPayout(plan(payee(1, 99_900n)), terms([coin(100_000n, 1), coin(70_000n, 2)]));
    expect(draft).toMatchObject({ change_sats: 70_100n });
    expect(draft?.coins).toHaveLength(2);
  });

  it('change below dust and no other coin: the smallest payee waits', () => {
    const { draft } = draftPayout(plan(payee(1, 60_000n), payee(2, 39_900n)), terms([coin(100_000n, 1)]));
    expect(draft?.outputs.map(({ planned_sats }) => planned_sats)).toEqual([60_000n]);
    expect(draft?.change_sats).toBe(40_000n);
  });

  it('no change output where the coins fit exactly', () => {
    const { draft } = draftPayout(plan(payee(1, 100_000n)), terms([coin(100_000n, 1)]));
    expect(draft?.change_sats).toBe(0n);
  });

  it('a small payee whom the fee would push below dust drops out and delays nobody (D-13)', () => {
    const { draft, waiting } = draftPayout(plan(payee(1, 1_000_000n), payee(2, 300n)), terms([coin(2_000_000n, 1)], { fee_rate: satoshis(400_000n) }));
    expect(draft?.outputs).toHaveLength(1);
    expect(waiting[0]?.reason).toMatch(/network fee/);
  });

  it('a fee that the pool cannot bear postpones the batch and takes nothing from miners', () => {
    const payer = { network_fee_from: 'pool' as const, pool_fee_sats: satoshis(10n) };
    const { draft, waiting } = draftPayout(plan(payee(1, 60_000n)), terms([coin(100_000n, 1)], payer));
    expect(draft).toBeNull();
    expect(waiting[0]?.reason).toMatch(/fee account/);
  });
});
