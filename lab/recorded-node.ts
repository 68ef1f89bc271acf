// Answers JSON-RPC over HTTP from the chain/ folder of a recording, as the recorded node would have done:
// the same error codes, and confirmations that go with the tip. For play at recorded times the tip can
// be set to an earlier block; the node can be unreachable or in initial download. It serves only what
// accounting may ask (and what a person asks by hand); it has no wallet.
//
// By hand: node dist/lab/recorded-node.js <chain folder> [--port N], prints the address and the login.
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { NodeLogin } from '../shared/bitcoind/client.js';
import {
  earlierView, placeInChain, readRecording, wholeView, type ChainView, type RecordedBlock,
  type Recording,
} from './recorded-chain.js';

export interface RecordedNode {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly login: NodeLogin;
  /** How often each method was asked for since the start. */
  readonly calls: ReadonlyMap<string, number>;
  /** False: connections are refused, as by a node that is down. */
  setReachable(reachable: boolean): Promise<void>;
  setInitialDownload(downloading: boolean): void;
  /**
   * A hash, or a height in the chain at the end of the recording; null for the end itself. From the first
   * tip on, only that branch and those set before it (or `learn`ed) are known; null forgets that again.
   */
  setTip(tip: string | number | null): void;
  /** The node gets to know a block beside its chain. */
  learn(hash: string): void;
  close(): Promise<void>;
}

/** An error of the node: HTTP 500 with a JSON body, as bitcoind does. */
class NodeError extends Error {
  constructor(readonly code: number, message: string) { super(message); }
}

/** @throws Error when the folder is no recording's chain/. */
export async function serveRecordedChain(chain_directory: string, port = 0): Promise<RecordedNode> {
  const recording = readRecording(chain_directory);
  const state = { view: wholeView(recording), downloading: false };
  const seen = new Set<string>();
  const calls = new Map<string, number>();
  const user = 'recorded';
  const password = 'recorded-password';

  const server = createServer((request, response) => {
    void respond(request, response, `${user}:${password}`, (method, parameters) => {
      calls.set(method, (calls.get(method) ?? 0) + 1);
      return answer(recording, state.view, state.downloading, method, parameters);
    });
  });
  await listen(server, port);
  const bound_port = (server.address() as AddressInfo).port;
  const url = `127.0.0.1:${bound_port}`;
  return {
    url, user, password, calls,
    login: { url, user, password, wallet: null, passphrase: null },
    setReachable: (reachable) => (reachable ? listen(server, bound_port) : shut(server)),
    setInitialDownload: (downloading) => { state.downloading = downloading; },
    setTip: (tip) => {
      if (tip === null) {
        seen.clear();
        state.view = wholeView(recording);
        return;
      }
      const hash = typeof tip === 'string' ? tip : recording.active[tip];
      if (hash === undefined) throw new RangeError(`the recording holds no block at height ${tip}`);
      state.view = earlierView(recording, hash, seen);
      seen.add(hash);
    },
    learn: (hash) => {
      seen.add(hash);
      state.view = earlierView(recording, state.view.active.at(-1) ?? hash, seen);
    },
    close: () => shut(server),
  };
}

async function listen(server: Server, port: number): Promise<void> {
  if (server.listening) return;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

async function shut(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}

type Answer = (method: string, parameters: readonly unknown[]) => unknown;

const requestShape = z.object({
  id: z.unknown(),
  method: z.string(),
  params: z.array(z.unknown()).default([]),
});

async function respond(
  request: IncomingMessage, response: ServerResponse, login: string, serve: Answer,
): Promise<void> {
  if (!authorised(request.headers.authorization, login)) {
    response.writeHead(401, { 'content-type': 'text/html' }).end();
    return;
  }
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const send = (status: number, body: object) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
  };
  let id: unknown = null;
  try {
    const asked = requestShape.parse(JSON.parse(Buffer.concat(pieces).toString('utf8')));
    id = asked.id;
    send(200, { result: serve(asked.method, asked.params), error: null, id });
  } catch (failure) {
    const code = failure instanceof NodeError ? failure.code : -32700;
    const message = failure instanceof NodeError ? failure.message : 'Parse error';
    send(code === -32601 ? 404 : 500, { result: null, error: { code, message }, id });
  }
}

function authorised(header: string | undefined, login: string): boolean {
  const expected = Buffer.from(`Basic ${Buffer.from(login).toString('base64')}`);
  const given = Buffer.from(header ?? '');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function answer(
  recording: Recording, view: ChainView, downloading: boolean, method: string, parameters: readonly unknown[],
): unknown {
  const tip_height = view.active.length - 1;
  const [first, second] = parameters;
  switch (method) {
    case 'getblockchaininfo': return {
      ...recording.chain_info,
      blocks: tip_height,
      headers:
        recording.active.length - 1 > tip_height && downloading
          ? recording.active.length - 1
          : tip_height,
      bestblockhash: view.active[tip_height],
      initialblockdownload: downloading,
    };
    case 'getnetworkinfo': return recording.network_info;
    case 'getblockcount': return tip_height;
    case 'getbestblockhash': return view.active[tip_height];
    case 'getblockhash': return hashAt(view, first);
    case 'getblockheader': return headerAnswer(knownBlock(recording, view, first));
    case 'getblock': return blockAnswer(knownBlock(recording, view, first), second ?? 1);
    case 'getchaintips': return view.tips;
    case 'validateaddress': return recording.addresses.get(String(first)) ?? { isvalid: false };
    default: throw new NodeError(-32601, 'Method not found');
  }
}

function hashAt(view: ChainView, height: unknown): string {
  if (typeof height !== 'number') throw new NodeError(-1, 'JSON value is not an integer as expected');
  const hash = view.active[height];
  if (hash === undefined) throw new NodeError(-8, 'Block height out of range');
  return hash;
}

function knownBlock(recording: Recording, view: ChainView, hash: unknown): RecordedBlock {
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/i.test(hash)) {
    throw new NodeError(-8, 'blockhash must be of length 64 (not that)');
  }
  const found = view.known.has(hash) ? recording.blocks.get(hash) : undefined;
  if (!found) throw new NodeError(-5, 'Block not found');
  return { ...found, ...placeInChain(view, found) };
}

const headerAnswer = (block: RecordedBlock): unknown =>
  ({ ...without(block, 'tx', 'strippedsize', 'size', 'weight'), nTx: block.tx.length });

function without(value: object, ...keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

function blockAnswer(block: RecordedBlock, verbosity: unknown): unknown {
  if (verbosity === 2) return block;
  if (verbosity === 1 || verbosity === true) return { ...block, tx: block.tx.map(({ txid }) => txid) };
  throw new NodeError(-8, 'a recording has no raw blocks: ask with verbosity 1 or 2');
}

async function main(): Promise<void> {
  const options = { port: { type: 'string', default: '0' } } as const;
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  const [directory] = positionals;
  if (directory === undefined) {
    process.stderr.write('usage: recorded-node <chain folder> [--port N]\n');
    process.exitCode = 2;
    return;
  }
  try {
    const node = await serveRecordedChain(directory, Number(values.port));
    process.stdout.write(`http://${node.user}:${node.password}@${node.url}\n`);
  } catch (failure) {
    process.stderr.write(`${directory} cannot be served as a recorded chain: ${String(failure)}\n`);
    process.exitCode = 2;
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main();
}
