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

/** What a miner is given to work on; its share may come when there is newer work. */
export interface Job {
  /** Of the block that is worked on, which is the tip's plus one. */
  readonly height: number;
  /** Start time of the process << 32, plus a counter: above 2^53. */
  readonly workinfoid: bigint;
}

export interface Work {
  job(): Job;
  /** The last work that this process made before the tip changed; null when it did not yet. */
  previousBlockJob(): Job | null;
  /** The part of the coinbase by which a client is known. */
  enonce1(client: number): string;
  /** A new process begins on the tip it finds; it prints that tip as if it were new. */
  begin(now_ms: number, share_log: boolean): Line[];
  changeTip(tip: Tip): Line[];
  /** New work on the same tip, as every half a minute. */
  refresh(): Line[];
}

export function createWork(first_tip: Tip, { disk, random }: { disk: PoolDisk; random: Random }): Work {
  let tip = first_tip;
  let workinfoid = 0n;
  let started_seconds = 0;
  let makes_directories = false;
  let previous: Job | null = null;
  const job = (): Job => ({ height: tip.height + 1, workinfoid });

  function stored(): Line {
    workinfoid += 1n;
    return storedWorkbase(random.integer(0, 16));
  }

  function makeDirectory(): void {
    if (makes_directories) disk.makeDirectory(heightDirectory(tip.height + 1));
  }

  return {
    job,
    previousBlockJob: () => previous,
    enonce1: (client) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE((started_seconds + client) % 2 ** 32);
      return bytes.toString('hex');
    },
    begin: (now_ms, share_log) => {
      started_seconds = Math.floor(now_ms / 1000);
      workinfoid = (BigInt(started_seconds) << 32n) - 1n;
      previous = null;
      makes_directories = share_log;
      makeDirectory();
      return [stored(), changedTo(tip.hash), stored()];
    },
    changeTip: (new_tip) => {
      previous = job();
      tip = new_tip;
      makeDirectory();
      const lines = [stored(), changedTo(tip.hash)];
      return random.chance(0.5) ? [...lines, stored()] : lines;
    },
    refresh: () => [stored()],
  };
}
