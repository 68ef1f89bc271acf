// A real node in regtest, thrown away afterwards: bitcoind (obtc-core's too) from PATH, else litecoind. It
// listens on a free loopback port for RPC only and has no peers. Order: directory, process, wait through
// warm-up, wallet. `stop` ends the process and removes the directory, also when `kill` came before; should
// this process end without it, the node is killed with it. It never touches another node or its directory.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { createNode, type NodeLogin } from '../shared/bitcoind/client.js';
import type { WalletNode } from '../shared/bitcoind/node.js';
import { createRpc } from '../shared/bitcoind/rpc.js';
import { OutsideFailure } from '../shared/errors.js';
import { blockHash, type BlockHash } from '../shared/units.js';

export type AddressType = 'bech32' | 'legacy' | 'p2sh-segwit';

export interface RegtestOptions {
  /** Path of bitcoind or litecoind; default: the first on PATH. */
  readonly binary?: string;
  /** The directory of a node that was shut down: this one begins with its chain and wallets. */
  readonly copy_of?: string;
  /** More arguments for the node, such as "-persistmempool=0". */
  readonly arguments?: readonly string[];
  /** Limit for each start and each stop. Default 60 s. */
  readonly timeout_ms?: number;
}

export interface RegtestNode {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** For createNode; the wallet is the node's only one and not encrypted. */
  readonly login: NodeLogin;
  readonly node: WalletNode;
  readonly directory: string;
  /** null while it does not run. */
  readonly pid: number | null;
  rpc(method: string, ...parameters: readonly unknown[]): Promise<unknown>;
  /** Mines blocks on the tip, to a new address unless one is given, with all that the mempool has. */
  mine(blocks: number, address?: string): Promise<BlockHash[]>;
  /** Mines one block on the tip with exactly these transactions (raw hex or txids of the mempool). */
  mineOnly(transactions: readonly string[], address?: string): Promise<BlockHash>;
  newAddress(type?: AddressType): Promise<string>;
  invalidate(hash: BlockHash): Promise<void>;
  reconsider(hash: BlockHash): Promise<void>;
  /**
   * Replaces the last `depth` blocks by `length` others, `length` > `depth`; the old ones stay as a valid
   * fork. Returns the new blocks. A block equal to a replaced one is refused by the node: give an address
   * that the replaced blocks do not pay.
   */
  reorg(depth: number, length?: number, address?: string): Promise<BlockHash[]>;
  /** Ends the process in order and starts it again on the same directory and port; also after `kill`. */
  restart(more_arguments?: readonly string[]): Promise<void>;
  /** Ends the process in order; the directory stays. */
  shutDown(): Promise<void>;
  /** SIGKILL; the directory stays. */
  kill(): Promise<void>;
  /** Ends the process and removes the directory. May be called twice. */
  stop(): Promise<void>;
}

const wallet_name = 'pool';

/** @throws Error, one sentence that says what to install, when there is no node on PATH. */
export function findNodeBinary(): string {
  for (const name of ['bitcoind', 'litecoind']) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const file = join(folder, name);
      if (folder !== '' && isExecutable(file)) return file;
    }
  }
  throw new Error(
    'There is neither bitcoind nor litecoind on PATH: '
      + "install obtc-core, or Debian's package litecoind.",
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export async function startRegtestNode(options: RegtestOptions = {}): Promise<RegtestNode> {
  const binary = options.binary ?? findNodeBinary();
  const timeout_ms = options.timeout_ms ?? 60_000;
  const directory = await mkdtemp(join(tmpdir(), 'regtest-node-'));
  if (options.copy_of !== undefined) await cp(options.copy_of, directory, { recursive: true });
  const user = 'regtest';
  const password = randomBytes(16).toString('hex');
  await writeFile(join(directory, 'node.conf'), `rpcuser=${user}\nrpcpassword=${password}\n`, {
    mode: 0o600,
  });
  const port = await freePort();
  const url = `127.0.0.1:${port}`;
  const login: NodeLogin = { url, user, password, wallet: null, passphrase: null, timeout_ms };
  const client = createRpc(login);
  const rpc: RegtestNode['rpc'] = (method, ...parameters) => client.call(z.unknown(), method, ...parameters);

  let running: ChildProcess | null = null;
  const start = async (more_arguments: readonly string[] = []) => {
    const child = spawnNode(binary, directory, port, [...(options.arguments ?? []), ...more_arguments]);
    running = child;
    await untilReady(child, rpc, timeout_ms);
    await openWallet(rpc);
  };
  const shutDown = async () => {
    const child = running;
    if (!child) return;
    await rpc('stop').catch(() => child.kill('SIGTERM'));
    await ended(child, timeout_ms);
    running = null;
  };
  const kill = async () => {
    const child = running;
    if (!child) return;
    child.kill('SIGKILL');
    await ended(child, timeout_ms);
    running = null;
  };
  const stop = async () => {
    await kill();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await start();
  } catch (failure) {
    await stop();
    throw failure;
  }
  return {
    url, user, password, login, directory, rpc, shutDown, kill, stop,
    node: createNode(login),
    get pid() { return running?.pid ?? null; },
    restart: async (more_arguments) => {
      await shutDown();
      await start(more_arguments);
    },
    ...mining(rpc),
  };
}

type Mining = Pick<RegtestNode, 'mine' | 'mineOnly' | 'newAddress' | 'invalidate' | 'reconsider' | 'reorg'>;

function mining(rpc: RegtestNode['rpc']): Mining {
  const newAddress = async (type: AddressType = 'bech32') =>
    z.string().parse(await rpc('getnewaddress', '', type));
  const mine = async (blocks: number, address?: string) => {
    const hashes = await rpc('generatetoaddress', blocks, address ?? await newAddress());
    return z.array(z.string()).parse(hashes).map(blockHash);
  };
  const invalidate = async (hash: BlockHash) => { await rpc('invalidateblock', hash); };
  const reconsider = async (hash: BlockHash) => { await rpc('reconsiderblock', hash); };
  return {
    newAddress, mine, invalidate, reconsider,
    mineOnly: async (transactions, address) => {
      const block = await rpc('generateblock', address ?? await newAddress(), transactions);
      return blockHash(z.object({ hash: z.string() }).parse(block).hash);
    },
    reorg: async (depth, length = depth + 1, address) => {
      if (length <= depth) throw new RangeError('the new branch must be longer than the old one');
      const tip_height = z.number().parse(await rpc('getblockcount'));
      const first = blockHash(z.string().parse(await rpc('getblockhash', tip_height - depth + 1)));
      await invalidate(first);
      const hashes = await mine(length, address);
      await reconsider(first);
      return hashes;
    },
  };
}

function spawnNode(binary: string, directory: string, port: number, more: readonly string[]): ChildProcess {
  // Litecoin's regtest starts extension blocks at height 432 and then refuses plain ones: never start them.
  const litecoin = /litecoind$/.test(binary) ? ['-vbparams=mweb:9999999999:99999999999'] : [];
  const child = spawn(
    binary,
    [
      '-regtest',
      `-datadir=${directory}`,
      `-conf=${join(directory, 'node.conf')}`,
      '-server',
      `-rpcport=${port}`,
      '-rpcbind=127.0.0.1',
      '-rpcallowip=127.0.0.1',
      '-listen=0',
      '-dnsseed=0',
      '-discover=0',
      '-fallbackfee=0.0001',
      '-keypool=20',
      '-dbcache=32',
      '-par=1',
      '-printtoconsole=0',
      ...litecoin,
      ...more,
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      // Debian's litecoind is a script that makes ~/.litecoin first.
      env: { ...process.env, HOME: directory },
    },
  );
  const killWithUs = () => { child.kill('SIGKILL'); };
  process.once('exit', killWithUs);
  child.once('exit', () => process.off('exit', killWithUs));
  return child;
}

/** Waits through "connection refused" and warm-up (-28). */
async function untilReady(child: ChildProcess, rpc: RegtestNode['rpc'], timeout_ms: number): Promise<void> {
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => { said = (said + bytes.toString()).slice(-500); });
  child.once('error', (failure) => { said = failure.message; });
  const limit_ms = performance.now() + timeout_ms;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw new Error(`The regtest node ended at its start: ${said.trim()}`);
    }
    try {
      await rpc('getblockcount');
      return;
    } catch (failure) {
      if (!(failure instanceof OutsideFailure) || failure.kind !== 'retry') throw failure;
      if (performance.now() > limit_ms) throw failure;
    }
    await wait(50);
  }
}

/** Up to 0.20 a wallet is there; later versions load none and make none by themselves. */
async function openWallet(rpc: RegtestNode['rpc']): Promise<void> {
  if (z.array(z.string()).parse(await rpc('listwallets')).length > 0) return;
  await rpc('loadwallet', wallet_name).catch(() => rpc('createwallet', wallet_name));
}

async function ended(child: ChildProcess, timeout_ms: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const limit = setTimeout(() => child.kill('SIGKILL'), timeout_ms);
  await once(child, 'exit');
  clearTimeout(limit);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
