// An operator's word after an older database was restored: the transaction that spent a coin of the pool is a
// payout which the ledger has lost, and is booked as one. Read and judged here; what is written (a batch that is
// broadcast, with payouts, coins and the very bytes) commits with the word itself, and is then followed into the
// chain like any other. So is the transaction that paid the users of a held batch in the place of its own, which is
// dead; that batch is given up with it. It only ever lowers what is owed; it signs and sends nothing. Whatever
// does not add up is refused: a coin that is not the ledger's, a payee whom it does not owe so much.
import type { Knex } from 'knex';
import { formatCoins } from '../../shared/amount.js';
import type { DecodedTransaction } from '../../shared/bitcoind/node.js';
import { timeText } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';
import { blockHash, satoshis, type Satoshis, type TransactionId } from '../../shared/units.js';
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
  changeOutputs, creditedCoinbases, freeCoins, knownTransaction, promisedCoins, roundOfCoinbase, storeTransaction,
  type PayoutTransaction,
} from '../edges/transaction-store.js';
import { readSent } from './broadcast.js';
import { rivalThatPaysUsers } from './sightings.js';

export type BookDecision =
  | { readonly refused: string }
  | {
    readonly detail: string;
    /** Is nothing left of the incident? Else it stays open. */
    readonly closes: boolean;
    /** Inside the transaction of the operator's word, after the fence; closes other incidents of which nothing is left. */
    readonly write: (transaction: Knex.Transaction) => Promise<void>;
  };

interface Spend {
  readonly txid: TransactionId;
  readonly raw_hex: string;
  readonly confirmations: number;
  readonly decoded: DecodedTransaction;
}

export async function bookLostPayout(context: PaymentsContext, incident: Incident): Promise<BookDecision> {
  const unknown = await spendsUnknownToTheLedger(context);
  const coinbases = await coinbaseOfBlocks(context.database.knex, new Set([incident.subject]));
  const about = unknown.filter(({ decoded }) =>
    decoded.inputs.some((input) => coinbases.has(input.txid) || coinKey(input) === incident.subject));
  const confirmed = about.filter(({ confirmations }) => confirmations > 0)
    .sort((a, b) => b.confirmations - a.confirmations);
  if (about.length === 0) {
    return refuse('The wallet knows no transaction that spends this coin and that the ledger does not know, so there is nothing to book.');
  }
  if (confirmed.length === 0 && about.length > 1) {
    return refuse(
      `${about.map(({ txid }) => txid).join(' and ')} spend this coin and none is in a block, so nobody knows which one `
        + 'pays: ask again when one of them is.',
    );
  }
  let refused: BookDecision | null = null;
  for (const spend of confirmed.length > 0 ? confirmed : about) {
    const decision = await bookSpend(context, incident, spend, unknown);
    if (!('refused' in decision)) return decision;
    refused ??= decision;
  }
  invariant(refused, 'A transaction was neither booked nor refused.');
  return refused;
}

/**
 * A held batch whose coins pay its users in another transaction (other signatures, another fee), buried so deep that
 * its own is dead: that one is booked, and the batch given up, in one transaction.
 */
export async function bookInsteadOf(context: PaymentsContext, incident: Incident, batch: Batch): Promise<BookDecision> {
  const { payout_confirmations } = context.config;
  const { stored } = await readSent(context, batch);
  const rival = await rivalThatPaysUsers(context, stored);
  if (!rival) return refuse(`No other transaction pays users of batch ${batch.id} from its coins, so there is nothing to book.`);
  const { txid, confirmations } = rival;
  if (confirmations < payout_confirmations) {
    return refuse(`Transaction ${txid} has ${confirmations} of ${payout_confirmations} confirmations: ask again when it has them.`);
  }
  const unknown = await spendsUnknownToTheLedger(context);
  const spend = unknown.find((one) => one.txid === txid);
  if (!spend) return refuse(`Transaction ${txid} is a payout of this ledger already.`);
  return bookSpend(context, incident, spend, unknown, { batch, stored, payouts: await payoutsOf(context.database.knex, batch.id) });
}

async function bookSpend(
  context: PaymentsContext, incident: Incident, spend: Spend, unknown: readonly Spend[], dead: Dead | null = null,
): Promise<BookDecision> {
  const { config, database: { knex }, node } = context;
  const about = `Transaction ${spend.txid}`;
  const [signed] = await batchesIn(knex, ['prepared']);
  if (signed) return refuse(`Batch ${signed.id} is signed and not accepted yet: decide about it first.`);

  const coins: Coin[] = [];
  const freed = new Set(dead?.stored.inputs.map(coinKey));
  const promised = await promisedCoins(knex);
  for (const input of spend.decoded.inputs) {
    if (promised.has(coinKey(input)) && !freed.has(coinKey(input))) {
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
  const given_up = [...(await unsignedPayouts(knex)), ...(dead ? [dead] : [])];
  const terms = { pool_script: await poolScript(node, config), network_fee_from: config.network_fee_from };
  const booking = bookingOf({ coins, outputs: spend.decoded.outputs }, await owedWith(knex, given_up), terms);
  if ('refused' in booking) return refuse(`${about} is no payout that this ledger could have made. ${booking.refused}`);
  const { draft } = booking;
  const explained = await explainedIncidents(context, draft, unknown.filter(({ txid }) => txid !== spend.txid));
  const closes = dead !== null || explained.has(incident.id);
  return {
    closes,
    detail:
      `${about} is booked as a payout of this ledger: ${draft.outputs.length} outputs, `
      + `${formatCoins(draft.planned_sats)} with the network fee.`
      + (closes ? '' : ' The incident stays open, because something else has spent from the same coinbase: book that too.'),
    write: (transaction) => write(context, transaction, { spend, draft, given_up, others: without(explained, incident.id) }),
  };
}

const refuse = (refused: string): BookDecision => ({ refused });

const without = (ids: ReadonlySet<number>, id: number): Set<number> => new Set([...ids].filter((one) => one !== id));

/** Of the wallet's transactions those in a block or perhaps on their way into one. */
async function spendsUnknownToTheLedger({ database: { knex }, node }: PaymentsContext): Promise<Spend[]> {
  const found: Spend[] = [];
  for (const { txid, raw_hex, confirmations } of await node.walletSpends(null)) {
    if (confirmations < 0 || await knownTransaction(knex, txid)) continue;
    found.push({ txid, raw_hex, confirmations, decoded: await node.decode(raw_hex) });
  }
  return found;
}

/** Ids of the open incidents about coins of this payout that have no other transaction to tell of. */
async function explainedIncidents(
  context: PaymentsContext, { coins }: Draft, others: readonly Spend[],
): Promise<Set<number>> {
  const { knex } = context.database;
  const booked = new Set(coins.map(coinKey));
  const spent_by_us = new Set([...await promisedCoins(knex), ...booked]);
  const claimed = new Set(others.flatMap(({ decoded }) => decoded.inputs.map(coinKey)));
  const found = new Set<number>();
  for (const { id, kind, subject } of await openIncidents(knex)) {
    if (kind !== foreign_spend) continue;
    const [coinbase] = await coinbaseOfBlocks(knex, new Set([subject]));
    const explained = coinbase === undefined ? booked.has(subject)
      : coins.some(({ txid }) => txid === coinbase) && await isAccountedFor(context, subject, { spent_by_us, claimed });
    if (explained) found.add(id);
  }
  return found;
}

/** Each coin that a coinbase gave the pool is spent by the ledger, or the node has it and no other transaction wants it. */
async function isAccountedFor(
  { config, node }: PaymentsContext, hash: string,
  { spent_by_us, claimed }: Readonly<Record<'spent_by_us' | 'claimed', ReadonlySet<string>>>,
): Promise<boolean> {
  const block = await node.blockWithCoinbase(blockHash(hash));
  const pool_script = await poolScript(node, config);
  if (!block) return false;
  for (const { index, script, amount } of block.coinbase_outputs) {
    const coin = { txid: block.coinbase_txid, index };
    if (script !== pool_script || amount === 0n || spent_by_us.has(coinKey(coin))) continue;
    if (claimed.has(coinKey(coin)) || (await node.unspentOutput(coin.txid, index, true)) === null) return false;
  }
  return true;
}

/** null when the ledger does not know it as the pool's. */
async function amountOfOwnCoin(
  { config, database: { knex }, node }: PaymentsContext, coin: { readonly txid: TransactionId; readonly index: number },
): Promise<Satoshis | null> {
  const change = (await changeOutputs(knex)).find((one) => coinKey(one) === coinKey(coin));
  if (change) return change.amount;
  if (!(await creditedCoinbases(knex, [coin.txid])).has(coin.txid)) return null;
  const round = await roundOfCoinbase(knex, coin.txid);
  const block = round && await node.blockWithCoinbase(round.block_hash);
  const script = await poolScript(node, config);
  return block?.coinbase_outputs.find((output) => output.index === coin.index && output.script === script)?.amount ?? null;
}

interface GivenUp {
  readonly batch: Batch;
  readonly payouts: readonly Payout[];
  /** What was signed for it, if anything was, and never confirms. */
  readonly stored?: PayoutTransaction;
}
type Dead = Required<GivenUp>;

/** What is promised and not signed is given back first: the lost payout may be the very one that was planned. */
async function unsignedPayouts(knex: Knex): Promise<GivenUp[]> {
  const found: GivenUp[] = [];
  for (const batch of await batchesIn(knex, ['planned'])) found.push({ batch, payouts: await payoutsOf(knex, batch.id) });
  return found;
}

async function owedWith(knex: Knex, given_up: readonly GivenUp[]): Promise<Payee[]> {
  const addresses = await payoutAddresses(knex);
  const promised = given_up.flatMap(({ payouts }) => payouts);
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
  { spend, draft, given_up, others }: { spend: Spend; draft: Draft; given_up: readonly GivenUp[]; others: ReadonlySet<number> },
): Promise<void> {
  const now = timeText(clock.now_ms());
  const why = `the lost payout ${spend.txid} is booked`;
  for (const { batch, payouts, stored } of given_up) {
    await releasePayouts(transaction, batch, payouts, [], why, now);
    if (stored) await freeCoins(transaction, stored);
  }
  const batch_id = await reserveBatch(transaction, draft.outputs, config.network_fee_from, now, 'part of the balance');
  await storeTransaction(transaction, batch_id, spend, draft, await payoutsOf(transaction, batch_id), now);
  for (const event of ['prepare', 'accept'] as const) {
    const batch = await batchById(transaction, batch_id);
    invariant(batch, `Batch ${batch_id} is not there although it was just written.`);
    await changeState(transaction, batch, event, now);
  }
  for (const { id } of await openIncidents(transaction)) {
    if (others.has(id)) await resolveIncident(transaction, id, `${why}, which spends this coin as well.`, now);
  }
}
