// The last looks before money leaves: which scripts and names are paid, and whether a signed transaction is the one
// that was drafted.
import fc from 'fast-check';
import { outputKind } from '../../../payments/core/output-script.js';
import { addressText, decideAddress } from '../../../payments/core/payout-address.js';
import { draftPayout, type Draft } from '../../../payments/core/payout-draft.js';
import { planPayouts } from '../../../payments/core/payout-plan.js';
import { transactionWeight, virtualSize } from '../../../payments/core/output-script.js';
import { checkTransaction } from '../../../payments/core/transaction-check.js';
import type { DecodedTransaction } from '../../../shared/bitcoind/node.js';
import { satoshis, transactionId } from '../../../shared/units.js';
import { nameFromBuffer, nameToBuffer } from '../../../shared/username.js';
import { hostile_names } from '../../hostile-names.js';
import { anyPayees, anyTerms, pool_script } from '../../payout-samples.js';
import { damaged } from '../mutator.js';
import { must, mustEqual, target, withinTime, type Target } from '../target.js';

const scripts = [
  `76a914${'ab'.repeat(20)}88ac`, `a914${'ab'.repeat(20)}87`, `0014${'ab'.repeat(20)}`, `0020${'ab'.repeat(32)}`, `5120${'ab'.repeat(32)}`, pool_script, '6a',
].map((text) => Buffer.from(text));
const names = hostile_names.map(({ name }) => nameToBuffer(name));

const anyDraft = fc.tuple(anyPayees, anyTerms)
  .map(([payees, terms]) => draftPayout(planPayouts(payees, { min_payout_sats: satoshis(300n), outputs_max: 20 }).outputs, terms).draft)
  .filter((draft): draft is Draft => draft !== null);

export const paymentTargets: readonly Target[] = [
  target('output-script', 'A script is of a form that is paid to the byte, or is never paid.', damaged(scripts), checkScript),
  target('payout-address', 'A name is paid only by the node\'s word, never to the pool itself or to a script unknown.',
    fc.record({
      name: damaged(names), script: fc.option(damaged(scripts)), valid: fc.boolean(), witness_version: fc.option(fc.integer({ min: -1, max: 17 })), is_mine: fc.boolean(),
    }), checkAddress),
  target('transaction-check', 'Any single change to a signed transaction is refused.',
    fc.tuple(anyDraft, fc.nat(), fc.nat(), fc.bigInt(1n, 2n ** 62n)), checkChanged),
];

function checkScript(bytes: Buffer): void {
  const text = bytes.toString('latin1');
  const kind = withinTime(200, () => outputKind(text));
  const lengths = { p2pkh: 50, p2sh: 46, p2wpkh: 44, p2wsh: 68 };
  if (kind !== null) must(/^[0-9a-f]+$/.test(text) && text.length === lengths[kind], 'a script that is paid is exact');
}

interface Named {
  readonly name: Buffer;
  readonly script: Buffer | null;
  readonly valid: boolean;
  readonly witness_version: number | null;
  readonly is_mine: boolean;
}

function checkAddress({ name, script, valid, witness_version, is_mine }: Named): void {
  const address = addressText(nameFromBuffer(name));
  const facts = { valid, script: script?.toString('latin1') ?? null, witness_version };
  const decision = decideAddress(address, address === null ? null : facts, is_mine, pool_script);
  must(/^[ -~]+\.$/.test(decision.reason), 'a decision has its reason in a sentence');
  if (decision.state === 'quarantined') return;
  must(address !== null && valid && !is_mine && decision.script !== pool_script, 'who is paid has an address of his own');
  must(outputKind(decision.script) !== null && (witness_version ?? 0) === 0, 'and a script that only he can spend');
  mustEqual(decision.address, address, 'the address');
}

function signed(draft: Draft): DecodedTransaction {
  const outputs = draft.outputs.map(({ script, amount }) => ({ script, amount }));
  if (draft.change_sats > 0n) outputs.push({ script: pool_script, amount: draft.change_sats });
  const weight = transactionWeight(pool_script, draft.coins.length, outputs.map(({ script }) => script));
  return {
    txid: transactionId('0'.repeat(64)), virtual_size: Number(virtualSize(weight)), weight: Number(weight),
    inputs: draft.coins.map(({ txid, index }) => ({ txid, index })), outputs: outputs.map((output, index) => ({ ...output, index })),
  };
}

type Transaction = ReturnType<typeof mutable>;
const mutable = ({ inputs, outputs }: DecodedTransaction) => ({ inputs: inputs.map((one) => ({ ...one })), outputs: outputs.map((one) => ({ ...one })) });

/** Every way to change one thing of the inputs or outputs; size and weight are the node's own word of them. */
const changes: readonly ((transaction: Transaction, at: number, by: bigint) => void)[] = [
  ({ inputs }, at, by) => { inputs[at % inputs.length]!.index += 1 + Number(by % 1000n); },
  ({ inputs }, at, by) => { inputs[at % inputs.length]!.txid = transactionId(by.toString(16).padStart(64, 'f')); },
  ({ inputs }, at) => { inputs.splice(at % inputs.length, 1); },
  ({ inputs }, at) => { inputs.splice(at % (inputs.length + 1), 0, { ...inputs[at % inputs.length]! }); },
  ({ outputs }, at, by) => { const output = outputs[at % outputs.length]!; output.amount = satoshis(output.amount + by); },
  ({ outputs }, at, by) => { const output = outputs[at % outputs.length]!; output.amount = satoshis(output.amount - by); },
  ({ outputs }, at, by) => { outputs[at % outputs.length]!.script = `0014${by.toString(16).padStart(40, 'e')}`; },
  ({ outputs }, at) => { const output = outputs[at % outputs.length]!; output.script = output.script.slice(0, -2); },
  ({ outputs }, at, by) => { outputs[at % outputs.length]!.index += Number(by % 1000n) + 1; },
  ({ outputs }, at) => { outputs.splice(at % outputs.length, 1); },
  ({ outputs }, at) => { outputs.splice(at % (outputs.length + 1), 0, { ...outputs[at % outputs.length]! }); },
];

function checkChanged([draft, kind, at, by]: [Draft, number, number, bigint]): void {
  const relay_fee_rate = satoshis(1n);
  const expected = { ...draft, pool_script, network_fee_max_sats: draft.network_fee_sats, relay_fee_rate };
  const whole = signed(draft);
  mustEqual(checkTransaction(whole, expected), null, 'the transaction as drafted');
  const changed = mutable(whole);
  changes[kind % changes.length]!(changed, at, by);
  const refusal = checkTransaction({ ...whole, ...changed }, expected);
  must(refusal !== null && /^[ -~]+\.$/.test(refusal), 'a changed transaction is refused in a sentence');
}
