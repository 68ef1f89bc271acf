// The miners and their pool at work, in minutes of their own time. Every share goes through the simulated
// ckpool, every block is really mined and carries the extra nonces of its finder, so that the share logs prove
// whose it is. What the miners saw is kept: `found`, in the order in which it was found, with the shares that were
// accepted by then; against that the scenario judges what the daemons made of it.
import type { BlockHash } from '../../shared/units.js';
import { userOfWorker, type NameBytes } from '../../shared/username.js';
import { mineProvableBlock } from '../../lab/block-miner.js';
import { createRandom } from '../../lab/random.js';
import { createSimulatedCkpool, proofOfBlock, type Job } from '../../lab/simulated-ckpool.js';
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
  /** Its share is in a share log. */
  readonly proven: boolean;
  /** Every user's accepted shares: with share logs up to the one that solved it, else up to ckpool's last pass. */
  readonly counts: ReadonlyMap<NameBytes, bigint>;
}

export interface Pool {
  readonly found: readonly FoundBlock[];
  now_ms(): number;
  tip(): number;
  join(miner: Miner): void;
  leave(miner: Miner): void;
  /** Minutes of pool time: shares, then a pass of ckpool's statistics. */
  minutes(count: number): Promise<void>;
  /** The same with the node down: the pool's clock goes on, the node's is set at its restart. */
  minutesWithoutNode(count: number): void;
  /** Shares that ckpool has not written to its counters when the next thing happens. */
  halfMinute(): void;
  /** ckpool dies at once and begins again, with or without `-L`; everybody logs in again. */
  restart(how: { readonly share_log: boolean }): void;
  /** `logged: false`: no line of it ever reaches the log. */
  solve(worker: NameBytes | undefined, how?: { readonly logged?: boolean; readonly beforeLine?: () => Promise<void> }): Promise<FoundBlock>;
  strangerBlocks(count: number): Promise<void>;
  /** The stranger replaces the latest block by two of his own. */
  orphanTip(): Promise<void>;
  end(): void;
}

const minute_ms = 60_000;
/** The shares of one worker come after those of the one before. */
const worker_ms = 5_000;
const between_events_ms = 1_000;
const share_difficulty = 8n;
const begins_ago_ms = 6 * 60 * minute_ms;
const blocks_before = 5;

/** What a pool stands on; which database the daemons use is no matter of its own. */
export type PoolGround = Pick<Ground, 'node' | 'pool_address' | 'stranger_address' | 'log_directory'>;

export async function openPool(ground: PoolGround): Promise<Pool> {
  const { node, pool_address, stranger_address } = ground;
  const random = createRandom('scenario');
  let now_ms = Math.floor(Date.now() / 1000) * 1000 - begins_ago_ms;
  const setNodeTime = () => node.rpc('setmocktime', Math.floor(now_ms / 1000));
  await setNodeTime();
  // One of them is the pool address's own: what it mined before the pool began is not the pool's.
  await node.mine(1, pool_address);
  const before = await node.mine(blocks_before - 1, stranger_address);
  const { script } = await node.node.address(pool_address);
  const ckpool = createSimulatedCkpool({
    log_directory: ground.log_directory, now_ms: () => now_ms, seed: 'scenario', share_log: true,
    tip: { hash: before.at(-1)!, height: blocks_before },
  });
  const connected: Miner[] = [];
  const found: FoundBlock[] = [];
  /** The miners' own record, and what of it stood in ckpool's counters at its last pass. */
  const accepted = new Map<NameBytes, bigint>();
  let accepted_at_pass: ReadonlyMap<NameBytes, bigint> = new Map();
  let share_log = true;
  let tip = blocks_before;

  function record(worker: NameBytes): void {
    const user = userOfWorker(worker);
    accepted.set(user, (accepted.get(user) ?? 0n) + share_difficulty);
  }

  function pass(): void {
    ckpool.pass();
    accepted_at_pass = new Map(accepted);
  }

  /** Each worker's share of a minute, some of them on work that is not the latest any more. */
  function work(part: number): void {
    const earlier = ckpool.job();
    ckpool.refresh();
    for (const { workers, shares_per_minute } of connected) {
      for (const worker of workers) {
        const most = Math.ceil(shares_per_minute * part);
        for (let left = random.integer(Math.floor(most / 2), most); left > 0; left -= 1) submit(worker, earlier);
      }
      now_ms += worker_ms;
    }
  }

  function submit(worker: NameBytes, earlier: Job): void {
    if (random.chance(0.02)) {
      ckpool.share(worker, share_difficulty, 'stale');
      return;
    }
    ckpool.share(worker, share_difficulty, 'accepted', random.chance(0.05) ? { job: earlier } : {});
    record(worker);
  }

  function minutesWithoutNode(count: number): void {
    for (let done = 0; done < count; done += 1) {
      const ends_ms = now_ms + minute_ms;
      work(1);
      now_ms = ends_ms;
      pass();
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
    leave: (miner) => {
      for (const worker of miner.workers) ckpool.drop(worker);
      connected.splice(connected.indexOf(miner), 1);
    },
    minutes: async (count) => {
      for (let done = 0; done < count; done += 1) {
        minutesWithoutNode(1);
        await setNodeTime();
      }
    },
    halfMinute: () => work(0.5),
    restart: (how) => {
      share_log = how.share_log;
      ckpool.restart('kill', how);
      for (const { workers } of connected) for (const worker of workers) ckpool.login(worker);
      now_ms += between_events_ms;
      ckpool.pass();
    },
    solve: async (worker, { logged = true, beforeLine } = {}) => {
      now_ms += between_events_ms;
      await setNodeTime();
      const mined = await mineProvableBlock(node, { script: script!, ...ckpool.extraNonces(worker!) });
      const { hash, height } = mined;
      tip = height;
      await beforeLine?.();
      ckpool.solve(worker!, height, { hash, difficulty: share_difficulty, line: logged, proof: proofOfBlock(mined) });
      record(worker!);
      const counts = share_log ? new Map(accepted) : accepted_at_pass;
      const block = { hash, height, worker: worker!, proven: share_log, counts };
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
