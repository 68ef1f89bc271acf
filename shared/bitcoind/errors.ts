// What a failed call to the node means. Every code that Bitcoin Core, obtc-core and litecoind document
// (src/rpc/protocol.h) and every way in which HTTP can fail is put into one of the three kinds of
// OutsideFailure; what is not listed is `unknown`, never `retry`: it may have happened. For calls that
// only read, `unknown` does no harm: asking again is all there is to do. Messages name the address of
// the node and the key to correct, never a user name, a password or what was sent.
import { OutsideFailure, type FailureKind } from '../errors.js';

/** Where and what was asked: for the sentence. */
export interface CallContext {
  /** host:port */
  readonly address: string;
  readonly method: string;
  readonly wallet: string | null;
}

interface Meaning {
  readonly kind: FailureKind;
  readonly remedy: string;
}

const refused = (remedy: string): Meaning => ({ kind: 'refused', remedy });
const retry = (remedy: string): Meaning => ({ kind: 'retry', remedy });
const unknown = (remedy: string): Meaning => ({ kind: 'unknown', remedy });

const wrongCall = refused(
  'this node does not understand the call; is it a version that is supported (0.20 or later)?',
);
const nameWallet = refused(
  'name a wallet that the node has loaded in the key "wallet" (see bitcoin-cli listwallets)',
);
const look = unknown('whether it took effect is not known; look before anything else is done');

/** By RPC error code. Codes of peer-to-peer and test commands are absent: we call none of those. */
const meanings: ReadonlyMap<number, Meaning> = new Map([
  [-1, look],
  [-2, refused('the node is in safe mode; see its debug.log')],
  [-3, wrongCall],
  [-4, look],
  [-5, refused('the node does not know or does not accept it')],
  [-6, retry('the wallet is short of spendable coins; see getbalances')],
  [-7, look],
  [-8, wrongCall],
  [-9, retry('the node has no peers; see getnetworkinfo')],
  [-10, retry('the node is still downloading the chain; waiting helps')],
  [-11, refused('the wallet does not have this label')],
  [-12, retry('the wallet has run out of keys; unlock it and run keypoolrefill')],
  [-13, retry('the wallet is locked; set the wallet passphrase (POOL_WALLET_PASSPHRASE) or unlock it')],
  [-14, refused('the wallet passphrase (POOL_WALLET_PASSPHRASE) is wrong')],
  [-15, refused('the wallet is not encrypted: no passphrase is needed')],
  [-16, refused('the wallet could not be encrypted')],
  [-17, refused('the wallet is unlocked already')],
  [-18, nameWallet],
  [-19, nameWallet],
  [-20, look],
  [-22, refused('the node cannot decode these bytes')],
  [-25, look],
  [-26, refused('the mempool does not take it')],
  [-27, refused('it is in a block already')],
  [-28, retry('the node is starting; waiting helps')],
  [-31, refused('the node has its network switched off; see -networkactive')],
  [-32, refused('the node no longer serves this call')],
  [-32600, wrongCall],
  [
    -32601,
    refused('the node does not offer the call: it is too old or runs without a wallet (-disablewallet)'),
  ],
  [-32602, wrongCall],
  [-32603, look],
  [-32700, look],
]);

/** By HTTP status, where the answer is no JSON. */
function meaningOfStatus(status: number, body: string): Meaning {
  if (status === 401 || status === 403) {
    return refused(status === 401
      ? 'it refuses the login; correct btcd.auth and btcd.pass'
      : 'it refuses this machine; add it to rpcallowip in bitcoin.conf, or correct btcd.auth and btcd.pass');
  }
  if (/work queue/i.test(body)) {
    return retry('its work queue is full; waiting helps, and so does a larger rpcworkqueue');
  }
  if (status === 404 || status === 405) return refused('what answers there is not a node; correct btcd.url');
  return unknown('the answer is not from a node or was cut short; correct btcd.url if this goes on');
}

/** Codes of the system or of the HTTP client that say: nothing was ever sent. */
const neverSent = new Set([
  'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN',
  'EADDRNOTAVAIL', 'EMFILE',
]);

/**
 * Turns anything that the HTTP and JSON-RPC client throws into an OutsideFailure; `cause` is what the node
 * said.
 */
export function nodeFailure(thrown: unknown, context: CallContext): OutsideFailure {
  const fault = read(thrown);
  const node = `the node at ${context.address}`;
  if (typeof fault.code === 'number') {
    const http = fault.code >= 100;
    const meaning = http ? meaningOfStatus(fault.code, fault.body) : (meanings.get(fault.code) ?? look);
    const wallet = context.wallet === null ? '' : ` (wallet "${shown(context.wallet)}")`;
    const said = http ? `HTTP ${fault.code}` : `error ${fault.code}, "${shown(fault.message)}"`;
    const sentence = `${context.method}${wallet}: ${node} answers ${said}; ${meaning.remedy}.`;
    return new OutsideFailure(meaning.kind, 'node', sentence, fault.code, { cause: shown(fault.message) });
  }
  if (typeof fault.code === 'string') return connectionFailure(fault.code, fault.connect, context);
  return new OutsideFailure('unknown', 'node',
    `${context.method}: ${node} answers with something that is not a JSON-RPC answer, or with a part of one; `
    + 'correct btcd.url if this goes on.', 'no-json');
}

function connectionFailure(code: string, connect: boolean, context: CallContext): OutsideFailure {
  const { address, method } = context;
  if (neverSent.has(code) || (code === 'ETIMEDOUT' && connect)) {
    return new OutsideFailure('retry', 'node',
      `${method}: no node can be reached at ${address} (${code}); start bitcoind or correct btcd.url.`, code);
  }
  return new OutsideFailure(
    'unknown',
    'node',
    `${method}: the node at ${address} gave no answer (${code}); whether the call took effect is not known.`,
    code,
  );
}

/** An answer came, but a field that we use is missing or of another type. */
export function unreadableAnswer(detail: string, context: CallContext): OutsideFailure {
  return new OutsideFailure(
    'unknown',
    'node',
    `${context.method}: the node at ${context.address} answers in a form that is not understood `
    + `(${shown(detail)}); `
      + 'is it a version that is supported?',
    'unreadable',
  );
}

/** The client throws Errors, RpcErrors with a numeric code, and for bad JSON plain objects. */
function read(thrown: unknown): {
  code: number | string | null;
  connect: boolean;
  message: string;
  body: string;
} {
  const fault = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>;
  const { code, message, body } = fault;
  return {
    code: typeof code === 'number' || typeof code === 'string' ? code : null,
    connect: fault.connect === true,
    message: typeof message === 'string' ? message : '',
    body: typeof body === 'string' ? body : '',
  };
}

/** What comes from outside is shown as one short line of printable ASCII. */
export function shown(text: string): string {
  return text.slice(0, 200).replace(/[^ -~]+/g, ' ').trim();
}
