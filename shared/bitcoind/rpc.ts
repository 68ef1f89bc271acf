// One JSON-RPC call: sent by the package `bitcoin-core`, its answer validated, its failure classified. No
// call is ever repeated here: whether that is safe is for the caller to know. Every call ends in bounded
// time. Connections are not kept: a kept one that the node has just closed would turn a harmless retry into
// an `unknown`, and an idle one would keep the process alive.
import type Client from 'bitcoin-core';
import type { z } from 'zod';
import { ConfigurationFault } from '../errors.js';
import { loadBitcoinCore } from '../packages.js';
import { nodeFailure, unreadableAnswer, type CallContext } from './errors.js';

export interface NodeLogin {
  /** "127.0.0.1:8332" as ckpool writes it, or a whole http URL; /wallet/NAME at its end names the wallet. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** null: the node's only wallet. */
  readonly wallet: string | null;
  /** null: the wallet is not encrypted, or somebody else unlocks it. */
  readonly passphrase: string | null;
  /**
   * Without a byte for this long a call has failed; a whole call may take four times as long. Default 30 s.
   */
  readonly timeout_ms?: number;
}

export interface Rpc {
  /** @throws OutsideFailure */
  call<Answer>(shape: z.ZodType<Answer>, method: string, ...parameters: readonly unknown[]): Promise<Answer>;
}

/**
 * The longest answer is `listsinceblock`, with some 550 bytes for each output ever paid; a full block has about 30 MB.
 * Beyond 512 MB the package throws where nobody catches it.
 */
const answer_bytes_max = 400 * 1024 * 1024;
const silent = { debug: () => undefined };

export function createRpc(login: NodeLogin): Rpc {
  const { origin, address, wallet } = parseNodeUrl(login);
  let client: Client | null = null;
  return {
    async call(shape, method, ...parameters) {
      client ??= openClient(login, origin, wallet);
      const context: CallContext = { address, method, wallet };
      const answer = await client.command<unknown>(method, ...parameters)
        .catch((thrown: unknown) => { throw nodeFailure(thrown, context); });
      const read = shape.safeParse(answer);
      if (read.success) return read.data;
      const issue = read.error.issues[0];
      throw unreadableAnswer(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`, context);
    },
  };
}

function openClient(login: NodeLogin, origin: string, wallet: string | null): Client {
  const timeout_ms = login.timeout_ms ?? 30_000;
  const client = new (loadBitcoinCore())({
    host: origin,
    username: login.user,
    password: login.password,
    timeout: timeout_ms,
    headers: { connection: 'close' },
    // Its own logger would write what we send, the passphrase included, under some settings of DEBUG.
    logger: silent,
    // No `version`: with one, the package refuses calls by its own table. Without, every wallet call
    // goes to the wallet's path.
    ...(wallet === null ? {} : { wallet: encodeURIComponent(wallet) }),
  });
  sendPlainly(client, 4 * timeout_ms);
  return client;
}

interface SentRequest {
  body: unknown;
  once(event: 'response', listener: () => void): void;
  on(event: 'data', listener: (piece: Buffer) => void): void;
  abort(): void;
}
type Post = (options: unknown, done: (failure: Error | null, response: unknown) => void) => SentRequest;

/**
 * The package parses every answer twice, the second time for its log, and there an answer that is a list
 * (from whatever else may listen at that port) throws where nobody can catch it. It leaves out an answer
 * whose request has no body, so the request forgets its body as soon as the answer begins.
 *
 * A server that sends a byte now and then, or without end, must not hold a daemon for ever nor fill its
 * memory: what is given up is cut off, so that nothing of it arrives any more.
 */
function sendPlainly(client: Client, limit_ms: number): void {
  const request = client.request as unknown as { post: Post };
  client.request.postAsync = (options) => new Promise((resolve, reject) => {
    const giveUp = (code: string) => {
      clearTimeout(timer);
      sent.abort();
      reject(Object.assign(new Error('given up'), { code }));
    };
    const timer = setTimeout(() => giveUp('ESOCKETTIMEDOUT'), limit_ms);
    const sent = request.post(options, (failure, response) => {
      clearTimeout(timer);
      if (failure) reject(failure);
      else resolve(response);
    });
    let received = 0;
    sent.on('data', (piece) => {
      received += piece.length;
      if (received > answer_bytes_max) giveUp('EMSGSIZE');
    });
    sent.once('response', () => { sent.body = undefined; });
  });
}

/** @throws ConfigurationFault when it is no address of a node. */
export function parseNodeUrl(login: { readonly url: string; readonly wallet: string | null }):
  { origin: string; address: string; wallet: string | null } {
  const text = /^[a-z]+:\/\//i.test(login.url) ? login.url : `http://${login.url}`;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || url.hostname === '' || !/^https?:$/.test(url.protocol)) {
    throw new ConfigurationFault(
      ['btcd.url is not the address of a node; write host:port, such as "127.0.0.1:8332".']);
  }
  const path = /^\/wallet\/([^/]+)\/?$/.exec(url.pathname);
  if (!path && url.pathname !== '/') {
    throw new ConfigurationFault([
      'btcd.url has a path that no node serves; write host:port and put the name of the wallet in "wallet".',
    ]);
  }
  return {
    origin: `${url.protocol}//${url.host}`,
    address: url.host,
    wallet: login.wallet ?? (path?.[1] === undefined ? null : unescaped(path[1])),
  };
}

function unescaped(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
