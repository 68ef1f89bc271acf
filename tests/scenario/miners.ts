// The miners and their pool at work, in minutes of their own time. Every share goes through the simulated
// ckpool, every block is really mined. What the miners saw is kept: `found`, in the order of the log, with the
// counters that ckpool had last written down; against that the scenario judges what the daemons made of it.
import type { BlockHash } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { createRandom } from '../../lab/random.js';
import { createSimulatedCkpool } from '../../lab/simulated-ckpool.js';
import type { Ground } from './ground.js';

export interface Miner {
  readonly user: NameBytes;
  /** null: the name is no address. */
  readonly address: string | null;
  readonly workers: readonly NameBytes[];
  readonly shares_per_minute: number;
}

export interface FoundBlock {
  readonly hash: BlockHash;
  readonly height: number;
  readonly worker: NameBytes;
  /** False: no line of it ever reached the log. */
  readonly logged: boolean;
  /** Every user's counter at ckpool's last pass before it. */
  readonly counts: ReadonlyMap<NameBytes, bigint>;
}

export interface Pool {
  readonly found: readonly FoundBlock[];
  now_ms(): number;
  tip(): number;
  join(miner: Miner): void;
  /** Minutes of pool time: shares, then a pass of ckpool's statistics. */
  minutes(count: number): Promise<void>;
  /** The same with the node down: the pool's clock goes on, the node's is set at its restart. */
  minutesWithoutNode(count: number): void;
  solve(worker: NameBytes | undefined, how?: { readonly logged?: boolean; readonly beforeLine?: () => Promise<void> }): Promise<FoundBlock>;
  strangerBlocks(count: number): Promise<void>;
  /** The stranger replaces the latest block by two of his own. */
  orphanTip(): Promise<void>;
  end(): void;
}

const minute_ms = 60_000;
const share_difficulty = 8n;
const begins_ago_ms = 6 * 60 * minute_ms;
const blocks_before = 5;

export async function openPool(ground: Ground): Promise<Pool> {
  const { node, pool_address, stranger_address } = ground;
  const random = createRandom('scenario');
  let now_ms = Math.floor(Date.now() / 1000) * 1000 - begins_ago_ms;
  const setNodeTime = () => node.rpc('setmocktime', Math.floor(now_ms / 1000));
  await setNodeTime();
  // One of them is the pool address's own: what it mined before the pool began is not the pool's.
  await node.mine(1, pool_address);
  const before = await node.mine(blocks_before - 1, stranger_address);
  const ckpool = createSimulatedCkpool({
    log_directory: ground.log_directory, now_ms: () => now_ms, seed: 'scenario',
    tip: { hash: before.at(-1)!, height: blocks_before },
  });
  const connected: Miner[] = [];
  const found: FoundBlock[] = [];
  let written: ReadonlyMap<NameBytes, bigint> = new Map();
  let tip = blocks_before;

  function minutesWithoutNode(count: number): void {
    for (let done = 0; done < count; done += 1) {
      for (const { workers, shares_per_minute } of connected) {
        for (const worker of workers) {
          const shares = random.integer(Math.floor(shares_per_minute / 2), shares_per_minute);
          for (let share = 0; share < shares; share += 1) ckpool.share(worker, share_difficulty, random.chance(0.02) ? 'stale' : 'accepted');
        }
      }
      now_ms += minute_ms;
      ckpool.pass();
      written = new Map(connected.map(({ user }) => [user, ckpool.shareCount(user)]));
    }
  }

  async function mine(address: string): Promise<BlockHash> {
    const [hash] = await node.mine(1, address);
    tip += 1;
    return hash!;
  }

  return {
    found, minutesWithoutNode,
    now_ms: () => now_ms,
    tip: () => tip,
    join: (miner) => {
      for (const worker of miner.workers) ckpool.login(worker);
      connected.push(miner);
    },
    minutes: async (count) => {
      for (let done = 0; done < count; done += 1) {
        minutesWithoutNode(1);
        await setNodeTime();
      }
    },
    solve: async (worker, { logged = true, beforeLine } = {}) => {
      const block = { hash: await mine(pool_address), height: tip, worker: worker!, logged, counts: written };
      await beforeLine?.();
      ckpool.solve(worker!, tip, { hash: block.hash, difficulty: share_difficulty, line: logged });
      found.push(block);
      return block;
    },
    strangerBlocks: async (count) => {
      for (let done = 0; done < count; done += 1) ckpool.tip(await mine(stranger_address), tip);
    },
    orphanTip: async () => {
      const branch = await node.reorg(1, 2, stranger_address);
      tip += 1;
      ckpool.tip(branch.at(-1)!, tip);
    },
    end: () => ckpool.stop(),
  };
}
