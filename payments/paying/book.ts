// An operator's word after an older database was restored: the transaction that spent a coin of the pool is a
// payout which the ledger has lost, and is booked as one. Read and judged here; what is written (a batch that is
// broadcast, with payouts, coins and the very bytes) commits with the word itself, and is then followed into the
// chain like any other. It only ever lowers what is owed; it signs and sends nothing. Whatever does not add up
// is refused: a coin that is not the ledger's, a payee whom it does not owe so much.
import type { Knex } from 'knex';
import { formatCoins } from '../../shared/amount.js';
import type { DecodedTransaction } from '../../shared/bitcoind/node.js';
import { timeText } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';
import { satoshis, type Satoshis, type TransactionId } from '../../shared/units.js';
import { foreign_spend } from '../acknowledged.js';
import { poolScript } from '../chain-view.js';
import type { PaymentsContext } from '../context.js';
import { coinKey, type Coin } from '../core/coin-choice.js';
import { bookingOf } from '../core/lost-payout.js';
import type { Draft } from '../core/payout-draft.js';
import type { Payee } from '../core/payout-plan.js';
import { payoutAddresses } from '../edges/address-store.js';
import {
  batchById, batchesIn, changeState, payoutsOf, releasePayouts, reserveBatch, type Batch, type Payout,
} from '../edges/batch-store.js';
import { coinbaseOfBlocks } from '../edges/facts.js';
import { openIncidents, resolveIncident, type Incident } from '../edges/incident-store.js';
import { minerBalances } from '../edges/ledger-store.js';
import {
  changeOutputs, creditedCoinbases, knownTransaction, promisedCoins, roundOfCoinbase, storeTransaction,
} from '../edges/transaction-store.js';

export type BookDecision =
  | { readonly refused: string }
  | {
    readonly detail: string;
    /** Inside the transaction of the operator's word, after the fence; closes the other incidents about its coins. */
    readonly write: (transaction: Knex.Transaction) => Promise<void>;
  };

interface Spend {
  readonly txid: TransactionId;
  readonly raw_hex: string;
  readonly decoded: DecodedTransaction;
}

export async function bookLostPayout(context: PaymentsContext, incident: Incident): Promise<BookDecision> {
  const { config, database: { knex }, node } = context;
  const spend = await spenderOf(context, incident);
  if (!spend) return refuse('The wallet knows no transaction that spends this coin, so there is nothing to book.');
  const about = `Transaction ${spend.txid}`;
  if (await knownTransaction(knex, spend.txid)) return refuse(`${about} is a payout of this ledger already.`);
  const [signed] = await batchesIn(knex, ['prepared']);
  if (signed) return refuse(`Batch ${signed.id} is signed and not accepted yet: decide about it first.`);

  const coins: Coin[] = [];
  const promised = await promisedCoins(knex);
  for (const input of spend.decoded.inputs) {
    if (promised.has(coinKey(input))) {
      return refuse(
        `${about} spends ${coinKey(input)}, which a payout of this ledger was made to spend: decide about that one first.`,
      );
    }
    const amount = await amountOfOwnCoin(context, input);
    if (amount === null) {
      return refuse(
        `${about} spends ${coinKey(input)}, which is neither the coin of a settled block nor the change of a payout `
          + 'that the ledger knows: let accounting and settling catch up, and book older payouts first.',
      );
    }
    coins.push({ ...input, amount, confirmations: 0 });
  }
  const unsigned = await unsignedPayouts(knex);
  const terms = { pool_script: await poolScript(node, config), network_fee_from: config.network_fee_from };
  const booking = bookingOf({ coins, outputs: spend.decoded.outputs }, await owedWith(knex, unsigned), terms);
  if ('refused' in booking) return refuse(`${about} is no payout that this ledger could have made. ${booking.refused}`);
  const { draft } = booking;
  return {
    detail:
      `${about} is booked as a payout of this ledger: ${draft.outputs.length} outputs, `
      + `${formatCoins(draft.planned_sats)} with the network fee.`,
    write: (transaction) => write(context, transaction, { spend, draft, unsigned, incident }),
  };
}

const refuse = (refused: string): BookDecision => ({ refused });

/** The transaction of the wallet that spends the coin of the incident; in a block or on its way into one. */
async function spenderOf({ database: { knex }, node }: PaymentsContext, { subject }: Incident): Promise<Spend | null> {
  const coinbases = await coinbaseOfBlocks(knex, new Set([subject]));
  for (const { txid, raw_hex, confirmations } of await node.walletSpends(null)) {
    if (confirmations < 0) continue;
    const decoded = await node.decode(raw_hex);
    if (decoded.inputs.some((input) => coinbases.has(input.txid) || coinKey(input) === subject)) {
      return { txid, raw_hex, decoded };
    }
  }
  return null;
}

/** null when the ledger does not know it as the pool's. */
async function amountOfOwnCoin(
  { config, database: { knex }, node }: PaymentsContext, coin: { readonly txid: TransactionId; readonly index: number },
): Promise<Satoshis | null> {
  const change = (await changeOutputs(knex)).find((one) => coinKey(one) === coinKey(coin));
  if (change) return change.amount;
  if (!(await creditedCoinbases(knex)).has(coin.txid)) return null;
  const round = await roundOfCoinbase(knex, coin.txid);
  const block = round && await node.blockWithCoinbase(round.block_hash);
  const script = await poolScript(node, config);
  return block?.coinbase_outputs.find((output) => output.index === coin.index && output.script === script)?.amount ?? null;
}

interface Unsigned {
  readonly batch: Batch;
  readonly payouts: readonly Payout[];
}

/** What is promised and not signed is given back first: the lost payout may be the very one that was planned. */
async function unsignedPayouts(knex: Knex): Promise<Unsigned[]> {
  const found: Unsigned[] = [];
  for (const batch of await batchesIn(knex, ['planned'])) found.push({ batch, payouts: await payoutsOf(knex, batch.id) });
  return found;
}

async function owedWith(knex: Knex, unsigned: readonly Unsigned[]): Promise<Payee[]> {
  const addresses = await payoutAddresses(knex);
  const promised = unsigned.flatMap(({ payouts }) => payouts);
  return (await minerBalances(knex)).flatMap(({ user_id, name, balance_sats }) => {
    const { address = null, script = null } = addresses.get(user_id) ?? {};
    if (address === null || script === null) return [];
    const back = promised.filter((payout) => payout.user_id === user_id)
      .reduce((sum, { planned_sats }) => sum + planned_sats, 0n);
    return [{ user_id, name, address, script, balance_sats: satoshis(balance_sats + back) }];
  });
}

async function write(
  { config, clock }: PaymentsContext,
  transaction: Knex.Transaction,
  { spend, draft, unsigned, incident }: { spend: Spend; draft: Draft; unsigned: readonly Unsigned[]; incident: Incident },
): Promise<void> {
  const now = timeText(clock.now_ms());
  const why = `the lost payout ${spend.txid} is booked`;
  for (const { batch, payouts } of unsigned) await releasePayouts(transaction, batch, payouts, [], why, now);
  const batch_id = await reserveBatch(transaction, draft.outputs, config.network_fee_from, now, 'part of the balance');
  await storeTransaction(transaction, batch_id, spend, draft, await payoutsOf(transaction, batch_id), now);
  for (const event of ['prepare', 'accept'] as const) {
    const batch = await batchById(transaction, batch_id);
    invariant(batch, `Batch ${batch_id} is not there although it was just written.`);
    await changeState(transaction, batch, event, now);
  }
  const explained = new Set(draft.coins.map(coinKey));
  for (const other of await openIncidents(transaction)) {
    if (other.kind !== foreign_spend || other.id === incident.id) continue;
    const coinbases = await coinbaseOfBlocks(transaction, new Set([other.subject]));
    if (!explained.has(other.subject) && !draft.coins.some(({ txid }) => coinbases.has(txid))) continue;
    await resolveIncident(transaction, other.id, `${why}, which spends this coin as well.`, now);
  }
}
