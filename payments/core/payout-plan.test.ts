import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyPayees } from '../../lab/payout-samples.js';
import { satoshis } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { dustLimit } from './output-script.js';
import { largestFirst, planPayouts, type Payee } from './payout-plan.js';

const limits = { min_payout_sats: satoshis(1_000n), outputs_max: 5 };
const payee = (user_id: number, script: string, balance: bigint): Payee =>
  ({ user_id, name: `u${user_id}` as NameBytes, address: `a${user_id}`, script, balance_sats: satoshis(balance) });
const script = `0014${'11'.repeat(20)}`;

describe('planning', () => {
  it('two users with one address share one output, and their balances together reach the minimum', () => {
    const { outputs, waiting } = planPayouts([payee(2, script, 600n), payee(1, script, 500n)], limits);
    expect(waiting).toEqual([]);
    expect(outputs).toHaveLength(1);
    expect(outputs[0]).toMatchObject({ planned_sats: 1_100n, address: 'a1' });
    expect(outputs[0]?.users.map((user) => user.user_id)).toEqual([1, 2]);
  });

  it('who is below the minimum waits and is told so (D-13)', () => {
    const { outputs, waiting } = planPayouts([payee(1, script, 999n)], limits);
    expect(outputs).toEqual([]);
    expect(waiting[0]?.reason).toMatch(/minimum payout/);
  });

  it('fault 41: who is above the minimum but below dust waits (D-13)', () => {
    const { waiting } = planPayouts([payee(1, script, 293n)], { ...limits, min_payout_sats: satoshis(1n) });
    expect(waiting[0]?.reason).toMatch(/dust/);
  });

  it('never takes more outputs than allowed; the rest is told to wait for the next batch (D-13)', () => {
    const many = Array.from({ length: 8 }, (_, key) => payee(key + 1, `0014${String(key).repeat(40)}`, 2_000n + BigInt(key)));
    const { outputs, waiting } = planPayouts(many, limits);
    expect(outputs.map((output) => output.planned_sats)).toEqual([2_007n, 2_006n, 2_005n, 2_004n, 2_003n]);
    expect(waiting.every(({ reason }) => reason.includes('next one'))).toBe(true);
  });
});

it('every positive balance is planned whole or waits with a reason, in an order that depends on nothing else', () => {
  fc.assert(fc.property(anyPayees, fc.infiniteStream(fc.nat()), (payees, noise) => {
    const plan = planPayouts(payees, limits);
    const shuffled = [...payees].map((one) => ({ one, key: noise.next().value as number }))
      .sort((a, b) => a.key - b.key).map(({ one }) => one);
    expect(planPayouts(shuffled, limits)).toEqual(plan);
    const everyone = [...plan.outputs, ...plan.waiting.map(({ output }) => output)].flatMap(({ users }) => users);
    const owed = payees.filter(({ balance_sats }) => balance_sats > 0n);
    expect(new Map(everyone.map((user) => [user.user_id, user.planned_sats])))
      .toEqual(new Map(owed.map((user) => [user.user_id, user.balance_sats])));
    expect(everyone).toHaveLength(owed.length);
    expect(new Set(plan.outputs.map((output) => output.script)).size).toBe(plan.outputs.length);
    expect([...plan.outputs].sort(largestFirst)).toEqual(plan.outputs);
    for (const { planned_sats, script: paid } of plan.outputs) {
      expect(planned_sats >= limits.min_payout_sats && planned_sats >= dustLimit(paid)).toBe(true);
    }
  }));
});
