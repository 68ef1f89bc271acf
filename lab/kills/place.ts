// Where one run takes place: a MariaDB and a node of its own, each behind a fault proxy, and a ckpool.conf that names
// the proxies. Both begin as copies of servers that were shut down. `close` ends and removes all of it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { mysqlRequests, rpcRequests, startFaultProxy, type FaultProxy } from '../fault-proxy.js';
import { startMariadb, type PrivateMariadb } from '../mariadb.js';
import { startRegtestNode, type RegtestNode } from '../regtest-node.js';
import type { Past } from './past.js';
import { createPrograms, type Programs } from './programs.js';

/** Directories of a database and a node that were shut down. */
export interface Copied {
  readonly mariadb: string;
  readonly node: string;
}

export type ServerName = 'mysql' | 'rpc';

export interface Place {
  readonly directory: string;
  readonly past: Past;
  readonly mariadb: PrivateMariadb;
  readonly node: RegtestNode;
  readonly proxies: Readonly<Record<ServerName, FaultProxy>>;
  readonly programs: Programs;
  /** SIGKILL, then started again on the same data, which `whole` waits for. */
  killServer(name: ServerName): Promise<void>;
  whole(): Promise<void>;
  /** Ends the servers in order and everything else; what they had stays for others to copy. */
  freeze(): Promise<Copied>;
  close(): Promise<void>;
}

export const pool_fee = { ppm: 12_500n, percent: '1.25' };
export const min_payout = '0.5';

export async function openPlace(past: Past, copied: Copied): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), 'pool-kills-'));
  const opened: (() => Promise<unknown>)[] = [async () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 })];
  const close = async (): Promise<void> => { for (const end of opened.reverse()) await end(); };
  try {
    const [mariadb, node] = await bothOrNone(
      startMariadb([], copied.mariadb), startRegtestNode({ copy_of: copied.node }));
    // Nobody needs what they hold: no time is lost on an orderly end.
    opened.push(() => mariadb.stop(), () => mariadb.kill(), () => node.stop());
    const lastResort = (): void => {
      for (const one of [mariadb.directory, node.directory, directory]) rmSync(one, { recursive: true, force: true, maxRetries: 5 });
    };
    process.once('exit', lastResort);
    opened.push(async () => { process.off('exit', lastResort); });
    const mysql = await startFaultProxy({ target_port: mariadb.port, protocol: mysqlRequests });
    const rpc = await startFaultProxy({ target_port: Number(node.url.split(':')[1]), protocol: rpcRequests });
    opened.push(() => mysql.close(), () => rpc.close());
    const config_file = join(directory, 'ckpool.conf');
    writeFileSync(config_file, configuration(past, node, { mysql, rpc }), { mode: 0o600 });
    const programs = createPrograms(config_file);
    opened.push(() => programs.kill());
    let back: Promise<unknown> = Promise.resolve();
    return {
      directory, past, mariadb, node, programs, close,
      proxies: { mysql, rpc },
      killServer: async (name) => {
        const repair = name === 'mysql' ? await killMariadb(mariadb) : await killNode(node, past);
        back = repair();
        back.catch(() => undefined); // Told by `whole`.
      },
      whole: async () => { await back; },
      freeze: async () => {
        await Promise.all([mariadb.shutDown(), node.shutDown()]);
        return { mariadb: mariadb.directory, node: node.directory };
      },
    };
  } catch (failure) {
    await close();
    throw failure;
  }
}

type Repair = () => Promise<unknown>;

async function killMariadb(mariadb: PrivateMariadb): Promise<Repair> {
  await mariadb.kill();
  return () => mariadb.restart();
}

/** What a killed node had not yet written of the chain it gets again from its peers; here that is us. */
async function killNode(node: RegtestNode, past: Past): Promise<Repair> {
  const tip = z.number().parse(await node.rpc('getblockcount'));
  const blocks: unknown[] = [];
  for (let height = past.solves[0]!.height; height <= tip; height += 1) {
    blocks.push(await node.rpc('getblock', await node.rpc('getblockhash', height), 0));
  }
  await node.kill();
  return async () => {
    await node.restart();
    for (const block of blocks) await node.rpc('submitblock', block);
  };
}

interface Stoppable { stop(): Promise<void> }

/** Two servers started side by side: if one does not, the other is not left behind. */
export async function bothOrNone<A extends Stoppable, B extends Stoppable>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([one, other]);
  if (first.status === 'fulfilled' && second.status === 'fulfilled') return [first.value, second.value];
  for (const outcome of [first, second]) if (outcome.status === 'fulfilled') await outcome.value.stop();
  const failed = first.status === 'rejected' ? first : second;
  throw (failed as PromiseRejectedResult).reason;
}

/** Ordinary settings; maturity is the default. One output for each transaction, so that there are two batches. */
function configuration(past: Past, node: RegtestNode, { mysql, rpc }: Record<ServerName, FaultProxy>): string {
  const settings = {
    btcd: [{ url: `127.0.0.1:${rpc.port}`, auth: node.user, pass: node.password, notify: true }],
    btcaddress: past.pool_address,
    logdir: past.log_directory,
    parser: {
      sql: { auth: 'pool_accounting', pass: 'accounting-secret', host: '127.0.0.1', port: mysql.port, database: 'pool_base' },
      checkmature_period: 0.5,
      checklogs_period: 0.5,
      pool_fee_percent: pool_fee.percent,
      min_payout,
      max_outputs_per_transaction: 1,
      wallet: 'pool',
      payments: { sql: { auth: 'pool_payments', pass: 'payments-secret' } },
    },
  };
  return `${JSON.stringify(settings, null, 2)}\n`;
}
