// A node over HTTP whose chain is a formula: as many blocks as asked for, each paying the pool, at no cost, so that
// what is measured is the daemon. It answers what payments asks of a node and its wallet, counts the questions, and
// changes only when a row raises the tip. Coinbases up to `spent_to` are spent, the later ones are the wallet's coins.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readAddress } from '../lab/simulated-node/addresses.js';
import type { NodeLogin } from '../shared/bitcoind/client.js';

/** The pool's address, and what each block pays it. */
export const still_pool_address = `sim1q${'ab'.repeat(20)}`;
export const still_reward_sats = 5_000_000_000n;
const still_reward_coins = '50.00000000';
const coinbase_maturity = 100;
/** Questions of one pass come closer together than that. */
const visit_pause_ms = 300;

/** In SQL the same: lpad(lower(hex(height)), 64, '0') and concat('c', lpad(lower(hex(height)), 63, '0')). */
export const hashAt = (height: number): string => height.toString(16).padStart(64, '0');
export const coinbaseAt = (height: number): string => `c${height.toString(16).padStart(63, '0')}`;

export interface StillNode {
  readonly login: NodeLogin;
  /** How often each method was asked for since the start. */
  readonly calls: ReadonlyMap<string, number>;
  readonly calls_total: number;
  /** How often somebody came to ask after a while without a question. */
  readonly visits: number;
  tip_height: number;
  close(): Promise<void>;
}

class NodeError extends Error {
  constructor(readonly code: number, message: string) { super(message); }
}

export async function serveStillNode(tip_height: number, spent_to: number): Promise<StillNode> {
  const chain = { tip_height, spent_to };
  const calls = new Map<string, number>();
  let visits = 0;
  let last_ms = -Infinity;
  const server = createServer((request, response) => {
    void respond(request, response, (method, parameters) => {
      calls.set(method, (calls.get(method) ?? 0) + 1);
      const now_ms = performance.now();
      if (now_ms - last_ms > visit_pause_ms) visits += 1;
      last_ms = now_ms;
      return answer(chain, method, parameters);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    login: { url, user: 'still', password: 'still', wallet: null, passphrase: null },
    calls,
    get calls_total() { return [...calls.values()].reduce((sum, count) => sum + count, 0); },
    get visits() { return visits; },
    get tip_height() { return chain.tip_height; },
    set tip_height(height) { chain.tip_height = height; },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function respond(
  request: IncomingMessage, response: ServerResponse, serve: (method: string, parameters: readonly unknown[]) => unknown,
): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const send = (status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
  };
  const { id, method, params = [] } = JSON.parse(Buffer.concat(pieces).toString('utf8')) as
    { id: unknown; method: string; params?: unknown[] };
  try {
    send(200, { result: serve(method, params), error: null, id });
  } catch (failure) {
    if (!(failure instanceof NodeError)) throw failure;
    send(failure.code === -32601 ? 404 : 500, { result: null, error: { code: failure.code, message: failure.message }, id });
  }
}

interface Chain {
  readonly tip_height: number;
  readonly spent_to: number;
}

function answer(chain: Chain, method: string, [first, second]: readonly unknown[]): unknown {
  const { tip_height } = chain;
  switch (method) {
    case 'getblockchaininfo': return {
      chain: 'regtest', initialblockdownload: false, blocks: tip_height, headers: tip_height, bestblockhash: hashAt(tip_height),
    };
    case 'getblockhash':
      if (Number(first) > tip_height) throw new NodeError(-8, 'Block height out of range');
      return hashAt(Number(first));
    case 'getblockheader': return header(chain, String(first));
    case 'getblock': {
      const block = header(chain, String(first));
      const vout = [{ value: still_reward_coins, n: 0, scriptPubKey: { hex: scriptOf(still_pool_address) } }];
      return { ...block, tx: [{ txid: coinbaseAt(block.height), vin: [{ coinbase: '00' }], vout }] };
    }
    case 'validateaddress': {
      const known = readAddress(String(first));
      return known ? { isvalid: true, scriptPubKey: known.script, witness_version: known.witness_version ?? undefined }
        : { isvalid: false };
    }
    case 'getaddressinfo': return { ismine: first === still_pool_address };
    case 'listunspent': return coins(chain);
    case 'gettxout': return coins(chain).filter(({ txid }) => txid === first && second === 0)
      .map(({ confirmations }) => ({
        value: still_reward_coins, confirmations, coinbase: true, scriptPubKey: { hex: scriptOf(still_pool_address) },
      }))[0] ?? null;
    case 'getbalances': return { mine: { trusted: '0.00000000', untrusted_pending: '0.00000000', immature: '0.00000000' } };
    case 'getnetworkinfo': return { relayfee: '0.00001000' };
    case 'getmempoolinfo': return { mempoolminfee: '0.00001000' };
    case 'estimatesmartfee': return {};
    case 'listsinceblock': return { transactions: [] };
    case 'gettransaction': throw new NodeError(-5, 'Invalid or non-wallet transaction id');
    default: throw new NodeError(-32601, 'Method not found');
  }
}

const scriptOf = (address: string): string => readAddress(address)?.script ?? '';

function header({ tip_height }: Chain, hash: string) {
  const height = parseInt(hash, 16);
  if (!(height <= tip_height) || hashAt(height) !== hash) throw new NodeError(-5, 'Block not found');
  return {
    hash, height, confirmations: tip_height - height + 1, time: 1_700_000_000 + height, nonce: 0,
    ...(height === 0 ? {} : { previousblockhash: hashAt(height - 1) }),
  };
}

function coins({ tip_height, spent_to }: Chain) {
  const mature = Math.max(0, tip_height - coinbase_maturity - spent_to);
  return Array.from({ length: mature }, (_, index) => ({
    txid: coinbaseAt(spent_to + 1 + index), vout: 0, amount: still_reward_coins,
    scriptPubKey: scriptOf(still_pool_address), confirmations: tip_height - spent_to - index,
  }));
}
