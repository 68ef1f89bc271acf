// The last look before a signature is stored: is the signed transaction exactly what was drafted? Inputs,
// outputs, their order, every amount and the fee. The node and its wallet made these bytes from our order,
// and a wallet that adds, drops or changes anything must not be believed. A refusal stops the daemon.
import type { DecodedTransaction } from '../../shared/bitcoind/node.js';
import { formatCoins, sumSatoshis } from '../../shared/amount.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import { coinKey, type Coin } from './coin-choice.js';
import { feeForSize } from './network-fee.js';
import { weight_max } from './output-script.js';

export interface ExpectedTransaction {
  readonly coins: readonly Coin[];
  readonly outputs: readonly { readonly script: string; readonly amount: Satoshis }[];
  readonly pool_script: string;
  /** Zero when there is no change output; otherwise it is the last output. */
  readonly change_sats: Satoshis;
  readonly network_fee_sats: Satoshis;
  /** The most the network fee may be. */
  readonly network_fee_max_sats: Satoshis;
  /** Satoshis per 1000 virtual bytes below which nodes do not relay. */
  readonly relay_fee_rate: Satoshis;
}

/** @returns null when the transaction is what was expected, otherwise one sentence saying what differs. */
export function checkTransaction(decoded: DecodedTransaction, expected: ExpectedTransaction): string | null {
  return checkInputs(decoded, expected) ?? checkOutputs(decoded, expected) ?? checkFee(decoded, expected);
}

function checkInputs(decoded: DecodedTransaction, { coins }: ExpectedTransaction): string | null {
  if (decoded.inputs.length !== coins.length) {
    return `The transaction spends ${decoded.inputs.length} coins where ${coins.length} were chosen.`;
  }
  const foreign = decoded.inputs.find((input, position) => {
    const coin = coins[position];
    return coin === undefined || coinKey(input) !== coinKey(coin);
  });
  return foreign === undefined
    ? null
    : `The transaction spends ${coinKey(foreign)}, which was not chosen there.`;
}

function checkOutputs(decoded: DecodedTransaction, expected: ExpectedTransaction): string | null {
  const change =
    expected.change_sats > 0n ? [{ script: expected.pool_script, amount: expected.change_sats }] : [];
  const wanted = [...expected.outputs, ...change];
  if (decoded.outputs.length !== wanted.length) {
    return `The transaction has ${decoded.outputs.length} outputs where ${wanted.length} were planned.`;
  }
  for (const [position, output] of decoded.outputs.entries()) {
    const plan = wanted[position];
    if (plan === undefined || output.index !== position || output.script !== plan.script) {
      return `Output ${position} pays another script than planned.`;
    }
    if (output.amount !== plan.amount) {
      return (
        `Output ${position} pays ${formatCoins(output.amount)} `
        + `where ${formatCoins(plan.amount)} were planned.`
      );
    }
  }
  return null;
}

function checkFee(decoded: DecodedTransaction, expected: ExpectedTransaction): string | null {
  const spent = sumSatoshis(expected.coins.map((coin) => coin.amount));
  const fee = satoshis(spent - sumSatoshis(decoded.outputs.map((output) => output.amount)));
  if (fee !== expected.network_fee_sats) {
    return (
      `The network fee is ${formatCoins(fee)} where `
      + `${formatCoins(expected.network_fee_sats)} was planned.`
    );
  }
  if (fee > expected.network_fee_max_sats) return `The network fee of ${formatCoins(fee)} is above the cap.`;
  if (fee < feeForSize(BigInt(decoded.virtual_size), expected.relay_fee_rate)) {
    return (
      `The network fee of ${formatCoins(fee)} is too low for `
      + `${decoded.virtual_size} virtual bytes to be relayed.`
    );
  }
  return BigInt(decoded.weight) > weight_max
    ? `The transaction weighs ${decoded.weight}, more than nodes relay.`
    : null;
}
