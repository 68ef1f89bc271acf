// One move: see whether the chain still bears out what was decided. Usually one question is enough: while the
// tip of the last look stands in the active chain, nothing below it has changed. Otherwise the decided blocks
// are walked from the top until a whole page agrees.
//   credited, and another block stands there now  → lost: what is unpaid is taken back, paying stops
//   lost, and in the active chain again           → what was taken back is given again
//   orphaned, and in the active chain after all   → settled, with an empty round
//   final payout, and its block is gone           → a promise again, sent and followed anew (paying/watch.ts)
// Each correction is one transaction; dying before it leaves the block to be found again at the next look. A
// silent node corrects nothing. What a look has verified is remembered in memory only: a start looks anew.
import type { Knex } from 'knex';
import { timeText } from '../shared/database/database.js';
import { invariant } from '../shared/errors.js';
import { satoshis, type BlockHash, type BlockHeight, type Satoshis } from '../shared/units.js';
import { requireSameChain, standingOf, type Look } from './chain-view.js';
import type { Move, PaymentsContext } from './context.js';
import { correction } from './core/block-state.js';
import { restoreEntries, reverseEntries } from './core/ledger.js';
import { batchesIn, payoutsOf, releasePayouts } from './edges/batch-store.js';
import { raiseIncident } from './edges/incident-store.js';
import { balancesOf, poolBalance, postEvent, roundLedger, type RoundLedger } from './edges/ledger-store.js';
import { changeRoundState, roundsAfter, roundsFromTheTop, type Round } from './edges/round-store.js';
import { poolFeesUnderway } from './edges/transaction-store.js';
import { returnFinalPayout } from './paying/watch.js';
import { settleReturned } from './settle.js';

const page = 100;

type Tip = Pick<Look, 'tip_height' | 'tip_hash'>;

interface Verified {
  readonly tip_height: BlockHeight;
  readonly tip_hash: BlockHash;
  readonly last_round_id: number;
}

interface Correction {
  readonly round: Round;
  readonly demand: 'lose' | 'restore' | 'credit';
}

interface Comparison {
  readonly corrections: Correction[];
  readonly last_round_id: number;
}

/** A move with the memory of its last complete look. */
export function createBlockWatch(): Move {
  let verified: Verified | null = null;
  return async (context, begun_at) => {
    const look = begun_at ?? await context.node.chainInfo();
    if (!look.synced) return 'idle';
    const same_tip = verified?.tip_hash === look.tip_hash;
    const unmoved = verified !== null
      && (same_tip || (await context.node.blockHashAt(verified.tip_height)) === verified.tip_hash);
    const from_id = unmoved && verified ? verified.last_round_id : null;
    const { corrections, last_round_id } = from_id === null
      ? await walkDown(context)
      : await compareNew(context, from_id);
    if (same_tip && corrections.length === 0) return 'idle';
    await requireSameChain(context.node, look);
    const [first] = corrections;
    const verified_to = unmoved && verified ? verified.tip_height : null;
    if (!first && (await returnFinalPayout(context, verified_to)) === 'progress') return 'progress';
    if (!first) {
      verified = { tip_height: look.tip_height, tip_hash: look.tip_hash, last_round_id };
      return 'idle';
    }
    verified = null;
    return apply(context, first, look);
  };
}

async function compareNew(context: PaymentsContext, from_id: number): Promise<Comparison> {
  const rounds = await roundsAfter(context.database.knex, from_id);
  return {
    corrections: inOrder(await compare(context, rounds)),
    last_round_id: rounds.at(-1)?.id ?? from_id,
  };
}

async function walkDown(context: PaymentsContext): Promise<Comparison> {
  const corrections: Correction[] = [];
  let last_round_id = 0;
  for (let offset = 0; ; offset += page) {
    const rounds = await roundsFromTheTop(context.database.knex, offset, page);
    last_round_id = rounds.reduce((highest, { id }) => Math.max(highest, id), last_round_id);
    const found = await compare(context, rounds);
    corrections.push(...found);
    if (found.length === 0 || rounds.length < page) {
      return { corrections: inOrder(corrections), last_round_id };
    }
  }
}

async function compare({ node }: PaymentsContext, rounds: readonly Round[]): Promise<Correction[]> {
  const corrections: Correction[] = [];
  for (const round of rounds) {
    const demand = correction(
      round.state,
      await standingOf(node, { hash: round.block_hash, height: round.height }),
    );
    if (demand) corrections.push({ round, demand });
  }
  return corrections;
}

/** Losses first, the highest block first; then returns, the lowest first: each undoes what came after it. */
function inOrder(corrections: readonly Correction[]): Correction[] {
  const rank = ({ round, demand }: Correction) => (demand === 'lose' ? 0 - round.height : 1 + round.height);
  return [...corrections].sort((left, right) => rank(left) - rank(right));
}

async function apply(
  context: PaymentsContext,
  { round, demand }: Correction,
  look: Tip,
): Promise<'progress' | 'idle'> {
  switch (demand) {
    case 'lose': return loseBlock(context, round, look);
    case 'restore': return restoreBlock(context, round);
    case 'credit': return settleReturned(context, round.block_hash);
  }
}

async function loseBlock(context: PaymentsContext, round: Round, look: Tip): Promise<'progress'> {
  const { database, lease, clock, log } = context;
  const occurred_at = timeText(clock.now_ms());
  const detail =
    `Block ${round.height} ${round.block_hash} was credited and is no longer in the active chain `
    + `(tip ${look.tip_height} ${look.tip_hash}). `
    + "What its miners had not been paid was taken back; the rest is the pool's loss. Nothing is "
    + 'paid until this incident is resolved: look at what the chain did first.';
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await releaseUnsigned(transaction, round, occurred_at);
    const { events, net } = await ledgerOf(transaction, round);
    const users = net.flatMap(({ account, user_id }) =>
      account === 'miner' && user_id !== null ? [user_id] : [],
    );
    const miner: ReadonlyMap<number, Satoshis> = await balancesOf(transaction, users);
    // What signed payouts will take from the fee account is spent already.
    const pool_fee_sats = satoshis(
      (await poolBalance(transaction, 'pool_fee')) - (await poolFeesUnderway(transaction)),
    );
    const now = { miner, pool_fee_sats, carry_sats: await poolBalance(transaction, 'carry') };
    await changeRoundState(transaction, round.id, 'credited', 'lost');
    await postEvent(transaction, {
      kind: 'reverse',
      cause: `reverse:${round.block_hash}:${events}`,
      round_id: round.id,
      batch_id: null,
      occurred_at,
      detail: `block ${round.height} left the active chain`,
      entries: reverseEntries(net, now),
    });
    const subject = events === 1 ? round.block_hash : `${round.block_hash}:${events}`;
    await raiseIncident(transaction, {
      kind: 'block_lost',
      subject,
      stops_paying: true,
      detail,
      raised_at: occurred_at,
    });
  });
  log.error(detail, { height: round.height, hash: round.block_hash });
  return 'progress';
}

/**
 * What a batch has promised and nobody has signed is not paid: it is a balance again before it is taken back.
 */
async function releaseUnsigned(transaction: Knex.Transaction, round: Round, now: string): Promise<void> {
  for (const batch of await batchesIn(transaction, ['planned'])) {
    const why = `batch ${batch.id} is given up unsigned: block ${round.height} left the active chain`;
    await releasePayouts(transaction, batch, await payoutsOf(transaction, batch.id), [], why, now);
  }
}

async function restoreBlock(context: PaymentsContext, round: Round): Promise<'progress'> {
  const { database, lease, clock, log } = context;
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    const { events, settled, net } = await ledgerOf(transaction, round);
    await changeRoundState(transaction, round.id, 'lost', 'credited');
    await postEvent(transaction, {
      kind: 'settle', cause: `restore:${round.block_hash}:${events}`, round_id: round.id, batch_id: null,
      occurred_at: timeText(clock.now_ms()), detail: `block ${round.height} is in the active chain again`,
      entries: restoreEntries(settled, net, await poolBalance(transaction, 'carry')),
    });
  });
  log.warn('A lost block is in the active chain again; what was taken back is credited again.', {
    height: round.height, hash: round.block_hash,
  });
  return 'progress';
}

async function ledgerOf(transaction: Knex.Transaction, round: Round): Promise<RoundLedger> {
  const ledger = await roundLedger(transaction, round.id);
  invariant(
    ledger,
    `Round ${round.id} (block ${round.height}) is ${round.state} and the ledger has no event for it.`,
  );
  return ledger;
}
