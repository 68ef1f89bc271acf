// From the plan to a whole transaction: which coins, which change, which fee, what each user gets. The plan
// is a list with the largest first; what cannot be paid now is taken off its end, never paid in part:
//   coins do not cover it (short funds postpone), or it would weigh too much: the smallest payee waits;
//   the fee would push payees below dust: they drop out, the fee is split anew among the rest, and again.
// With network_fee_from 'miners': coins = planned + change, outputs + fee = planned. With 'pool': outputs =
// planned, coins = planned + fee + change, and the pool's fee account must hold the fee.
import { formatCoins } from '../../shared/amount.js';
import { invariant } from '../../shared/errors.js';
import { satoshis, type Satoshis, type TransactionId } from '../../shared/units.js';
import { chooseCoins, type Coin, type CoinChoice } from './coin-choice.js';
import { feeForSize, withholdFee, type FeeBearingOutput } from './network-fee.js';
import { dustLimit, transactionWeight, virtualSize, weight_max } from './output-script.js';
import { totalPlanned, type PlannedOutput, type Waiting } from './payout-plan.js';

export interface DraftTerms {
  /** Spendable coins of the pool's script, oldest first. */
  readonly coins: readonly Coin[];
  readonly pool_script: string;
  /** Satoshis per 1000 virtual bytes. */
  readonly fee_rate: Satoshis;
  readonly network_fee_from: 'miners' | 'pool';
  /** What the pool's fee account can still give. */
  readonly pool_fee_sats: Satoshis;
}

export interface Draft {
  readonly outputs: readonly FeeBearingOutput[];
  readonly coins: readonly Coin[];
  readonly change_sats: Satoshis;
  readonly network_fee_sats: Satoshis;
  readonly planned_sats: Satoshis;
}

export interface DraftOutcome {
  /** null when nothing can be paid on these terms. */
  readonly draft: Draft | null;
  readonly waiting: readonly Waiting[];
}

/** The draft for the longest part of the plan that can be paid; everyone else waits with a reason. */
export function draftPayout(plan: readonly PlannedOutput[], terms: DraftTerms): DraftOutcome {
  let outputs = [...plan];
  const waiting: Waiting[] = [];
  const wait = (out: readonly PlannedOutput[], reason: string): void => {
    outputs = outputs.filter((output) => !out.includes(output));
    waiting.push(...out.map((output) => ({ output, reason })));
  };
  while (outputs.length > 0) {
    const attempt =
      terms.network_fee_from === 'miners' ? feeFromMiners(outputs, terms) : feeFromPool(outputs, terms);
    if ('draft' in attempt) return { draft: attempt.draft, waiting };
    wait(attempt.out, attempt.reason);
  }
  return { draft: null, waiting };
}

type Attempt =
  | { readonly draft: Draft }
  | { readonly out: readonly PlannedOutput[]; readonly reason: string };

function feeFromMiners(outputs: readonly PlannedOutput[], terms: DraftTerms): Attempt {
  const planned_sats = totalPlanned(outputs);
  const choice = chooseCoins(terms.coins, planned_sats, terms.pool_script);
  if (choice === null) return shortFunds(outputs, terms.coins);
  const weight = weightOf(outputs, choice, terms.pool_script);
  if (weight > weight_max) return tooHeavy(outputs);
  const network_fee_sats = feeForSize(virtualSize(weight), terms.fee_rate);
  if (network_fee_sats >= planned_sats) return feeEatsAll(outputs.slice(-1), network_fee_sats);
  // Ties between users go by the first coin, which `plan` and `prepare` know alike.
  const drafted = withholdFee(outputs, network_fee_sats, firstCoin(choice));
  const below = outputs.filter(
    (output, position) => (drafted[position]?.amount ?? 0n) < dustLimit(output.script),
  );
  if (below.length > 0) return feeEatsAll(below, network_fee_sats);
  return { draft: { outputs: drafted, ...choice, network_fee_sats, planned_sats } };
}

function feeFromPool(outputs: readonly PlannedOutput[], terms: DraftTerms): Attempt {
  const planned_sats = totalPlanned(outputs);
  // As little as the smallest such transaction costs; from there it only grows.
  let network_fee_sats = feeForSize(
    virtualSize(
      weightOf(outputs, { coins: terms.coins.slice(0, 1), change_sats: satoshis(0n) }, terms.pool_script),
    ),
    terms.fee_rate,
  );
  for (;;) {
    if (network_fee_sats > terms.pool_fee_sats) {
      return shortFeeAccount(outputs, network_fee_sats, terms.pool_fee_sats);
    }
    const choice = chooseCoins(terms.coins, satoshis(planned_sats + network_fee_sats), terms.pool_script);
    if (choice === null) return shortFunds(outputs, terms.coins);
    const weight = weightOf(outputs, choice, terms.pool_script);
    if (weight > weight_max) return tooHeavy(outputs);
    const needed = feeForSize(virtualSize(weight), terms.fee_rate);
    // More coins make a larger fee and a larger fee may need more coins; the fee only grows, so this ends.
    if (needed > network_fee_sats) {
      network_fee_sats = needed;
      continue;
    }
    const drafted = outputs.map((output) =>
      ({ ...output, amount: output.planned_sats, fees: output.users.map(() => satoshis(0n)) }));
    return { draft: { outputs: drafted, ...choice, network_fee_sats, planned_sats } };
  }
}

function weightOf(outputs: readonly PlannedOutput[], choice: CoinChoice, pool_script: string): bigint {
  const scripts = outputs.map((output) => output.script);
  const change = choice.change_sats > 0n ? [pool_script] : [];
  return transactionWeight(pool_script, choice.coins.length, [...scripts, ...change]);
}

function shortFunds(outputs: readonly PlannedOutput[], coins: readonly Coin[]): Attempt {
  const available = satoshis(coins.reduce((sum, coin) => sum + coin.amount, 0n));
  const reason =
    `The coins that can be spent now (${formatCoins(available)}) do not cover it: `
    + 'as soon as more are mature or confirmed.';
  return { out: outputs.slice(-1), reason };
}

function shortFeeAccount(outputs: readonly PlannedOutput[], fee: Satoshis, available: Satoshis): Attempt {
  const reason =
    `The pool's fee account can give ${formatCoins(available)} `
    + `and the network fee is ${formatCoins(fee)} at least.`;
  return { out: outputs, reason };
}

const tooHeavy = (outputs: readonly PlannedOutput[]): Attempt => ({
  out: outputs.slice(-1),
  reason: 'The transaction would be too large to be relayed: in the next batch.',
});

const feeEatsAll = (out: readonly PlannedOutput[], fee: Satoshis): Attempt => ({
  out,
  reason: `Its part of the network fee (${formatCoins(fee)} for the batch) would leave less than dust.`,
});

function firstCoin({ coins: [first] }: CoinChoice): TransactionId {
  invariant(first !== undefined, 'A batch that pays something spends no coin; nothing was signed.');
  return first.txid;
}
