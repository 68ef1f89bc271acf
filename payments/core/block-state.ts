// What becomes of one of our blocks, from what the node and accounting have said about it.
//
//   immature ──due, in the active chain──▶ credited ──leaves the chain──▶ lost
//       │                                     ▲  ▲                          │
//       └──due, another block there──▶ orphaned  └──────in it again────────┘
//
// An answer that is missing decides nothing.
import type { BlockHash, BlockHeight } from '../../shared/units.js';

export interface ChainView {
  readonly tip_height: BlockHeight;
  /** Not in initial download and blocks = headers. */
  readonly synced: boolean;
  /** How far accounting has read log and chain; null before its first look. */
  readonly complete_height: BlockHeight | null;
  /** Whether the node has accounting's hash in its active chain at that height. */
  readonly complete_in_chain: boolean;
}

/** The sentence why a block of this height cannot be decided yet; null when it is due. */
export function notDueBecause(height: BlockHeight, maturity: number, view: ChainView): string | null {
  if (!view.synced) return 'the node is still catching up with the chain';
  // No changing numbers: the sentence is said again whenever it changes.
  if (view.tip_height - height < maturity) {
    return `it matures when the chain reaches block ${height + maturity}`;
  }
  if (view.complete_height === null) {
    return 'accounting has not read log and chain to an end yet; is it running?';
  }
  if (height > view.complete_height) {
    return 'accounting has not read log and chain up to it yet; is it running?';
  }
  if (!view.complete_in_chain) {
    return "the tip that accounting has read up to is not in this node's active chain";
  }
  return null;
}

/** The sentence why a due block is not decided: a round is cut once, so it waits for accounting's cut. */
export const countsUndecided = (height: BlockHeight): string =>
  `accounting has not yet decided the counts of block ${height}`;

/** What stands at a block's height in the active chain: this block, another one, or nothing known. */
export type Standing = 'in_chain' | 'replaced' | 'unknown';

export function standing(hash: BlockHash, hash_at_height: BlockHash | null): Standing {
  if (hash_at_height === null) return 'unknown';
  return hash_at_height === hash ? 'in_chain' : 'replaced';
}

export type RoundState = 'credited' | 'orphaned' | 'lost';

/** What the chain demands of a block that was decided before; null when its state agrees with the chain. */
export function correction(state: RoundState, now: Standing): 'lose' | 'restore' | 'credit' | null {
  if (state === 'credited') return now === 'replaced' ? 'lose' : null;
  if (now !== 'in_chain') return null;
  return state === 'lost' ? 'restore' : 'credit';
}
