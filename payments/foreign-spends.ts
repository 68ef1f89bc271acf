// One move: is a coinbase of the pool spent by a transaction that the ledger does not know? Then the database
// was restored from an older copy, or somebody else pays from this wallet, and paying by this ledger could pay
// twice. An incident stops paying until a person has looked. In order: ask the wallet for its coins, then the
// ledger for the coins it has spent (so a spend of ours is always found there), then the node about each coin
// that neither names. A silent node accuses nobody.
import { timeText } from '../shared/database/database.js';
import { blockHeight } from '../shared/units.js';
import { poolScript } from './chain-view.js';
import type { PaymentsContext } from './context.js';
import { knownCoinbases, matureBlocks, type FactBlock } from './edges/facts.js';
import { incidentSubjects, raiseIncident } from './edges/incident-store.js';

/** Consensus lets nobody spend a coinbase earlier. */
const coinbase_depth = 100;
const kind = 'foreign_spend';

export interface ForeignSpend {
  readonly block: FactBlock;
  readonly output_index: number;
}

/** Raises one incident at most for each call. */
export async function watchForeignSpends(context: PaymentsContext): Promise<'progress' | 'idle'> {
  const raised = await incidentSubjects(context.database.knex, kind);
  const [spend] = await foreignSpends(context, raised, 1);
  if (!spend) return 'idle';
  const { database, lease, clock, log } = context;
  const detail = sentence(spend);
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await raiseIncident(transaction, {
      kind, subject: spend.block.hash, stops_paying: true, detail, raised_at: timeText(clock.now_ms()),
    });
  });
  log.error(detail, { height: spend.block.height });
  return 'progress';
}

/** Own mature coinbases that are spent and not by the ledger; blocks in `except` (hashes) are left out. */
export async function foreignSpends(
  { config, database, node }: PaymentsContext, except: ReadonlySet<string>, limit: number,
): Promise<ForeignSpend[]> {
  const { tip_height } = await node.chainInfo();
  if (tip_height < coinbase_depth) return [];
  const unspent = new Set((await node.walletCoins()).map(({ txid }) => txid));
  const blocks = await matureBlocks(database.knex, blockHeight(tip_height - coinbase_depth));
  const spent_by_us = await knownCoinbases(database.knex);
  const doubtful = blocks.filter(({ hash, coinbase_txid }) =>
    !except.has(hash) && !unspent.has(coinbase_txid) && !spent_by_us.has(coinbase_txid));
  if (doubtful.length === 0) return [];
  const pool_script = await poolScript(node, config.pool_address);
  const found: ForeignSpend[] = [];
  for (const block of doubtful) {
    if (found.length >= limit) break;
    if ((await node.blockHashAt(block.height)) !== block.hash) continue;
    const output_index = await spentOutput(node, block, pool_script);
    if (output_index !== null) found.push({ block, output_index });
  }
  return found;
}

async function spentOutput(node: PaymentsContext['node'], block: FactBlock, pool_script: string): Promise<number | null> {
  const content = await node.blockWithCoinbase(block.hash);
  for (const { index, script, amount } of content?.coinbase_outputs ?? []) {
    if (script !== pool_script || amount === 0n) continue;
    if ((await node.unspentOutput(block.coinbase_txid, index, true)) === null) return index;
  }
  return null;
}

const sentence = ({ block, output_index }: ForeignSpend): string =>
  `The coinbase of block ${block.height} (${block.coinbase_txid}:${output_index}) was spent by a transaction that this ledger does `
  + 'not know: the database was restored from an older copy, or something else pays from this wallet. Nothing is paid until an '
  + 'operator has looked and resolved this incident.';
