// A small pool on a real node, in a directory of its own, with both daemons as processes over it: what the tests of the
// machine's faults stand on. The miners' addresses are of keys that nobody has. The chain is mined as far as a test asks.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import type { RegtestNode } from '../../lab/regtest-node.js';
import { createSimulatedCkpool } from '../../lab/simulated-ckpool.js';
import { coins } from '../json-shapes.js';
import type { Satoshis } from '../../shared/units.js';
import { parseCoins } from '../../shared/amount.js';
import { createRpc } from '../../shared/bitcoind/rpc.js';
import type { NameBytes } from '../../shared/username.js';
import { run, startDaemon, type Answer, type DaemonProcess, type ProgramName, type RunOptions } from '../programs.js';

export interface MachinePool {
  readonly directory: string;
  readonly config_file: string;
  readonly miners: readonly NameBytes[];
  /** Hashes of the blocks that were found. */
  readonly found: readonly string[];
  /** Every miner works for a minute, and ckpool writes its counters. */
  minute(): void;
  /** A miner finds a block; `minute` comes first, so that its round holds work. */
  block(): Promise<void>;
  /** Blocks to a stranger, with what the mempool holds. */
  bury(blocks: number): Promise<void>;
  /** Writes the configuration anew with this in it. */
  configure(parser: Record<string, unknown>): void;
  run(name: ProgramName, words?: readonly string[], options?: RunOptions): Promise<Answer>;
  start(name: ProgramName): DaemonProcess;
  /** What the chain says that each miner got, each by every transaction in a block. */
  paidOnChain(): Promise<{ readonly transactions: number; readonly sums: ReadonlyMap<string, bigint> }>;
  close(): void;
}

const shares_per_minute = 10;
const share_difficulty = 8n;

export async function openMachinePool(node: RegtestNode, sql: Record<string, unknown> = { file: 'pool.sqlite' }): Promise<MachinePool> {
  const directory = mkdtempSync(path.join(tmpdir(), 'small-pool-'));
  const config_file = path.join(directory, 'ckpool.conf');
  mkdirSync(path.join(directory, 'logs'));
  const pool_address = await node.newAddress();
  const addressOf = async (script: string): Promise<string> => {
    const shape = z.object({ address: z.string().optional(), addresses: z.array(z.string()).optional() });
    const { address, addresses } = shape.parse(await node.rpc('decodescript', script));
    return address ?? addresses![0]!;
  };
  pools += 1;
  const key = (number: number): string => Buffer.from([pools, number]).toString('hex').repeat(10);
  const miners = await Promise.all([1, 2, 3].map(async (number) => await addressOf(`0014${key(number)}`) as NameBytes));
  const stranger = await addressOf(`0014${key(9)}`);
  const [tip] = await node.mine(1, stranger);
  let height = Number((await node.node.chainInfo()).tip_height);
  let now_ms = Date.now() - 3_600_000;
  const found: string[] = [];
  const ckpool = createSimulatedCkpool({
    log_directory: path.join(directory, 'logs'), now_ms: () => now_ms, seed: pools, tip: { hash: tip!, height },
  });
  for (const miner of miners) ckpool.login(`${miner}.rig` as NameBytes);

  const configure = (parser: Record<string, unknown>): void => writeFileSync(config_file, JSON.stringify({
    btcd: [{ url: node.url, auth: node.user, pass: node.password }], btcaddress: pool_address, logdir: 'logs',
    parser: { sql, payout_confirmations: 1, checklogs_period: 0.2, checkmature_period: 0.2, wallet: 'pool', ...parser },
  }), { mode: 0o600 });
  configure({});

  const minute = (): void => {
    miners.forEach((miner, index) => {
      for (let share = 0; share < shares_per_minute * (index + 1); share += 1) ckpool.share(`${miner}.rig` as NameBytes, share_difficulty);
    });
    now_ms += 60_000;
    ckpool.pass();
  };
  return {
    directory, config_file, miners, found, minute, configure,
    block: async () => {
      minute();
      const [hash] = await node.mine(1, pool_address);
      height = Number((await node.node.chainInfo()).tip_height);
      ckpool.solve(`${miners[found.length % miners.length]!}.rig` as NameBytes, height, { hash: hash! });
      found.push(hash!);
    },
    bury: async (blocks) => { await node.mine(blocks, stranger); },
    run: (name, words = ['run', '--once'], options = {}) => run(name, [...words, '-c', config_file], options),
    start: (name) => startDaemon(name, config_file, path.join(directory, `${name}.log`)),
    paidOnChain: () => paidOnChain(node, miners),
    close: () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Each pool of a file has miners of its own. */
let pools = 0;

const seenBlock = z.object({
  tx: z.array(z.object({
    txid: z.string(),
    vout: z.array(z.object({ value: z.union([z.number(), z.string()]), scriptPubKey: z.object({ hex: z.string() }) })),
  })),
});

/** Looks through every block of the active chain: no table of ours is asked. */
async function paidOnChain(node: RegtestNode, miners: readonly NameBytes[]) {
  const rpc = createRpc(node.login);
  const scripts = new Map<string, string>();
  for (const miner of miners) scripts.set((await node.node.address(miner)).script!, miner);
  const sums = new Map<string, bigint>();
  const transactions = new Set<string>();
  const tip = Number((await node.node.chainInfo()).tip_height);
  for (let height = 1; height <= tip; height += 1) {
    const hash = await rpc.call(z.string(), 'getblockhash', height);
    const { tx } = await rpc.call(seenBlock, 'getblock', hash, 2);
    for (const { txid, vout } of tx) {
      for (const { value, scriptPubKey } of vout) {
        const miner = scripts.get(scriptPubKey.hex);
        if (miner === undefined) continue;
        transactions.add(txid);
        sums.set(miner, (sums.get(miner) ?? 0n) + parseCoins(value));
      }
    }
  }
  return { transactions: transactions.size, sums };
}

/** An amount of a --json answer. */
export const satoshisOf = (amount: string): Satoshis => parseCoins(coins.parse(amount));
