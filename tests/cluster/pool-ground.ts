// The ground of the story on a cluster: three nodes with the two logins of grants.sql, two fronts before them, a
// real node in regtest with the pool's wallet and one for the miners, and a ckpool.conf for each front, as two
// machines would have them. The fronts begin at different nodes, so that two instances of a daemon write on two.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { startFront, type ClusterFront } from '../../lab/cluster-front.js';
import { startRegtestNode, type AddressType, type RegtestNode } from '../../lab/regtest-node.js';
import { parseCoins } from '../../shared/amount.js';
import { createRpc } from '../../shared/bitcoind/rpc.js';
import { splitStatements } from '../../shared/database/statements.js';
import type { Satoshis } from '../../shared/units.js';
import { run } from '../programs.js';
import type { PoolGround } from '../scenario/miners.js';
import { database_name, layCluster, type Cluster } from './ground.js';

/** One machine with daemons: its way to the cluster, its configuration. */
export interface Machine {
  readonly front: ClusterFront;
  readonly config_file: string;
}

export interface ClusterGround extends PoolGround {
  readonly directory: string;
  readonly cluster: Cluster;
  readonly first: Machine;
  readonly second: Machine;
  minerAddress(type: AddressType): Promise<string>;
  received(address: string): Promise<Satoshis>;
  close(): Promise<void>;
}

export const payout_confirmations = 3;
const miners_wallet = 'miners';

export async function layClusterGround(): Promise<ClusterGround> {
  const directory = mkdtempSync(join(tmpdir(), 'pool-cluster-'));
  const log_directory = join(directory, 'logs');
  mkdirSync(log_directory);
  const [cluster, node] = await Promise.all([layCluster(), startRegtestNode()]);
  await node.rpc('createwallet', miners_wallet);
  const wallet = (name: string) => createRpc({ ...node.login, wallet: name });
  const addressOf = (name: string, type: AddressType) => wallet(name).call(z.string(), 'getnewaddress', '', type);
  const pool_address = await addressOf('pool', 'bech32');
  const [one, two, three] = cluster.nodes;
  const machine = async (name: string, nodes: Parameters<typeof startFront>[0]): Promise<Machine> => {
    const front = await startFront(nodes);
    const config_file = join(directory, `${name}.conf`);
    writeFileSync(config_file, configuration(node, front, pool_address), { mode: 0o600 });
    return { front, config_file };
  };
  const first = await machine('first', [one!, two!, three!]);
  const second = await machine('second', [three!, two!, one!]);
  await grantLogins(cluster, first);
  return {
    directory, log_directory, cluster, node, pool_address, first, second,
    stranger_address: await addressOf(miners_wallet, 'bech32'),
    minerAddress: (type) => addressOf(miners_wallet, type),
    received: async (address) => parseCoins(await wallet(miners_wallet).call(z.number(), 'getreceivedbyaddress', address, 1)),
    close: async () => {
      await node.stop();
      await Promise.all([first.front.close(), second.front.close()]);
      await cluster.stop();
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Through a front every client comes from its address, so the logins are of 127.0.0.1 here. */
async function grantLogins(cluster: Cluster, { config_file }: Machine): Promise<void> {
  const migrated = await run('accounting', ['migrate', '--user', 'root', '-c', config_file]);
  if (migrated.status !== 0) throw new Error(`migrate failed: ${migrated.stderr}`);
  const administrator = await cluster.nodes[0]!.administrator(database_name);
  const grants = readFileSync(new URL('../../sql/mysql/grants.sql', import.meta.url), 'utf8')
    .replaceAll("'localhost'", "'127.0.0.1'").replace(/@@(\w+)_password@@/g, '$1-secret');
  for (const statement of splitStatements(grants)) await administrator.knex.raw(statement);
  await administrator.close();
}

function configuration(node: RegtestNode, front: ClusterFront, pool_address: string): string {
  return JSON.stringify({
    btcd: [{ url: node.url, auth: node.user, pass: node.password, notify: true }],
    btcaddress: pool_address,
    logdir: 'logs',
    parser: {
      sql: { auth: 'pool_accounting', pass: 'accounting-secret', host: '127.0.0.1', port: front.port, database: database_name },
      checkmature_period: 0.5, checklogs_period: 0.5, min_payout: '0.5', payout_confirmations, wallet: 'pool',
      payments: { sql: { auth: 'pool_payments', pass: 'payments-secret' } },
    },
  });
}
