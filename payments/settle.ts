// One move: decide one block. In order: find the lowest block without a round, look whether it is due, read what
// accounting has said of it up to then and where it stands in the active chain, read its coinbase from the node,
// then write round, ledger event and state in one transaction that begins with the fence. Dying anywhere before
// the commit leaves nothing; after it the block is decided, and the unique keys of rounds and ledger refuse a
// second time.
// It never believes a node that is silent or catching up, never skips a block, and never settles disputed work
// or a block whose counts accounting has still to decide.
import type { Knex } from 'knex';
import type { ChainInfo } from '../shared/bitcoind/node.js';
import { timeText } from '../shared/database/database.js';
import type { BlockHash } from '../shared/units.js';
import {
  lookAtChain, poolScript, readCoinbase, requireSameChain, standingOf, type CoinbaseReading,
  type Look,
} from './chain-view.js';
import type { PaymentsContext } from './context.js';
import { countsUndecided, notDueBecause } from './core/block-state.js';
import { settleEntries } from './core/ledger.js';
import type { Cut } from './core/round.js';
import { factBlock, openDisputes, undecidedBlocks, type FactBlock } from './edges/facts.js';
import { incidentAbout, raiseIncident, resolveIncident } from './edges/incident-store.js';
import { postEvent } from './edges/ledger-store.js';
import { creditOrphan, nextRoundStart, recordRound, roundOfBlock } from './edges/round-store.js';
import { cutForBlock, divideReward, orphanDecision } from './settlement.js';

/** What a decision came to: done, or the sentence why the block has to wait. */
type Outcome = { readonly done: string } | { readonly raised: string } | { readonly waits: string };

/** Decides the lowest undecided block. */
export async function settle(context: PaymentsContext, begun_at?: ChainInfo): Promise<'progress' | 'idle'> {
  const [block] = await undecidedBlocks(context.database.knex, 1);
  if (!block) {
    context.waits.because('settle', null);
    return 'idle';
  }
  const immature = begun_at && immatureAt(begun_at, block, context.config.maturity);
  return report(context, 'settle', block, immature ?? await decide(context, block));
}

/** Mostly a block has not matured since the pass began: nothing need be asked for it. null: it may be due. */
function immatureAt({ tip_height, synced }: ChainInfo, { height }: FactBlock, maturity: number): Outcome | null {
  const because = notDueBecause(height, maturity, { tip_height, synced, complete_height: height, complete_in_chain: true });
  return because === null ? null : { waits: because };
}

/** The sentence why the lowest undecided block is not settled now; null when there is none or it is due. */
export async function whySettlingWaits({ config, database, node }: PaymentsContext): Promise<string | null> {
  const { view } = await lookAtChain(node, database);
  const [block] = await undecidedBlocks(database.knex, 1);
  if (!block) return null;
  const because = notDueBecause(block.height, config.maturity, view)
    ?? (block.counts_undecided ? countsUndecided(block.height) : await disputeOf(database.knex, block));
  return because === null ? null : waiting(block, because);
}

async function disputeOf(knex: Knex, block: FactBlock): Promise<string | null> {
  const { cut_from, cut_to } = cutForBlock(block.place, await nextRoundStart(knex), false);
  return disputed(await openDisputes(knex, cut_from, cut_to));
}

/** What is disputed in the round of an undecided block; null when nothing is. */
export async function disputedNow(
  { database: { knex } }: Pick<PaymentsContext, 'database'>,
  hash: string,
): Promise<string | null> {
  const block = (await undecidedBlocks(knex)).find((one) => one.hash === hash);
  return block ? disputeOf(knex, block) : null;
}

const disputed = (snapshots: readonly number[]): string | null =>
  snapshots.length === 0 ? null : `share counts of its round are disputed (snapshot ${snapshots.join(', ')})`;

const waiting = (block: FactBlock, because: string): string =>
  `Settling waits at block ${block.height}: ${because}.`;

/** A block that was orphaned and is in the active chain again: it is credited, with an empty round. */
export async function settleReturned(
  context: PaymentsContext,
  hash: BlockHash,
): Promise<'progress' | 'idle'> {
  const block = await factBlock(context.database.knex, hash);
  if (!block) return 'idle';
  return report(context, 'settle a returned block', block, await decide(context, block));
}

function report(
  { waits, log }: PaymentsContext,
  move: string,
  block: FactBlock,
  outcome: Outcome,
): 'progress' | 'idle' {
  if ('done' in outcome) {
    waits.because(move, null);
    log.info(outcome.done, { height: block.height, hash: block.hash });
    return 'progress';
  }
  if ('raised' in outcome) {
    log.warn(outcome.raised, { height: block.height, hash: block.hash });
    return 'progress';
  }
  waits.because(move, waiting(block, outcome.waits));
  return 'idle';
}

async function decide(context: PaymentsContext, found: FactBlock): Promise<Outcome> {
  const { config, database, node } = context;
  const look = await lookAtChain(node, database);
  const because = notDueBecause(found.height, config.maturity, look.view);
  if (because !== null) return { waits: because };
  // Read after the look: what accounting wrote before it said that it is complete up to here is in it.
  const block = await factBlock(database.knex, found.hash) ?? found;
  const round = await roundOfBlock(database.knex, block.hash);
  // A block that was orphaned takes no work any more, whatever its counts come to.
  if (block.counts_undecided && round === null) return { waits: countsUndecided(block.height) };

  const standing = await standingOf(node, block);
  if (standing === 'unknown') return { waits: 'the node names no block at its height' };
  if (standing === 'replaced') {
    await requireSameChain(node, look);
    return orphan(context, block, look);
  }
  const coinbase = await readCoinbase(node, block.hash, await poolScript(node, config));
  if (!coinbase) return { waits: 'the node does not have the content of this block (is it pruned?)' };
  await requireSameChain(node, look);
  return credit(context, block, coinbase, look);
}

async function orphan(
  { config, database, lease, clock }: PaymentsContext,
  block: FactBlock,
  look: Look,
): Promise<Outcome> {
  return database.transaction(async (transaction) => {
    await lease.fence(transaction);
    if (await roundOfBlock(transaction, block.hash)) return { waits: 'it was decided already' };
    const start = await nextRoundStart(transaction);
    await recordRound(transaction, orphanDecision(block, start, look, config, timeText(clock.now_ms())));
    return {
      done:
        `Block ${block.height} is orphaned: `
        + 'another block stands at its height. Its work goes to the next round.',
    };
  });
}

async function credit(
  context: PaymentsContext, block: FactBlock, coinbase: CoinbaseReading, look: Look,
): Promise<Outcome> {
  const { config, database, lease, clock } = context;
  const settled_at = timeText(clock.now_ms());
  return database.transaction(async (transaction) => {
    await lease.fence(transaction);
    const known = await roundOfBlock(transaction, block.hash);
    if (known && known.state !== 'orphaned') return { waits: 'it was decided already' };
    const doubt = await doubtAboutCoinbase(transaction, block, coinbase, settled_at);
    if (doubt) return doubt;

    const start = await nextRoundStart(transaction);
    const cut = cutForBlock(block.place, start, known !== null || coinbase.reward_sats === 0n);
    const dispute = await openDispute(transaction, block, cut, settled_at);
    if (dispute) return dispute;

    const { decision, credits } = await divideReward(transaction, {
      block,
      coinbase,
      cut,
      look,
      config,
      settled_at,
    });
    const round_id = known ? known.id : await recordRound(transaction, decision);
    if (known) await creditOrphan(transaction, known.id, decision);
    await postEvent(transaction, {
      kind: 'settle', cause: `settle:${block.hash}`, round_id, batch_id: null, occurred_at: settled_at,
      detail: `block ${block.height}: ${credits.length} users, ${decision.round_shares} shares`,
      entries: settleEntries({ ...decision, credits }),
    });
    return {
      done: creditedSentence(block, credits.length, decision.round_shares > 0n),
    };
  });
}

function creditedSentence({ height }: FactBlock, users: number, has_work: boolean): string {
  if (users > 0) return `Block ${height} is credited to ${users} users.`;
  if (has_work) return `Block ${height} is settled and leaves nothing to divide after the pool fee.`;
  return `Block ${height} has an empty round: its reward is carried to the next round with work.`;
}

/** Two readings of one coinbase must agree. An operator's word says that the chain's is to be taken. */
async function doubtAboutCoinbase(
  transaction: Knex.Transaction, block: FactBlock, coinbase: CoinbaseReading, raised_at: string,
): Promise<Outcome | null> {
  if (coinbase.txid === block.coinbase_txid && coinbase.reward_sats === block.reward_sats) return null;
  const detail =
    `Block ${block.height} ${block.hash}: accounting recorded coinbase ${block.coinbase_txid} with `
    + `${block.reward_sats} satoshis for the pool, `
    + `the node says ${coinbase.txid} with ${coinbase.reward_sats}. `
    + 'Resolving this incident settles the block by what the node says.';
  const state = await raiseIncident(transaction, {
    kind: 'coinbase_mismatch', subject: block.hash, stops_paying: true, detail, raised_at,
  });
  if (state === 'resolved') return null;
  return state === 'raised'
    ? { raised: detail }
    : { waits: 'accounting and the node disagree about its coinbase (see incidents)' };
}

/** Disputed counts wait for accounting's word; the incident closes itself when that has come. */
async function openDispute(
  transaction: Knex.Transaction, block: FactBlock, cut: Cut, now: string,
): Promise<Outcome | null> {
  const snapshots = await openDisputes(transaction, cut.cut_from, cut.cut_to);
  const about = { kind: 'disputed_counts', subject: block.hash };
  const because = disputed(snapshots);
  if (because === null) {
    const known = await incidentAbout(transaction, about.kind, about.subject);
    if (known?.state === 'open') {
      await resolveIncident(transaction, known.id, 'the disputed counts were decided', now);
    }
    return null;
  }
  const detail =
    `The round of block ${block.height} holds disputed `
    + `share counts (snapshot ${snapshots.join(', ')}). `
    + 'Share logs or `obtc-accounting resolve <snapshot>` decide them; '
    + 'until then this block and later ones are not settled.';
  const state = await raiseIncident(transaction, { ...about, stops_paying: false, detail, raised_at: now });
  return state === 'raised' ? { raised: detail } : { waits: because };
}
