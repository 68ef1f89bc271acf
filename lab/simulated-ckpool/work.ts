// What the pool works on: the tip, the work made on it (`workinfoid`), and the directory of its share log.
import type { Random } from '../random.js';
import type { PoolDisk } from './disk.js';
import { changedTo, storedWorkbase } from './lines.js';
import type { Line } from './log-writer.js';
import { heightDirectory } from './share-log.js';

export interface Tip {
  hash: string;
  height: number;
}

export interface Work {
  /** The height of the block that is being worked on. */
  height(): number;
  /** Start time of this process << 32, plus a counter. */
  workinfoid(): bigint;
  /** A new process begins on the tip it finds; it prints that tip as if it were new. */
  begin(now_ms: number): Line[];
  changeTip(tip: Tip): Line[];
}

export function createWork(
  first_tip: Tip,
  options: { disk: PoolDisk; random: Random; share_log: boolean },
): Work {
  const { disk, random, share_log } = options;
  let tip = first_tip;
  let workinfoid = 0n;

  function stored(): Line {
    workinfoid += 1n;
    return storedWorkbase(random.integer(0, 16));
  }

  function makeDirectory(): void {
    if (share_log) disk.makeDirectory(heightDirectory(tip.height + 1));
  }

  return {
    height: () => tip.height + 1,
    workinfoid: () => workinfoid,
    begin: (now_ms) => {
      workinfoid = (BigInt(Math.floor(now_ms / 1000)) << 32n) - 1n;
      makeDirectory();
      return [stored(), changedTo(tip.hash), stored()];
    },
    changeTip: (new_tip) => {
      tip = new_tip;
      makeDirectory();
      const lines = [stored(), changedTo(tip.hash)];
      return random.chance(0.5) ? [...lines, stored()] : lines;
    },
  };
}
