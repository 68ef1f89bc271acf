// What has happened before the daemons come: a pool with share logs, three miners (one under a name that is no
// address), four blocks of which one became an orphan. Written by the simulated ckpool and really mined on a node in
// regtest. The log is only read afterwards, so every run has the same one, not a copy.
import { join } from 'node:path';
import { z } from 'zod';
import { createRpc } from '../../shared/bitcoind/rpc.js';
import { userOfWorker, type NameBytes } from '../../shared/username.js';
import { startMining, type Miner, type Solve } from '../demo/mining.js';
import type { RegtestNode } from '../regtest-node.js';

export interface Past {
  readonly log_directory: string;
  readonly pool_address: string;
  readonly stranger_address: string;
  readonly miners: readonly Miner[];
  /** In the order of the log, the orphan among them. */
  readonly solves: readonly Solve[];
  readonly orphan: Solve;
}

const miners_wallet = 'miners';

export async function makePast(node: RegtestNode, directory: string): Promise<Past> {
  await node.rpc('createwallet', miners_wallet);
  const addressOf = (wallet: string): Promise<string> =>
    createRpc({ ...node.login, wallet }).call(z.string(), 'getnewaddress', '', 'bech32');
  const pool_address = await addressOf('pool');
  const stranger_address = await addressOf(miners_wallet);
  const log_directory = join(directory, 'logs');
  const [alice, bob, garage] = [
    minerOf('alice', await addressOf(miners_wallet), ['.rig1', '_rig2'], 6),
    minerOf('bob', await addressOf(miners_wallet), [''], 9),
    { ...minerOf('garage', "x');DROP TABLE blocks;--", [''], 3), address: null },
  ];
  const miners = [alice, bob, garage];
  const pool = { node, log_directory, pool_address, stranger_address };
  const mining = await startMining(pool, miners, new AbortController().signal);
  for (const miner of miners) mining.join(miner);
  await mining.minutes(1);
  await mining.solve(alice.workers[0]);
  await mining.minutes(1);
  await mining.solve(bob.workers[0]);
  await mining.minutes(1);
  const orphan = await mining.solve(alice.workers[1]);
  await mining.orphanTip();
  await mining.minutes(1);
  await mining.solve(garage.workers[0]);
  await mining.minutes(1);
  await mining.strangerBlocks(1);
  mining.end();
  return { log_directory, pool_address, stranger_address, miners, solves: mining.solves, orphan };
}

function minerOf(name: string, user: string, suffixes: readonly string[], shares_per_minute: number): Miner {
  const workers = suffixes.map((suffix) => `${user}${suffix}` as NameBytes);
  return { name, user: userOfWorker(workers[0]!), address: user, workers, shares_per_minute };
}
