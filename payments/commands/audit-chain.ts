// The checks of `audit` that ask the node: blocks, coinbases and coins against the ledger. Reads only. The
// ledger is read before the chain, so a payout sent in between can differ once; `audit` looks again.
import { formatCoins } from '../../shared/amount.js';
import type { TransactionOutput } from '../../shared/bitcoind/node.js';
import { satoshis } from '../../shared/units.js';
import { poolScript, readCoinbase, standingOf } from '../chain-view.js';
import { acknowledgedSpends } from '../acknowledged.js';
import type { AuditCheck, PaymentsContext } from '../context.js';
import { batchesIn } from '../edges/batch-store.js';
import { accountBalances } from '../edges/ledger-store.js';
import { allRounds, type Round } from '../edges/round-store.js';
import { allTransactions, type PayoutTransaction } from '../edges/transaction-store.js';
import { foreignSpends } from '../foreign-spends.js';
import { verdict } from './audit-checks.js';

type Finding = Promise<{ ok: boolean; detail: string }>;
const credited = (rounds: readonly Round[]): Round[] => rounds.filter(({ state }) => state === 'credited');

async function blocksStandWhereTheLedgerSays({ database, node }: PaymentsContext): Finding {
  const rounds = await allRounds(database.knex);
  const violations: string[] = [];
  for (const round of rounds) {
    const standing = await standingOf(node, { hash: round.block_hash, height: round.height });
    const agrees = round.state === 'credited' ? standing === 'in_chain' : standing === 'replaced';
    if (agrees) continue;
    violations.push(
      `block ${round.height} ${round.block_hash} is ${round.state}, `
        + `for the node it is ${standing.replace('_', ' ')}`,
    );
  }
  const count = credited(rounds).length;
  return verdict(violations, standingText(count, rounds.length - count));
}

/** How many credited blocks are in the active chain, and how many orphaned and lost ones are not. */
function standingText(in_chain: number, outside: number): string {
  const inside = `${in_chain} credited ${in_chain === 1 ? 'block is' : 'blocks are'} in the active chain`;
  if (outside === 0) return inside;
  return `${inside}, ${outside} ${outside === 1 ? 'other is' : 'others are'} not`;
}

async function rewardsEqualTheCoinbases({ config, database, node }: PaymentsContext): Finding {
  const script = await poolScript(node, config);
  const rounds = credited(await allRounds(database.knex));
  const violations: string[] = [];
  let total = 0n;
  for (const round of rounds) {
    const coinbase = await readCoinbase(node, round.block_hash, script);
    total += coinbase?.reward_sats ?? 0n;
    if (coinbase?.reward_sats === round.reward_sats && coinbase.txid === round.coinbase_txid) continue;
    const pays = coinbase ? formatCoins(coinbase.reward_sats) : 'an unknown amount';
    violations.push(
      `block ${round.height} pays the pool ${pays}, the round says ${formatCoins(round.reward_sats)}`,
    );
  }
  const { coinbase } = await accountBalances(database.knex);
  if (total + coinbase !== 0n) {
    const taken = formatCoins(satoshis(0n - coinbase));
    violations.push(`the ledger has taken in ${taken}, the chain has paid ${formatCoins(satoshis(total))}`);
  }
  return verdict(
    violations,
    `${rounds.length} coinbases pay ${formatCoins(satoshis(total))}, as the ledger says`,
  );
}

/**
 * Every satoshi that came in and has not gone out is there, as a coin that is unspent in chain and mempool.
 */
async function coinsEqualTheLedger(context: PaymentsContext): Finding {
  const { database: { knex } } = context;
  const dead = new Set((await batchesIn(knex, ['released'])).map(({ id }) => id));
  const final = new Set((await batchesIn(knex, ['final'])).map(({ id }) => id));
  const accounts = await accountBalances(knex);
  const rounds = credited(await allRounds(knex));
  const transactions = (await allTransactions(knex)).filter(({ batch_id }) => !dead.has(batch_id));

  const spent = new Set<string>();
  const change: { txid: string; output: TransactionOutput }[] = [];
  let under_way = 0n;
  for (const stored of transactions) {
    if (!final.has(stored.batch_id) && !(await isOnItsWay(context, stored))) continue;
    for (const { txid, index } of stored.inputs) spent.add(`${txid}:${index}`);
    if (stored.change) change.push({ txid: stored.txid, output: { ...stored.change, script: '' } });
    if (!final.has(stored.batch_id)) {
      under_way += sum(stored.inputs.map(({ amount }) => amount)) - (stored.change?.amount ?? 0n);
    }
  }
  const acknowledged = await acknowledgedSpends(knex);
  const violations: string[] = [];
  let found = 0n;
  let gone = 0n;
  for (const { txid, output, what } of await ownOutputs(context, rounds, change)) {
    if (spent.has(`${txid}:${output.index}`)) continue;
    const coin = await context.node.unspentOutput(txid as PayoutTransaction['txid'], output.index, true);
    found += coin?.amount ?? 0n;
    if (coin) continue;
    if (acknowledged.has({ txid, index: output.index })) {
      gone += output.amount;
    } else {
      violations.push(
        `${what} (${txid}:${output.index}, `
          + `${formatCoins(output.amount)}) is not unspent, and no payout spends it`,
      );
    }
  }
  const expected = 0n - accounts.coinbase - accounts.paid - accounts.network_fee - under_way - gone;
  if (found !== expected) {
    violations.push(
      `the pool's coins sum to ${formatCoins(satoshis(found))}, `
        + `the ledger says ${formatCoins(satoshis(expected))}`,
    );
  }
  const missing =
    gone === 0n
      ? ''
      : `; ${formatCoins(satoshis(gone))} was spent by others, as an operator has acknowledged`;
  return verdict(
    violations,
    `the pool's coins sum to ${formatCoins(satoshis(found))}, as the ledger says${missing}`,
  );
}

/** Its inputs are spent: it is in the mempool or the chain. */
async function isOnItsWay({ node }: PaymentsContext, { inputs }: PayoutTransaction): Promise<boolean> {
  const [first] = inputs;
  return first !== undefined && (await node.unspentOutput(first.txid, first.index, true)) === null;
}

async function ownOutputs(
  { config, node }: PaymentsContext,
  rounds: readonly Round[],
  change: readonly { txid: string; output: TransactionOutput }[],
): Promise<{ txid: string; output: TransactionOutput; what: string }[]> {
  const script = await poolScript(node, config);
  const outputs = change.map((one) => ({ ...one, what: 'change' }));
  for (const round of rounds) {
    const block = await node.blockWithCoinbase(round.block_hash);
    for (const output of block?.coinbase_outputs ?? []) {
      if (output.script !== script || output.amount === 0n) continue;
      outputs.push({ txid: round.coinbase_txid, output, what: `the coinbase of block ${round.height}` });
    }
  }
  return outputs;
}

async function noForeignSpends(context: PaymentsContext): Finding {
  const { count, subjects } = await acknowledgedSpends(context.database.knex);
  const spends = await foreignSpends(context, subjects, Infinity);
  return verdict(
    spends.map(({ coin }) => `${coin} was spent by a stranger to the ledger`),
    `no ${count === 0 ? '' : 'further '}coin of the pool `
      + 'is spent by a transaction that the ledger does not know'
      + (count === 0 ? '' : `; ${count} such spends were acknowledged by an operator`),
  );
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);

export const chainChecks: readonly AuditCheck[] = [
  { name: 'blocks stand in the chain as the ledger says', run: blocksStandWhereTheLedgerSays },
  { name: 'rewards equal what the coinbases paid', run: rewardsEqualTheCoinbases },
  { name: 'the pool\'s coins equal what the ledger says', run: coinsEqualTheLedger },
  { name: 'nobody else spends the pool\'s coins', run: noForeignSpends },
];
