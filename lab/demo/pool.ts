// The throwaway pool's ground: a directory, a real node in regtest with one wallet for the pool and one for
// everybody else, addresses, and a ckpool.conf as an operator would write it. Miners' addresses come from the
// other wallet, because payments pays no script of the pool's own. Nothing here outlives `close`.
import { rmSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { parseCoins } from '../../shared/amount.js';
import { createRpc, type Rpc } from '../../shared/bitcoind/rpc.js';
import type { Satoshis } from '../../shared/units.js';
import { startRegtestNode, type RegtestNode } from '../regtest-node.js';

export interface ThrowawayPool {
  readonly directory: string;
  readonly config_file: string;
  readonly log_directory: string;
  readonly database_file: string;
  readonly node: RegtestNode;
  readonly pool_address: string;
  /** Who mines the blocks in between. */
  readonly stranger_address: string;
  newMinerAddress(): Promise<string>;
  /** What the miners' wallet has received there in blocks, as the wallet itself counts it. */
  received(address: string): Promise<Satoshis>;
  /** Ends the node; removes the directory too unless told to keep it. */
  close(keep: boolean): Promise<void>;
  /** The same at once, for the last moment of the process. */
  abandon(): void;
}

const pool_wallet = 'demo-pool';
const miners_wallet = 'demo-miners';

export const payout_confirmations = 6;
/** In ppm and as it stands in the configuration. */
export const pool_fee = { ppm: 10_000n, percent: '1' };

export async function startPool(binary: string): Promise<ThrowawayPool> {
  const directory = await mkdtemp(join(tmpdir(), 'obtc-demo-'));
  let node: RegtestNode | null = null;
  try {
    node = await startRegtestNode({ binary });
    for (const wallet of [pool_wallet, miners_wallet]) await node.rpc('createwallet', wallet);
    const pool = createRpc({ ...node.login, wallet: pool_wallet });
    const miners = createRpc({ ...node.login, wallet: miners_wallet });
    const pool_address = await newAddress(pool);
    const config_file = join(directory, 'ckpool.conf');
    await writeFile(config_file, configuration(node, pool_address), { mode: 0o600 });
    await chmod(directory, 0o700);
    return {
      directory,
      config_file,
      node,
      pool_address,
      log_directory: join(directory, 'logs'),
      database_file: join(directory, 'pool_base.sqlite'),
      stranger_address: await newAddress(miners),
      newMinerAddress: () => newAddress(miners),
      received: async (address) =>
        parseCoins(await miners.call(z.number(), 'getreceivedbyaddress', address, 1)),
      ...endings(node, directory),
    };
  } catch (failure) {
    await node?.stop();
    await rm(directory, { recursive: true, force: true });
    throw failure;
  }
}

function endings(node: RegtestNode, directory: string): Pick<ThrowawayPool, 'close' | 'abandon'> {
  return {
    close: async (keep) => {
      await node.stop();
      if (!keep) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
    abandon: () => {
      if (node.pid !== null) process.kill(node.pid, 'SIGKILL');
      for (const one of [node.directory, directory]) {
        rmSync(one, { recursive: true, force: true, maxRetries: 5 });
      }
    },
  };
}

const newAddress = (wallet: Rpc): Promise<string> => wallet.call(z.string(), 'getnewaddress', '', 'bech32');

/**
 * Ordinary settings; only the periods are short, so that nobody has to wait. Maturity is the default, 100.
 */
function configuration(node: RegtestNode, pool_address: string): string {
  const settings = {
    btcd: [{ url: node.url, auth: node.user, pass: node.password, notify: true }],
    btcaddress: pool_address,
    logdir: 'logs',
    parser: {
      checkmature_period: 1,
      checklogs_period: 1,
      pool_fee_percent: pool_fee.percent,
      min_payout: '2',
      payout_confirmations,
      wallet: pool_wallet,
    },
  };
  return `${JSON.stringify(settings, null, '\t')}\nWritten by the demo.\n`;
}
