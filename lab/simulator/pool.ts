// The miners of a simulated pool, and the only record of what they did: every share that ckpool accepted, in order,
// and every block with the share that solved it. The auditor reads this record and the chain, nothing else.
import { satoshis, type BlockHash } from '../../shared/units.js';
import { userOfWorker, type NameBytes } from '../../shared/username.js';
import { pushHeight, scriptHex } from '../block-miner/script.js';
import type { Random } from '../random.js';
import { createSimulatedCkpool, proofOfBlock, type PoolDisk, type SimulatedCkpool } from '../simulated-ckpool.js';
import type { SimulatedNode } from '../simulated-node.js';

export interface TrueShare {
  readonly user: NameBytes;
  readonly work: bigint;
  /** A share log holds it. */
  readonly logged: boolean;
  /** ckpool's counter on disk holds it, since this pass. */
  pass: number | null;
  /** ckpool died before its counter reached the disk. */
  forgotten: boolean;
}

export interface TrueBlock {
  readonly hash: BlockHash;
  readonly height: number;
  /** How many shares were accepted up to the one that solved it, itself included. */
  readonly shares: number;
  /** How many passes the counters had made. */
  readonly passes: number;
  /** ckpool printed its line. */
  readonly line: boolean;
  readonly logged: boolean;
}

export interface PoolRecord {
  readonly shares: readonly TrueShare[];
  readonly blocks: readonly TrueBlock[];
}

export interface BlockStyle {
  readonly line: boolean;
  readonly anchor?: 'before' | 'after' | 'none';
  /** Not on the tip but beside it: two blocks of one height. */
  readonly beside: boolean;
}

export interface SimulatedPool {
  readonly record: PoolRecord;
  readonly workers: readonly NameBytes[];
  ckpool(): SimulatedCkpool;
  logIn(worker: NameBytes): void;
  /** A name with newlines prints lines of the forger's choice; it stays for good. */
  forge(name: NameBytes): void;
  share(worker: NameBytes, work: bigint): void;
  reject(worker: NameBytes): void;
  solve(worker: NameBytes, style: BlockStyle): Promise<BlockHash>;
  pass(): void;
  restart(how: 'term' | 'kill', share_log: boolean): void;
  /** Nothing is appended to share logs while this is set. */
  share_logs_full: boolean;
}

export interface PoolOptions {
  readonly log_directory: string;
  readonly disk: PoolDisk;
  readonly chain: SimulatedNode;
  readonly pool_address: string;
  readonly now_ms: () => number;
  readonly random: Random;
  readonly workers: readonly NameBytes[];
  readonly share_log: boolean;
  readonly log_level: 4 | 5;
  readonly coinbase_parts: boolean;
}

const solve_work = 8n;

export async function createSimulatedPool(options: PoolOptions): Promise<SimulatedPool> {
  const { chain, disk, now_ms, random, workers } = options;
  const shares: TrueShare[] = [];
  const blocks: TrueBlock[] = [];
  let logging = options.share_log;
  let passes = 0;
  let nonce = 1;
  let share_logs_full = false;
  const donation = chain.foreignAddress();
  const connected = new Set<NameBytes>();
  const guarded: PoolDisk = {
    ...disk,
    append: (path, bytes) => { if (!(share_logs_full && path.endsWith('.sharelog'))) disk.append(path, bytes); },
  };
  const { tip_hash, tip_height } = await chain.node.chainInfo();
  const ckpool = createSimulatedCkpool({
    log_directory: options.log_directory, disk: guarded, now_ms, seed: random.hex(4),
    share_log: logging, log_level: options.log_level, tip: { hash: tip_hash, height: tip_height },
    isAddress: (user) => /^(?:sim1|S[m2])/.test(user),
  });

  const note = (worker: NameBytes, work: bigint) => shares.push({
    user: userOfWorker(worker), work, logged: logging && !share_logs_full, pass: null, forgotten: false,
  });

  const parts = [2_000_000_000n, 100_000_000n, 300_000_000n].map((amount, index) =>
    ({ address: index === 1 ? donation : options.pool_address, amount: satoshis(amount) }));
  const pays = options.coinbase_parts ? parts : options.pool_address;

  async function solve(worker: NameBytes, { line, anchor, beside }: BlockStyle): Promise<BlockHash> {
    nonce += 1;
    const tip = await chain.node.chainInfo();
    const parent = beside ? (await chain.node.header(tip.tip_hash))?.previous_hash : tip.tip_hash;
    const height = beside ? tip.tip_height : tip.tip_height + 1;
    const { enonce1, nonce2 } = ckpool.extraNonces(worker);
    const hash = chain.mineBlock({
      on: parent ?? tip.tip_hash, pays, nonce,
      coinbase_script: scriptHex(pushHeight(height), Buffer.from(`0c${enonce1}${nonce2}`, 'hex')),
      ...(beside ? { transactions: [] } : {}),
    });
    const header = await chain.node.header(hash);
    const proof = proofOfBlock({ enonce1, nonce2, nonce, ntime: header?.time_seconds ?? 0 });
    ckpool.solve(worker, height, { hash, difficulty: solve_work, proof, line, ...(anchor ? { anchor } : {}) });
    note(worker, solve_work);
    blocks.push({ hash, height, shares: shares.length, passes, line, logged: logging && !share_logs_full });
    return hash;
  }

  function pass(): void {
    ckpool.pass();
    passes += 1;
    for (const share of shares) if (share.pass === null && !share.forgotten) share.pass = passes;
  }

  const logIn = (worker: NameBytes) => {
    ckpool.login(worker);
    connected.add(worker);
  };

  const pool: SimulatedPool = {
    record: { shares, blocks },
    workers,
    ckpool: () => ckpool,
    logIn,
    forge: (name) => ckpool.login(name),
    share: (worker, work) => {
      ckpool.share(worker, work);
      note(worker, work);
    },
    reject: (worker) => ckpool.share(worker, 8n, 'stale'),
    solve,
    pass,
    restart: (how, share_log) => {
      for (const share of shares) if (share.pass === null) share.forgotten = true;
      logging = share_log;
      ckpool.restart(how, { share_log });
      for (const worker of connected) ckpool.login(worker);
    },
    get share_logs_full() { return share_logs_full; },
    set share_logs_full(full) { share_logs_full = full; },
  };
  for (const worker of workers) logIn(worker);
  return pool;
}
