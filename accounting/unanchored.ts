// Blocks that were looked at before the log named them: the scan could not mark their anchors as real, so
// that is done when the lines come. In memory only: a block forgotten here is one anchor less to tell
// lines apart by, and nothing is decided wrongly for it. It never asks the node and never writes.
import type { BlockHash, BlockHeight } from '../shared/units.js';
import type { SeenBlock } from './edges/scan-store.js';

/**
 * The `Block hash changed to` line comes within a second of its block: more than these are not waited for.
 */
const unanchored_max = 1_000;

export interface Unanchored {
  /** Keeps those of the blocks that the log has not named yet. */
  add(seen: readonly SeenBlock[], tips: ReadonlyMap<BlockHash, number>): void;
  /** Those that the log has named since. */
  found(tips: ReadonlyMap<BlockHash, number>): SeenBlock[];
  /** Their anchors are marked now. */
  confirmed(blocks: readonly SeenBlock[]): void;
}

export function createUnanchored(): Unanchored {
  const waiting = new Map<BlockHash, BlockHeight>();
  return {
    add(seen, tips) {
      for (const { hash, height } of seen) if (!tips.has(hash)) waiting.set(hash, height);
      while (waiting.size > unanchored_max) waiting.delete(waiting.keys().next().value!);
    },
    found(tips) {
      const found: SeenBlock[] = [];
      for (const hash of tips.keys()) {
        const height = waiting.get(hash);
        if (height !== undefined) found.push({ hash, height });
      }
      return found;
    },
    confirmed(blocks) {
      for (const { hash } of blocks) waiting.delete(hash);
    },
  };
}
