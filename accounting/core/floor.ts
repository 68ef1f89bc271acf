// The floor: the lowest height at which a block can be the pool's. What the address mined before the pool
// existed is not the pool's, so everything below is left alone for ever. Decided once, at the first start.
import { blockHeight, type BlockHeight } from '../../shared/units.js';
import type { BlockHeader } from '../../shared/bitcoind/node.js';

export interface AnchorCandidate {
  /** The line's stamp, local time of the pool without a zone. */
  readonly logged_at: string;
  /** No line before it carries a login's name, so that nobody can have forged it. */
  readonly before_login: boolean;
  readonly header: BlockHeader;
}

const day_ms = 24 * 60 * 60 * 1000;

/**
 * ckpool prints the tip when it starts. The first such line may be missing (rotated away) or forged later,
 * so a line counts when it stands before any login, or when its block was fresh at that time.
 */
export function namesTipAtStart(candidate: AnchorCandidate): boolean {
  if (candidate.before_login) return true;
  // The stamp has no zone; a day's tolerance covers every zone but a few hours.
  const logged_ms = Date.parse(`${candidate.logged_at.replace(' ', 'T')}Z`);
  return Math.abs(logged_ms - candidate.header.time_seconds * 1000) <= day_ms;
}

export const floorAbove = (height: BlockHeight): BlockHeight => blockHeight(height + 1);
