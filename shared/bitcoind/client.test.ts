// What goes wrong between us and a node, produced by a server that misbehaves on purpose, and by a real node
// in the states that a stub could only imitate.
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startRegtestNode, type RegtestNode } from '../../lab/regtest-node.js';
import { ConfigurationFault, OutsideFailure } from '../errors.js';
import { blockHash, blockHeight, satoshis } from '../units.js';
import { createNode } from './client.js';
import { nodeFailure } from './errors.js';
import type { WalletNode } from './node.js';
import { parseNodeUrl } from './rpc.js';

const secret = 'a-very-secret-password';
const passphrase = 'a-very-secret-passphrase';
const some_hash = blockHash('ab'.repeat(32));

const open: { close(): void }[] = [];
afterEach(() => { for (const server of open.splice(0)) server.close(); });

async function stub(listener: RequestListener, timeout_ms = 2000): Promise<WalletNode> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1');
  open.push({ close: () => { server.close(); server.closeAllConnections(); } });
  await once(server, 'listening');
  return nodeAt((server.address() as AddressInfo).port, timeout_ms);
}

const nodeAt = (port: number, timeout_ms = 2000) =>
  createNode({ url: `127.0.0.1:${port}`, user: 'user', password: secret, wallet: null, passphrase, timeout_ms });

const says = (status: number, body: string, type = 'application/json'): RequestListener => (request, response) => {
  request.resume().on('end', () => response.writeHead(status, { 'content-type': type }).end(body));
};
const result = (value: string): RequestListener => says(200, `{"result":${value},"error":null,"id":1}`);
const error = (code: number, message: string): RequestListener =>
  says(500, JSON.stringify({ result: null, error: { code, message }, id: 1 }));

async function failureOf(work: Promise<unknown>): Promise<OutsideFailure> {
  const failure = await work.then(() => expect.fail('it did not fail'), (thrown: unknown) => thrown);
  expect(failure).toBeInstanceOf(OutsideFailure);
  const { message } = failure as OutsideFailure;
  expect(message).not.toContain(secret);
  expect(message).not.toContain(passphrase);
  expect(message).toMatch(/^[ -~]{20,600}[.?]$/);
  return failure as OutsideFailure;
}

describe('an answer that is none: what is not known to have failed is unknown', () => {
  it.each([
    ['401: wrong login', says(401, '', 'text/html'), 'refused', /btcd\.auth and btcd\.pass/],
    ['403: this machine is not allowed', says(403, '', 'text/html'), 'refused', /rpcallowip/],
    ['404: something else than a node', says(404, 'Not Found', 'text/plain'), 'refused', /btcd\.url/],
    ['500: full work queue in plain text', says(500, 'Work queue depth exceeded', 'text/plain'), 'retry', /work queue/],
    ['503: full work queue of later versions', says(503, 'Work queue depth exceeded', 'text/plain'), 'retry', /work queue/],
    ['500: another plain text', says(500, 'oops', 'text/plain'), 'unknown', /HTTP 500/],
    ['502: a proxy', says(502, '<html>bad gateway</html>', 'text/html'), 'unknown', /HTTP 502/],
    ['HTML with status 200', says(200, '<!doctype html><p>hello', 'text/html'), 'unknown', /not a JSON-RPC answer/],
    ['an empty body', says(200, ''), 'unknown', /not a JSON-RPC answer/],
    ['truncated JSON', says(200, '{"result":"00000000'), 'unknown', /not a JSON-RPC answer/],
    ['a list', says(200, '[1]'), 'unknown', /./],
    ['a list of answers', says(200, '[{"id":7,"result":1,"error":null}]'), 'unknown', /./],
    ['a JSON null', says(200, 'null'), 'unknown', /./],
    ['JSON without error and result', says(200, '{}'), 'unknown', /./],
    ['duplicate keys', says(200, '{"result":1,"result":2,"error":null}'), 'unknown', /not a JSON-RPC answer/],
    ['a result of another type', result('17'), 'unknown', /form that is not understood/],
    ['a result with control bytes', result('"\\u001b[2J"'), 'unknown', /form that is not understood/],
    ['an error with control bytes', error(-1, '\u001b[2J\nforged line'), 'unknown', /"\[2J forged line"/],
  ] as const)('fault 14: %s', async (_, listener, kind, sentence) => {
    const node = await stub(listener);
    const failure = await failureOf(node.blockHashAt(blockHeight(1)));
    expect(failure).toMatchObject({ kind, where: 'node' });
    expect(failure.message).toMatch(sentence);
  });

  it('fault 14: nobody listens: certainly nothing happened', async () => {
    const server = createSocketServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    expect(await failureOf(nodeAt(port).broadcast('00'))).toMatchObject({ kind: 'retry', code: 'ECONNREFUSED' });
  });

  it('a name that nobody has: certainly nothing happened', async () => {
    const node = createNode({ url: 'no-such-host.invalid:1', user: '', password: '', wallet: null, passphrase: null });
    expect(await failureOf(node.chainInfo())).toMatchObject({ kind: 'retry' });
  });

  it.each([
    ['hangs up at once', (socket: Socket) => socket.destroy()],
    ['hangs up after the request', (socket: Socket) => socket.once('data', () => socket.destroy())],
    ['hangs up within the answer', (socket: Socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"result":'))],
    ['speaks no HTTP', (socket: Socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
  ])('fault 14: a server that %s: unknown', async (_, behave) => {
    const server = createSocketServer((socket) => {
      socket.on('error', () => undefined);
      behave(socket);
    }).listen(0, '127.0.0.1');
    open.push(server);
    await once(server, 'listening');
    expect((await failureOf(nodeAt((server.address() as AddressInfo).port).broadcast('00'))).kind).toBe('unknown');
  });

  it('an answer that never comes: unknown, in bounded time (D-34)', async () => {
    const node = await stub(() => undefined, 150);
    expect(await failureOf(node.broadcast('00'))).toMatchObject({ kind: 'unknown', code: 'ESOCKETTIMEDOUT' });
  });

  it('an answer that drips for ever: unknown, in bounded time (D-34)', async () => {
    let drip: NodeJS.Timeout | undefined;
    const node = await stub((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      drip = setInterval(() => response.write(' '), 20);
    }, 100);
    expect((await failureOf(node.broadcast('00'))).kind).toBe('unknown');
    clearInterval(drip);
  });
});

describe('RPC errors', () => {
  it.each([
    [-28, 'Loading block index...', 'retry', /starting/],
    [-10, 'is downloading blocks...', 'retry', /downloading/],
    [-9, 'is not connected!', 'retry', /no peers/],
    [-13, 'Please enter the wallet passphrase', 'retry', /locked/],
    [-14, 'incorrect', 'refused', /POOL_WALLET_PASSPHRASE/],
    [-18, 'No wallet is loaded.', 'refused', /key "wallet"/],
    [-19, 'Wallet file not specified', 'refused', /key "wallet"/],
    [-6, 'Insufficient funds', 'retry', /short of spendable coins/],
    [-4, 'Transaction too large', 'unknown', /not known/],
    [-32601, 'Method not found', 'refused', /disablewallet/],
    [-4711, 'never heard of', 'unknown', /not known/],
  ] as const)('fault 15: %d (%s)', async (code, message, kind, sentence) => {
    const node = await stub(error(code, message));
    const failure = await failureOf(node.balances());
    expect(failure).toMatchObject({ kind, code });
    expect(failure.message).toMatch(sentence);
  });

  it('a code that nobody listed is unknown, never retry', () => {
    const listed_as_retry = new Set([-6, -9, -10, -12, -13, -28]);
    for (let code = -60; code < 0; code += 1) {
      const { kind } = nodeFailure({ code, message: '' }, { address: 'a:1', method: 'm', wallet: null });
      expect(kind === 'retry').toBe(listed_as_retry.has(code));
    }
    expect(nodeFailure(undefined, { address: 'a:1', method: 'm', wallet: null }).kind).toBe('unknown');
  });

  it.each([
    [-27, 'transaction already in block chain', { outcome: 'already_in_chain' }],
    [-27, 'Transaction outputs already in utxo set', { outcome: 'already_in_chain' }],
    [-25, 'bad-txns-inputs-missingorspent', { outcome: 'inputs_missing' }],
    [-25, 'Missing inputs', { outcome: 'inputs_missing' }],
    [-25, 'Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)', { outcome: 'rejected', reason: 'Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)' }],
    [-26, 'dust', { outcome: 'rejected', reason: 'dust' }],
    [-26, 'txn-already-in-mempool', { outcome: 'accepted' }],
    [-26, 'txn-already-known', { outcome: 'already_in_chain' }],
    [-22, 'TX decode failed', { outcome: 'rejected', reason: 'TX decode failed' }],
  ] as const)('broadcast: %d %s', async (code, message, outcome) => {
    expect(await (await stub(error(code, message))).broadcast('00')).toEqual(outcome);
  });

  it.each([
    [-5, 'Block not found'], [-1, 'Block not found on disk'], [-1, 'Block not available (not fully downloaded)'], [-32603, 'Block not available'],
  ])('a block that is not here is null: %d %s', async (code, message) => {
    expect(await (await stub(error(code, message))).blockWithCoinbase(some_hash)).toBeNull();
  });

  it('a pruned block is a failure that a person must mend', async () => {
    const node = await stub(error(-1, 'Block not available (pruned data)'));
    const failure = await failureOf(node.blockWithCoinbase(some_hash));
    expect(failure.kind).toBe('refused');
    expect(failure.message).toContain('prune=0');
  });
});

describe('answers of other versions', () => {
  it.each([
    ['0.20, warnings as text', '"blocks":7,"headers":7,"bestblockhash":"HASH","warnings":""', true],
    ['28, warnings as a list', '"blocks":7,"headers":7,"bestblockhash":"HASH","warnings":["x"],"time":1', true],
    ['headers ahead', '"blocks":7,"headers":8,"bestblockhash":"HASH"', false],
  ])('getblockchaininfo of %s', async (_, fields, synced) => {
    const node = await stub(result(`{"chain":"main","initialblockdownload":false,${fields.replace('HASH', some_hash)}}`));
    expect(await node.chainInfo()).toEqual({ chain: 'main', tip_height: 7, tip_hash: some_hash, synced });
  });

  const block = (nonce: string, vin: string) => `{"hash":"${some_hash}","height":7,"confirmations":1,"time":8,"nonce":${nonce},`
    + `"tx":[{"txid":"${some_hash}","vin":[${vin}],"vout":[]}]}`;

  it('a block shows its nonce and the script of its coinbase', async () => {
    const node = await stub(result(block('4294967295', '{"coinbase":"017a00","sequence":1,"txinwitness":["00"]}')));
    expect(await node.blockWithCoinbase(some_hash)).toMatchObject({ nonce: 0xffffffff, coinbase_script: '017a00' });
  });

  it.each([
    ['no nonce', 'null', '{"coinbase":"00"}'], ['a nonce of 33 bits', '4294967296', '{"coinbase":"00"}'], ['a negative nonce', '-1', '{"coinbase":"00"}'],
    ['a nonce that is text', '"1"', '{"coinbase":"00"}'], ['no coinbase', '1', '{"txid":"00","vout":0}'], ['no inputs', '1', ''],
    ['a coinbase in upper case', '1', '{"coinbase":"0A"}'], ['half a byte', '1', '{"coinbase":"0"}'],
  ])('a block with %s is not understood', async (_, nonce, vin) => {
    expect(await failureOf((await stub(result(block(nonce, vin)))).blockWithCoinbase(some_hash))).toMatchObject({ kind: 'unknown' });
  });

  it('finds the tip itself when getblockchaininfo does not name it', async () => {
    const node = await stub((request, response) => {
      request.setEncoding('utf8').once('data', (body: string) => {
        const answer = body.includes('getchaintips')
          ? `[{"height":7,"hash":"${some_hash}","branchlen":0,"status":"active"}]`
          : '{"chain":"regtest","initialblockdownload":false}';
        response.setHeader('content-type', 'application/json').end(`{"result":${answer},"error":null}`);
      });
    });
    expect(await node.chainInfo()).toEqual({ chain: 'regtest', tip_height: 7, tip_hash: some_hash, synced: true });
  });

  it.each([
    ['0', 0n], ['1e-8', 1n], ['0.00000001', 1n], ['47.75000273', 4_775_000_273n], ['20999999.97690000', 2_099_999_997_690_000n],
    ['"0.10000000"', 10_000_000n], ['92233720368.54775807', 9_223_372_036_854_775_807n],
  ])('an amount written as %s is exact', async (text, sats) => {
    const node = await stub(result(`{"mine":{"trusted":${text},"untrusted_pending":0,"immature":0.0}}`));
    expect((await node.balances()).trusted).toBe(sats);
  });

  it.each(['0.000000001', '"a lot"', 'null', '1e30'])('an amount written as %s is refused, not rounded', async (text) => {
    const node = await stub(result(`{"mine":{"trusted":${text},"untrusted_pending":0,"immature":0}}`));
    expect((await failureOf(node.balances())).kind).toBe('unknown');
  });

  it('sends amounts as decimal text and outputs as an ordered list', async () => {
    let sent = '';
    const node = await stub((request, response) => {
      request.setEncoding('utf8').on('data', (piece: string) => { sent += piece; });
      request.on('end', () => response.setHeader('content-type', 'application/json').end('{"result":"00","error":null}'));
    });
    await node.createTransaction([], [{ address: 'b', amount: satoshis(1n) }, { address: 'a', amount: satoshis(2_100_000_000_000_001n) }]);
    expect(sent).toContain('[{"b":"0.00000001"},{"a":"21000000.00000001"}]');
  });
});

describe('the address of the node', () => {
  it.each([
    ['127.0.0.1:18443', null, 'http://127.0.0.1:18443', null],
    ['localhost:8332', 'pool', 'http://localhost:8332', 'pool'],
    ['http://127.0.0.1:18443/', null, 'http://127.0.0.1:18443', null],
    ['http://user:pass@node.example:1', null, 'http://node.example:1', null],
    ['[::1]:8332', null, 'http://[::1]:8332', null],
    ['127.0.0.1:18443/wallet/my%20pool', null, 'http://127.0.0.1:18443', 'my pool'],
    ['127.0.0.1:18443/wallet/a', 'b', 'http://127.0.0.1:18443', 'b'],
  ])('%s (wallet %s)', (url, wallet, origin, named) => {
    expect(parseNodeUrl({ url, wallet })).toMatchObject({ origin, wallet: named });
  });

  it.each(['', ' ', 'http://', '127.0.0.1:99999', 'ftp://127.0.0.1:1', '127.0.0.1:1/rest/chaininfo.json', 'a b:1'])('%j is none', (url) => {
    expect(() => parseNodeUrl({ url, wallet: null })).toThrow(ConfigurationFault);
  });
});

describe('a real node whose wallet is not ready', () => {
  let regtest: RegtestNode;
  beforeAll(async () => { regtest = await startRegtestNode(); });
  afterAll(() => regtest.stop());
  const at = (settings: { wallet?: string; passphrase?: string; password?: string }) => createNode({ ...regtest.login, ...settings });

  it('fault 15: several wallets, a wallet that is not loaded, none: says which key to set', async () => {
    const [first] = await regtest.rpc('listwallets') as string[];
    await regtest.rpc('createwallet', 'second one');
    const several = await failureOf(at({}).balances());
    expect(several).toMatchObject({ kind: 'refused', code: -19 });
    expect(several.message).toContain('"wallet"');
    expect((await at({ wallet: 'second one' }).balances()).trusted).toBe(0n);
    expect(await failureOf(at({ wallet: 'third' }).balances())).toMatchObject({ kind: 'refused', code: -18 });
    await regtest.rpc('unloadwallet', 'second one');
    await regtest.rpc('unloadwallet', first);
    expect((await failureOf(at({}).balances())).kind).toBe('refused');
    await regtest.rpc('loadwallet', first);
    expect((await at({}).balances()).trusted).toBe(0n);
  });

  it('a wrong password names the keys and does not show it', async () => {
    expect(await failureOf(at({ password: secret }).chainInfo())).toMatchObject({ kind: 'refused', code: 401 });
  });

  it('fault 16: a locked wallet waits; it is open for the work only', async () => {
    await regtest.mine(101);
    await regtest.rpc('encryptwallet', passphrase);
    const locked = at({});
    const [coin] = await locked.walletCoins();
    const raw = await locked.createTransaction([coin!], [{ address: await regtest.newAddress(), amount: satoshis(100_000n) }]);
    expect(await failureOf(locked.sign(raw))).toMatchObject({ kind: 'retry', code: -13 });
    const node = at({ passphrase });
    const signed = await node.unlocked(() => node.sign(raw));
    expect((await node.decode(signed)).txid).toBe((await node.decode(raw)).txid);
    expect(await failureOf(node.sign(raw))).toMatchObject({ kind: 'retry', code: -13 });
    await expect(node.unlocked(() => Promise.reject(new Error('work failed')))).rejects.toThrow('work failed');
    expect(await failureOf(node.sign(raw))).toMatchObject({ code: -13 });
    const wrong = at({ passphrase: 'guess' });
    expect(await failureOf(wrong.unlocked(() => wrong.sign(raw)))).toMatchObject({ kind: 'refused', code: -14 });
  });

  it('a node that was killed is out of reach, and answers again after its restart', async () => {
    await regtest.kill();
    expect(regtest.pid).toBeNull();
    expect(await failureOf(at({}).chainInfo())).toMatchObject({ kind: 'retry', code: 'ECONNREFUSED' });
    await regtest.restart();
    expect(regtest.pid).not.toBeNull();
    expect((await at({}).chainInfo()).chain).toBe('regtest');
  });
});
