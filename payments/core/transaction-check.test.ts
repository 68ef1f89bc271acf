import fc from 'fast-check';
import { expect, it } from 'vitest';
import { anyPayees, anyTerms, pool_script } from '../../lab/payout-samples.js';
import type { DecodedTransaction } from '../../shared/bitcoind/node.js';
import { satoshis, transactionId, type Satoshis } from '../../shared/units.js';
import { transactionWeight, virtualSize } from './output-script.js';
import { draftPayout, type Draft } from './payout-draft.js';
import { planPayouts } from './payout-plan.js';
import { checkTransaction, type ExpectedTransaction } from './transaction-check.js';

const relay_fee_rate = satoshis(1n);
const foreign = `0014${'ee'.repeat(20)}`;

const anyDraft = fc.tuple(anyPayees, anyTerms)
  .map(([payees, terms]) => draftPayout(planPayouts(payees, { min_payout_sats: satoshis(300n), outputs_max: 20 }).outputs, terms).draft)
  .filter((draft): draft is Draft => draft !== null);

function expected(draft: Draft): ExpectedTransaction {
  return { ...draft, pool_script, network_fee_max_sats: draft.network_fee_sats, relay_fee_rate };
}

function signed(draft: Draft): DecodedTransaction {
  const outputs = draft.outputs.map(({ script, amount }) => ({ script, amount }));
  if (draft.change_sats > 0n) outputs.push({ script: pool_script, amount: draft.change_sats });
  const weight = transactionWeight(pool_script, draft.coins.length, outputs.map(({ script }) => script));
  return {
    txid: transactionId('0'.repeat(64)),
    virtual_size: Number(virtualSize(weight)),
    weight: Number(weight),
    inputs: draft.coins.map(({ txid, index }) => ({ txid, index })),
    outputs: outputs.map((output, index) => ({ ...output, index })),
  };
}

it('a transaction that is exactly the draft is accepted', () => {
  fc.assert(fc.property(anyDraft, (draft) => { expect(checkTransaction(signed(draft), expected(draft))).toBeNull(); }));
});

const more = (amount: Satoshis, by: bigint): Satoshis => satoshis(amount + by);
const mutations: readonly (readonly [string, (transaction: DecodedTransaction, at: number) => DecodedTransaction])[] = [
  ['another coin', (t, at) => ({ ...t, inputs: t.inputs.map((input, i) => i === at % t.inputs.length ? { ...input, txid: transactionId('f'.repeat(64)) } : input) })],
  ['another output of a coin', (t, at) => ({ ...t, inputs: t.inputs.map((input, i) => i === at % t.inputs.length ? { ...input, index: input.index + 7 } : input) })],
  ['a coin more', (t) => ({ ...t, inputs: [...t.inputs, { txid: transactionId('f'.repeat(64)), index: 0 }] })],
  ['a coin less', (t) => ({ ...t, inputs: t.inputs.slice(1) })],
  ['a satoshi more', (t, at) => ({ ...t, outputs: t.outputs.map((output, i) => i === at % t.outputs.length ? { ...output, amount: more(output.amount, 1n) } : output) })],
  ['a satoshi less', (t, at) => ({ ...t, outputs: t.outputs.map((output, i) => i === at % t.outputs.length ? { ...output, amount: more(output.amount, -1n) } : output) })],
  ['another script', (t, at) => ({ ...t, outputs: t.outputs.map((output, i) => i === at % t.outputs.length ? { ...output, script: foreign } : output) })],
  ['an output more', (t) => ({ ...t, outputs: [...t.outputs, { index: t.outputs.length, script: foreign, amount: satoshis(1n) }] })],
  ['an output less', (t) => ({ ...t, outputs: t.outputs.slice(0, -1) })],
  ['two outputs exchanged', (t) => ({ ...t, outputs: t.outputs.length < 2 ? [] : [t.outputs[1]!, t.outputs[0]!, ...t.outputs.slice(2)] })],
  ['too large for its fee', (t) => ({ ...t, virtual_size: 1_000_000_000_000 })],
  ['too heavy', (t) => ({ ...t, weight: 400_000 })],
];

it.each(mutations)('a signed transaction with %s is refused', (_, mutate) => {
  fc.assert(fc.property(anyDraft, fc.nat(), (draft, at) => {
    expect(checkTransaction(mutate(signed(draft), at), expected(draft))).toMatch(/\.$/);
  }));
});

it('a fee above the cap is refused (D-13)', () => {
  fc.assert(fc.property(anyDraft, (draft) => {
    const capped = { ...expected(draft), network_fee_max_sats: more(draft.network_fee_sats, -1n) };
    expect(checkTransaction(signed(draft), capped)).toMatch(/cap/);
  }));
});
