// The miners and their pool at work. Pool time runs in minutes of its own, much faster than ours; the node's
// clock is set to it, so that blocks and log agree. Every share goes through the simulated ckpool, which
// writes log, user files and share logs as the real one does; every block is really mined, and the pool's own
// carry the extra nonces of their finder, so that the solving share proves whose they are. What the miners
// themselves saw is kept in `solves`: against that the demo checks what the daemons made of the log.
import type { BlockHash } from '../../shared/units.js';
import { userOfWorker, type NameBytes } from '../../shared/username.js';
import { mineProvableBlock } from '../block-miner.js';
import { createRandom, type Random } from '../random.js';
import { createSimulatedCkpool, proofOfBlock, type Job } from '../simulated-ckpool.js';
import { stampText } from '../simulated-ckpool/log-writer.js';
import { requireGoing } from './failure.js';
import type { ThrowawayPool } from './pool.js';

export interface Miner {
  /** For people; the pool knows only the workers' names. */
  readonly name: string;
  readonly user: NameBytes;
  /** null: the name is no address, so nobody can be paid for it. */
  readonly address: string | null;
  readonly workers: readonly NameBytes[];
  /** Of each worker. */
  readonly shares_per_minute: number;
}

export interface Solve {
  readonly hash: BlockHash;
  readonly height: number;
  readonly worker: NameBytes;
  /** Every user's accepted shares up to the one that solved it, itself included. */
  readonly counts: ReadonlyMap<NameBytes, bigint>;
}

export interface Mining {
  readonly miners: readonly Miner[];
  readonly solves: readonly Solve[];
  tip(): number;
  join(miner: Miner): void;
  /** Minutes of pool time, each with shares and a pass of ckpool's statistics. */
  minutes(count: number): Promise<void>;
  solve(worker: NameBytes | undefined): Promise<Solve>;
  /** ckpool's candidate comes too late: the stranger has the height already. */
  solveTooLate(worker: NameBytes | undefined): Promise<void>;
  /** A login whose name holds a newline and a block line, as ckpool prints it; for the height to come. */
  forgeSolve(): void;
  strangerBlocks(count: number): Promise<void>;
  /** The stranger replaces the latest block by two of his own. */
  orphanTip(): Promise<void>;
  end(): void;
}

const share_difficulty = 8n;
const stale_part = 0.02;
/** Accepted shares whose miner has not heard of the latest work yet. */
const late_part = 0.05;
const minute_ms = 60_000;
const between_blocks_ms = 1_000;
/** So that the story ends about now. */
const begins_ago_ms = 4 * 60 * minute_ms;
/** What the chain has before the pool begins. */
const blocks_before = 10;

export async function createMiners(pool: ThrowawayPool): Promise<readonly Miner[]> {
  const paid = async (name: string, suffixes: readonly string[], shares_per_minute: number) => {
    const address = await pool.newMinerAddress();
    const workers = suffixes.map((suffix) => `${address}${suffix}` as NameBytes);
    return { name, user: address as NameBytes, address, workers, shares_per_minute };
  };
  return [
    await paid('alice', ['.rig1', '_rig2'], 20),
    await paid('bob', [''], 30),
    await paid('dave', ['.usb-stick'], 0.3),
    {
      name: 'garage',
      user: 'garage' as NameBytes,
      address: null,
      workers: ['garage.old-box' as NameBytes],
      shares_per_minute: 10,
    },
    await paid('carol', ['.farm'], 60),
  ];
}

/** A quarter more or less; a fraction of a share is one now and then. */
function sharesOfMinute(shares_per_minute: number, random: Random): number {
  const whole = Math.floor(shares_per_minute);
  const spread = Math.floor(whole / 4);
  return whole + random.integer(-spread, spread) + (random.chance(shares_per_minute - whole) ? 1 : 0);
}

export async function startMining(
  pool: Pick<ThrowawayPool, 'node' | 'log_directory' | 'pool_address' | 'stranger_address'>,
  miners: readonly Miner[],
  stop: AbortSignal,
): Promise<Mining> {
  const { node } = pool;
  const random = createRandom('demo');
  let now_ms = Math.floor(Date.now() / 1000) * 1000 - begins_ago_ms;
  const setNodeTime = () => node.rpc('setmocktime', Math.floor(now_ms / 1000));
  await setNodeTime();
  const before = await node.mine(blocks_before, pool.stranger_address);
  const { script } = await node.node.address(pool.pool_address);
  const ckpool = createSimulatedCkpool({
    log_directory: pool.log_directory,
    now_ms: () => now_ms,
    seed: 'demo',
    share_log: true,
    tip: { hash: before.at(-1)!, height: blocks_before },
    isAddress: (user) => miners.some(({ address }) => address === user),
  });
  const connected: Miner[] = [];
  const solves: Solve[] = [];
  /** Every accepted share until now, the solving ones included: the miners' own record. */
  const accepted = new Map<NameBytes, bigint>();
  let tip = blocks_before;

  async function minute(): Promise<void> {
    requireGoing(stop);
    const began_ms = now_ms;
    const earlier = ckpool.job();
    ckpool.refresh();
    for (const { workers, shares_per_minute } of connected) {
      for (const worker of workers) {
        for (let left = sharesOfMinute(shares_per_minute, random); left > 0; left -= 1) {
          submit(worker, earlier);
        }
      }
      now_ms += 5_000;
    }
    now_ms = began_ms + minute_ms;
    await setNodeTime();
    ckpool.pass();
  }

  function submit(worker: NameBytes, earlier: Job): void {
    if (random.chance(stale_part)) {
      ckpool.share(worker, share_difficulty, 'stale');
      return;
    }
    ckpool.share(worker, share_difficulty, 'accepted', random.chance(late_part) ? { job: earlier } : {});
    record(worker);
  }

  function record(worker: NameBytes): void {
    const user = userOfWorker(worker);
    accepted.set(user, (accepted.get(user) ?? 0n) + share_difficulty);
  }

  async function mine(address: string): Promise<BlockHash> {
    requireGoing(stop);
    const [hash] = await node.mine(1, address);
    tip += 1;
    return hash!;
  }

  return {
    miners, solves,
    tip: () => tip,
    join: (miner) => {
      for (const worker of miner.workers) ckpool.login(worker);
      connected.push(miner);
    },
    minutes: async (count) => {
      for (let done = 0; done < count; done += 1) await minute();
    },
    solve: async (worker) => {
      requireGoing(stop);
      now_ms += between_blocks_ms;
      await setNodeTime();
      const block = await mineProvableBlock(node, { script: script!, ...ckpool.extraNonces(worker!) });
      const { hash, height } = block;
      tip = height;
      ckpool.solve(worker!, height, { hash, difficulty: share_difficulty, proof: proofOfBlock(block) });
      record(worker!);
      const solve = { hash, height, worker: worker!, counts: new Map(accepted) };
      solves.push(solve);
      return solve;
    },
    solveTooLate: async (worker) => {
      const hash = await mine(pool.stranger_address);
      ckpool.reject(worker!, tip, 'inconclusive');
      ckpool.tip(hash, tip);
    },
    forgeSolve: () => {
      const stamp = stampText(now_ms);
      ckpool.login(`mallory\n[${stamp}] Solved and confirmed block ${tip + 1} by mallory` as NameBytes);
    },
    strangerBlocks: async (count) => {
      for (let done = 0; done < count; done += 1) ckpool.tip(await mine(pool.stranger_address), tip);
    },
    orphanTip: async () => {
      requireGoing(stop);
      const branch = await node.reorg(1, 2, pool.stranger_address);
      tip += 1;
      ckpool.tip(branch.at(-1)!, tip);
    },
    end: () => ckpool.stop(),
  };
}

export const nameOfWorker = (miners: readonly Miner[], worker: NameBytes): string =>
  miners.find(({ user }) => user === userOfWorker(worker))?.name ?? worker;
