// What the next batch would be, from balances, addresses, coins and fee: read only, the same for the command
// `plan`, for the move that reserves it and for the one that prepares it.
import type { Knex } from 'knex';
import type { PaymentsContext } from '../context.js';
import { poolScript } from '../chain-view.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import { isOurs, oldestFirst, type Coin } from '../core/coin-choice.js';
import { chooseFeeRate } from '../core/network-fee.js';
import { draftPayout, type Draft, type DraftTerms } from '../core/payout-draft.js';
import { planPayouts, type Payee, type Waiting } from '../core/payout-plan.js';
import { payoutAddresses, type PayoutAddress } from '../edges/address-store.js';
import { minerBalances, poolBalance } from '../edges/ledger-store.js';
import { creditedCoinbases, ownChange, poolFeesUnderway, promisedCoins } from '../edges/transaction-store.js';

/** The node estimates a fee to be confirmed within so many blocks. */
const fee_target_blocks = 6;

export interface PaymentTerms extends DraftTerms {
  readonly relay_fee_rate: Satoshis;
}

/** Coins, fee rate and pool account as of now; or one sentence why nothing can be sent now. */
export async function paymentTerms(
  context: PaymentsContext, network_fee_from: 'miners' | 'pool',
): Promise<PaymentTerms | { readonly postponed: string }> {
  const { config, database: { knex }, node } = context;
  const relay_fee_rate = await node.relayFeeRate();
  const fee = chooseFeeRate({
    estimate: await node.feeRate(fee_target_blocks),
    fallback: config.fallback_fee_rate,
    relay: relay_fee_rate,
    cap: config.max_fee_rate,
  });
  if ('postponed' in fee) return fee;
  const pool_script = await poolScript(node, config);
  return {
    coins: await spendableCoins(context, pool_script),
    pool_script, network_fee_from, relay_fee_rate,
    fee_rate: fee.rate,
    pool_fee_sats: network_fee_from === 'pool' ? await freePoolFee(knex) : satoshis(0n),
  };
}

/** What the pool's fee account can pay with: by its entries, less what signed payouts will take from it. */
async function freePoolFee(knex: Knex): Promise<Satoshis> {
  const pool_fee = (await poolBalance(knex, 'pool_fee')) - (await poolFeesUnderway(knex));
  return satoshis(pool_fee > 0n ? pool_fee : 0n);
}

/** The coins that payments may spend now, oldest first. Whatever else the wallet holds is never touched. */
export async function spendableCoins(
  { database: { knex }, node }: PaymentsContext,
  pool_script: string,
): Promise<Coin[]> {
  const coins = await node.walletCoins();
  const txids = [...new Set(coins.map(({ txid }) => txid))];
  const known = {
    pool_script,
    coinbases: await creditedCoinbases(knex, txids),
    own_change: await ownChange(knex, txids),
    promised: await promisedCoins(knex, txids),
  };
  return oldestFirst(coins.filter((coin) => isOurs(coin, known)));
}

export interface NextBatch {
  /** null when nobody is paid now. */
  readonly draft: Draft | null;
  readonly fee_rate: Satoshis | null;
  /** Who waits, and why. */
  readonly waiting: readonly Waiting[];
  /** Who is not paid until the name or the rules change, with the balance that is kept. */
  readonly quarantined: readonly (PayoutAddress & { readonly balance_sats: Satoshis })[];
  /** Users whose names were not checked yet. */
  readonly unchecked: number;
  /** Why nothing at all is sent now. */
  readonly postponed: string | null;
}

export async function nextBatch(context: PaymentsContext): Promise<NextBatch> {
  const { config, database: { knex } } = context;
  const addresses = await payoutAddresses(knex);
  const owed = (await minerBalances(knex)).filter(({ balance_sats }) => balance_sats > 0n);
  const payees: Payee[] = [];
  const quarantined: (PayoutAddress & { balance_sats: Satoshis })[] = [];
  for (const { user_id, name, balance_sats } of owed) {
    const known = addresses.get(user_id);
    if (known === undefined) continue;
    const { address, script } = known;
    if (known.state === 'quarantined' || address === null || script === null) {
      quarantined.push({ ...known, balance_sats });
    } else {
      payees.push({ user_id, name, address, script, balance_sats });
    }
  }
  const plan = planPayouts(payees, {
    min_payout_sats: config.min_payout_sats, outputs_max: config.max_outputs_per_transaction,
  });
  const base = { quarantined, unchecked: owed.length - payees.length - quarantined.length };
  if (plan.outputs.length === 0) {
    return { ...base, draft: null, fee_rate: null, waiting: plan.waiting, postponed: null };
  }
  const terms = await paymentTerms(context, config.network_fee_from);
  if ('postponed' in terms) {
    return { ...base, draft: null, fee_rate: null, waiting: plan.waiting, postponed: terms.postponed };
  }
  const { draft, waiting } = draftPayout(plan.outputs, terms);
  return {
    ...base,
    draft,
    fee_rate: terms.fee_rate,
    waiting: [...waiting, ...plan.waiting],
    postponed: null,
  };
}
