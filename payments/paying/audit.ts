// The checks of `audit` on payouts: stored bytes against payouts, ledger against batches, and the chain and
// the wallet against both. What was paid is read from the chain, not from our tables. Reads only.
import { formatCoins, sumSatoshis } from '../../shared/amount.js';
import type { DecodedTransaction } from '../../shared/bitcoind/node.js';
import { blockHeight, satoshis, type Satoshis } from '../../shared/units.js';
import { printable } from '../../shared/username.js';
import { poolScript } from '../chain-view.js';
import { verdict } from '../commands/audit-checks.js';
import { acknowledgedSpends } from '../acknowledged.js';
import type { AuditCheck, PaymentsContext } from '../context.js';
import { coinKey, isOurs } from '../core/coin-choice.js';
import { batch_states, live_states } from '../core/payout-state.js';
import { payoutAddresses } from '../edges/address-store.js';
import { batchesIn, payoutsOf, type Batch } from '../edges/batch-store.js';
import { chainScan } from '../edges/facts.js';
import { accountBalances, minerBalances } from '../edges/ledger-store.js';
import {
  allTransactions, creditedCoinbases, ownChange, poolCoinbases, promisedCoins, transactionOf,
  type PayoutTransaction,
} from '../edges/transaction-store.js';
import { plannedOutputs } from './prepare.js';
import { confirmationOf } from './sightings.js';

type Finding = Promise<{ ok: boolean; detail: string }>;

const signed_states = ['prepared', 'broadcast', 'confirmed', 'final', 'held'] as const;

async function storedBytesAreThePayouts(context: PaymentsContext): Finding {
  const { database: { knex }, node } = context;
  const pool_script = await poolScript(node, context.config);
  const batches = await batchesIn(knex, signed_states);
  const violations: string[] = [];
  for (const batch of batches) {
    const stored = await transactionOf(knex, batch.id);
    if (stored === null) {
      violations.push(`batch ${batch.id} is ${batch.state} without a transaction`);
    } else {
      violations.push(
        ...(await unlikePayouts(context, batch, stored, await node.decode(stored.raw_hex), pool_script)),
      );
    }
  }
  return verdict(
    violations,
    `${batches.length} signed batches: bytes, txid, coins, outputs and fee are as promised`,
  );
}

async function unlikePayouts(
  { database: { knex } }: PaymentsContext,
  batch: Batch,
  stored: PayoutTransaction,
  decoded: DecodedTransaction,
  pool_script: string,
): Promise<string[]> {
  const payouts = await payoutsOf(knex, batch.id);
  const fees = new Map(payouts.map(({ user_id, network_fee_sats }) => [user_id, network_fee_sats ?? 0n]));
  const wanted = plannedOutputs(payouts).map(({ script, planned_sats, users }) =>
    `${script} ${planned_sats - users.reduce((sum, { user_id }) => sum + (fees.get(user_id) ?? 0n), 0n)}`);
  const found: string[] = [];
  if (decoded.txid !== stored.txid) found.push('its bytes are another transaction');
  const outputs = decoded.outputs.map(({ script, amount }) => `${script} ${amount}`);
  const change = stored.change ? outputs.splice(stored.change.index, 1) : [];
  // Payouts in any order: one that was booked had its fee split again, and its order with it.
  if (
    change.join() !== (stored.change ? `${pool_script} ${stored.change.amount}` : '')
    || outputs.sort().join() !== wanted.sort().join()
  ) {
    found.push('its outputs differ from its payouts');
  }
  if (decoded.inputs.map(coinKey).sort().join() !== stored.inputs.map(coinKey).sort().join()) {
    found.push('its coins differ from those recorded');
  }
  const fee =
    sumSatoshis(stored.inputs.map(({ amount }) => amount))
    - sumSatoshis(decoded.outputs.map(({ amount }) => amount));
  if (fee !== stored.network_fee_sats) {
    found.push(`it pays a network fee of ${fee} satoshis, recorded are ${stored.network_fee_sats}`);
  }
  if (sumSatoshis(payouts.map(({ planned_sats }) => planned_sats)) !== batch.planned_sats) {
    found.push('its payouts do not sum to what was planned');
  }
  return found.map((fault) => `batch ${batch.id}: ${fault}`);
}

async function reservedIsPromised({ database: { knex } }: PaymentsContext): Finding {
  const batches = await batchesIn(knex, live_states);
  const promised = sumSatoshis(batches.map(({ planned_sats }) => planned_sats));
  const { reserved } = await accountBalances(knex);
  const violations = reserved === promised ? []
    : [`${formatCoins(reserved)} is reserved and ${formatCoins(promised)} is promised to batches`];
  return verdict(violations, `${formatCoins(reserved)} is reserved for ${batches.length} batches`);
}

async function confirmedIsInTheChain(context: PaymentsContext): Finding {
  const { database: { knex } } = context;
  const batches = await batchesIn(knex, ['confirmed', 'final']);
  const violations: string[] = [];
  for (const batch of batches) {
    const stored = await transactionOf(knex, batch.id);
    const outputs = plannedOutputs(await payoutsOf(knex, batch.id)).length + (stored?.change ? 1 : 0);
    const seen = stored && await confirmationOf(context, stored, outputs);
    const header = stored?.confirmed ? await context.node.header(stored.confirmed.hash) : null;
    if (!seen && !(header && header.confirmations > 0)) {
      violations.push(`batch ${batch.id} is ${batch.state} and not in the active chain`);
    } else if (seen && seen.hash !== stored?.confirmed?.hash) {
      violations.push(`batch ${batch.id} is in block ${seen.hash}, recorded is another`);
    }
  }
  return verdict(violations, `${batches.length} confirmed and final batches are in the active chain`);
}

/**
 * By the chain alone: what confirmed spends of the pool's wallet pay to each script, against its users'
 * credits.
 */
async function nobodyIsPaidTwice({ config, database: { knex }, node }: PaymentsContext): Finding {
  const paid = new Map<string, { sats: bigint; by_us: boolean }>();
  const stored = new Set((await allTransactions(knex)).map(({ txid }) => String(txid)));
  for (const spend of await node.walletSpends(await beforeTheFloor(knex, node))) {
    if (spend.confirmations <= 0) continue;
    for (const { script, amount } of (await node.decode(spend.raw_hex)).outputs) {
      const before = paid.get(script);
      paid.set(script, {
        sats: (before?.sats ?? 0n) + amount,
        by_us: before?.by_us === true || stored.has(spend.txid),
      });
    }
  }
  const pool_script = await poolScript(node, config);
  const earned = new Map<string, { sats: bigint; names: string[] }>();
  const addresses = await payoutAddresses(knex);
  for (const { user_id, name, earned_sats } of await minerBalances(knex)) {
    const script = addresses.get(user_id)?.script ?? null;
    if (script === null) continue;
    const known = earned.get(script) ?? { sats: 0n, names: [] };
    earned.set(script, { sats: known.sats + earned_sats, names: [...known.names, printable(name)] });
  }
  const violations: string[] = [];
  for (const [script, { sats, by_us }] of paid) {
    const due = earned.get(script);
    if (script === pool_script || (!due && !by_us)) continue;
    if (!due) {
      violations.push(
        `${formatCoins(satoshis(sats))} went to a script of no user (${script.slice(0, 80)})`,
      );
    } else if (sats > due.sats) {
      violations.push(
        `${due.names.join(', ')} got ${formatCoins(satoshis(sats))} `
          + `on the chain and earned ${formatCoins(satoshis(due.sats))}`,
      );
    }
  }
  return verdict(violations, `${earned.size} scripts of users, none got more than its users earned`);
}

async function coinsAreThePools({ database: { knex } }: PaymentsContext): Finding {
  const coinbases = await poolCoinbases(knex);
  const transactions = await allTransactions(knex);
  const change = new Set(
    transactions.flatMap(({ txid, change: own }) => (own ? [coinKey({ txid, index: own.index })] : [])),
  );
  const violations = transactions.flatMap(({ batch_id, inputs }) =>
    inputs
      .filter((coin) => !coinbases.has(coin.txid) && !change.has(coinKey(coin)))
      .map(
        (coin) =>
          `batch ${batch_id} spends ${coinKey(coin)}, `
          + "neither a settled block's coin nor change of a payout",
      ),
  );
  return verdict(
    violations,
    `${transactions.length} transactions spend only coins of settled blocks and own change`,
  );
}

async function walletSpendsAreKnown(context: PaymentsContext): Finding {
  const { config, database: { knex }, node } = context;
  const acknowledged = await acknowledgedSpends(knex);
  const stored = await allTransactions(knex);
  const known = new Set(stored.map(({ txid }) => String(txid)));
  const from_pool = new Set([...await poolCoinbases(knex), ...known]);
  const violations: string[] = [];
  let other_spends = 0;
  for (const spend of await node.walletSpends(await beforeTheFloor(knex, node))) {
    if (known.has(spend.txid) || spend.confirmations < 0) continue;
    const coin = (await node.decode(spend.raw_hex)).inputs.find(
      (input) => from_pool.has(input.txid) && !acknowledged.has(input),
    );
    if (coin) {
      violations.push(
        `${spend.txid} spends the pool's coin ${coinKey(coin)} and `
          + 'is no payout of this ledger (was the database restored?)',
      );
    } else {
      other_spends += 1;
    }
  }
  const pool_script = await poolScript(node, config);
  const knowledge = {
    pool_script,
    coinbases: await creditedCoinbases(knex),
    own_change: await ownChange(knex),
    promised: await promisedCoins(knex),
  };
  const others = (await node.walletCoins()).filter(
    (coin) => !isOurs(coin, knowledge) && !from_pool.has(coin.txid),
  );
  return verdict(
    violations,
    "the wallet's spends of pool coins are payouts of this ledger; "
      + `it also holds ${othersText(others)} `
      + `that payments never touches, and has made ${other_spends} `
      + 'spends of such coins or that an operator acknowledged',
  );
}

const othersText = (coins: readonly { readonly amount: Satoshis }[]): string =>
  `${coins.length} other coins (${formatCoins(sumSatoshis(coins.map(({ amount }) => amount)))})`;

async function everyBatchHasOneState({ database: { knex } }: PaymentsContext): Finding {
  const violations: string[] = [];
  const batches = await batchesIn(knex, batch_states);
  for (const batch of batches) {
    const stored = await transactionOf(knex, batch.id);
    if (batch.state === 'planned' && stored) {
      violations.push(`batch ${batch.id} is planned and has a transaction`);
    }
  }
  const unaccepted = batches.filter(({ state }) => state === 'planned' || state === 'prepared');
  if (unaccepted.length > 1) {
    violations.push(
      `batches ${unaccepted.map(({ id }) => id).join(', ')} are not accepted; there may be one`,
    );
  }
  return verdict(violations, `${batches.length} batches, ${unaccepted.length} not yet accepted`);
}

/** The block below the first that can be ours: nothing before it concerns the pool. */
async function beforeTheFloor(knex: PaymentsContext['database']['knex'], node: PaymentsContext['node']) {
  const floor = (await chainScan(knex))?.floor_height ?? 0;
  return floor > 0 ? node.blockHashAt(blockHeight(floor - 1)) : null;
}

export const payoutChecks: readonly AuditCheck[] = [
  { name: 'batches follow their states, one unaccepted at most', run: everyBatchHasOneState },
  { name: 'every signed transaction is exactly its payouts', run: storedBytesAreThePayouts },
  { name: 'what is reserved is promised to batches', run: reservedIsPromised },
  { name: 'payouts spend only coins of settled blocks and own change', run: coinsAreThePools },
  { name: 'confirmed and final payouts are in the active chain', run: confirmedIsInTheChain },
  { name: 'nobody got more on the chain than was earned', run: nobodyIsPaidTwice },
  { name: 'every spend of pool coins is a payout of this ledger', run: walletSpendsAreKnown },
];
