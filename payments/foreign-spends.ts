// One move: is a coin of the pool (an output of its coinbases, or the change of a payout) spent by a
// transaction that the ledger does not know? Then the database was restored from an older copy, or
// somebody else pays from this wallet, and paying by this ledger could pay twice. An incident for each
// stops paying until a person has looked. In order: ask the wallet for its coins, then the ledger for
// the coins that its payouts have left (so a spend of ours is always found there), then the node about each coin that
// neither names. A coin that the chain still has, but an unknown transaction of the wallet wants to spend (the node
// has forgotten it, and may be given it again), counts as spent. A silent node accuses nobody.
import type { Knex } from 'knex';
import type { UnspentOutput } from '../shared/bitcoind/node.js';
import { timeText } from '../shared/database/database.js';
import { blockHeight, type BlockHash, type TransactionId } from '../shared/units.js';
import { conflictedCoins, foreign_spend } from './acknowledged.js';
import { poolScript } from './chain-view.js';
import type { PaymentsContext } from './context.js';
import { coinKey } from './core/coin-choice.js';
import { blocksWithCoins, type FactCoinbase } from './edges/facts.js';
import { incidentSubjects, raiseIncident } from './edges/incident-store.js';
import { coinsOfTheLedger, knownTransaction, unspentChange } from './edges/transaction-store.js';

/** Consensus lets nobody spend a coinbase earlier. */
const coinbase_depth = 100;
/** Incidents raised in one transaction. */
const raised_at_once = 100;

export interface ForeignSpend {
  /** What an incident about it is called: the block's hash, or txid:index of a change output. */
  readonly subject: string;
  /** The coin, as the beginning of a sentence. */
  readonly coin: string;
}

/** Raises what is new in one transaction. */
export async function watchForeignSpends(context: PaymentsContext): Promise<'progress' | 'idle'> {
  const { database, lease, clock, log } = context;
  const raised = await incidentSubjects(database.knex, foreign_spend);
  const spends = await foreignSpends(context, raised, raised_at_once);
  if (spends.length === 0) return 'idle';
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    for (const spend of spends) {
      await raiseIncident(transaction, {
        kind: foreign_spend,
        subject: spend.subject,
        stops_paying: true,
        detail: sentence(spend),
        raised_at: timeText(clock.now_ms()),
      });
    }
  });
  for (const spend of spends) log.error(sentence(spend), { subject: spend.subject });
  return 'progress';
}

/** Coins of the pool that are spent, and not by the ledger; subjects in `except` are left out. */
export async function foreignSpends(
  context: PaymentsContext, except: ReadonlySet<string>, limit: number,
): Promise<ForeignSpend[]> {
  const { config, database: { knex }, node } = context;
  const { tip_height } = await node.chainInfo();
  if (tip_height < coinbase_depth) return [];
  const coins = await node.walletCoins();
  const blocks = await blocksWithCoins(knex, blockHeight(tip_height - coinbase_depth));
  const changes = await unspentChange(knex);
  const spent_by_us = await explainedCoins(knex, [...blocks.map(({ coinbase_txid }) => coinbase_txid), ...changes.map(({ txid }) => txid)]);
  const pool_script = await poolScript(node, config);

  const accounted = amountsByTransaction([
    ...coins.filter(({ script }) => script === pool_script),
    ...spent_by_us.values(),
  ]);
  const unspent = new Set(coins.map(coinKey));
  const isClaimed = claimsOfTheWallet(context);
  const found: ForeignSpend[] = [];
  for (const block of blocks) {
    if (found.length >= limit) return found;
    if (except.has(block.hash) || (accounted.get(block.coinbase_txid) ?? 0n) >= block.reward_sats) continue;
    const index = await spentOutput(node, block, pool_script, spent_by_us, isClaimed);
    if (index === null) continue;
    const coin = `The coinbase of block ${block.height} (${coinKey({ txid: block.coinbase_txid, index })})`;
    found.push({ subject: block.hash, coin });
  }
  for (const change of changes) {
    const key = coinKey(change);
    if (found.length >= limit) return found;
    if (
      except.has(key)
      || unspent.has(key)
      || spent_by_us.has(key)
      || !(await isSpentChange(node, change, isClaimed))
    ) {
      continue;
    }
    found.push({ subject: key, coin: `The change of a payout (${key})` });
  }
  return found;
}

/** Is it spent by a transaction of the wallet that is in no block and that the ledger does not know? Asked once. */
function claimsOfTheWallet({ database: { knex }, node }: PaymentsContext): (key: string) => Promise<boolean> {
  const read = async (): Promise<Set<string>> => {
    const claimed = new Set<string>();
    for (const { txid, confirmations, raw_hex } of await node.walletSpends(null)) {
      if (confirmations !== 0 || await knownTransaction(knex, txid)) continue;
      for (const input of (await node.decode(raw_hex)).inputs) claimed.add(coinKey(input));
    }
    return claimed;
  };
  let claims: Promise<Set<string>> | null = null;
  return async (key) => (await (claims ??= read())).has(key);
}

/** Of these transactions coins of live payouts, and those whose loss to somebody else was told with a payout that was released. */
async function explainedCoins(knex: Knex, txids: readonly string[]): ReturnType<typeof coinsOfTheLedger> {
  const conflicted = await conflictedCoins(knex);
  const coins = await coinsOfTheLedger(knex, txids);
  return new Map([...coins].filter(([key, { live }]) => live || conflicted.has(key)));
}

function amountsByTransaction(
  coins: readonly Pick<UnspentOutput, 'txid' | 'amount'>[],
): Map<TransactionId, bigint> {
  const amounts = new Map<TransactionId, bigint>();
  for (const { txid, amount } of coins) amounts.set(txid, (amounts.get(txid) ?? 0n) + amount);
  return amounts;
}

/** Only while the block is in the active chain does an output that is not there mean that it is spent. */
async function spentOutput(
  node: PaymentsContext['node'],
  block: FactCoinbase,
  pool_script: string,
  spent_by_us: ReadonlyMap<string, unknown>,
  isClaimed: (key: string) => Promise<boolean>,
): Promise<number | null> {
  const inChain = async (): Promise<boolean> => (await node.blockHashAt(block.height)) === block.hash;
  if (!(await inChain())) return null;
  const content = await node.blockWithCoinbase(block.hash);
  for (const { index, script, amount } of content?.coinbase_outputs ?? []) {
    const key = coinKey({ txid: block.coinbase_txid, index });
    if (script !== pool_script || amount === 0n || spent_by_us.has(key)) continue;
    if ((await node.unspentOutput(block.coinbase_txid, index, true)) !== null && !(await isClaimed(key))) continue;
    return (await inChain()) ? index : null;
  }
  return null;
}

/**
 * Its transaction stands in the same block of the active chain before and after the output is not found; or the wallet
 * knows who wants to spend it, wherever its own transaction is now.
 */
async function isSpentChange(
  node: PaymentsContext['node'],
  { txid, index }: { readonly txid: TransactionId; readonly index: number },
  isClaimed: (key: string) => Promise<boolean>,
): Promise<boolean> {
  const blockOf = async (): Promise<BlockHash | null> => {
    const known = await node.walletTransaction(txid);
    return known && known.confirmations > 0 ? known.block_hash : null;
  };
  if (await isClaimed(coinKey({ txid, index }))) return true;
  const block = await blockOf();
  if (block === null || (await node.unspentOutput(txid, index, true)) !== null) return false;
  return (await blockOf()) === block;
}

const sentence = ({ coin }: ForeignSpend): string =>
  `${coin} was spent by a transaction that this ledger does not know: `
  + 'the database was restored from an older copy, or '
  + 'something else pays from this wallet. '
  + 'Nothing is paid until an operator has looked and resolved this incident.';
