// What answers where the node should: a proxy's page, half an answer, another version, numbers without end. Every
// answer is understood or is a failure of one of the three kinds; nothing else comes out.
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { createNode } from '../../../shared/bitcoind/client.js';
import { nodeFailure } from '../../../shared/bitcoind/errors.js';
import type { WalletNode } from '../../../shared/bitcoind/node.js';
import * as shapes from '../../../shared/bitcoind/shapes.js';
import { OutsideFailure } from '../../../shared/errors.js';
import { blockHash, blockHeight, transactionId } from '../../../shared/units.js';
import type { Corpus } from '../corpus.js';
import { damaged } from '../mutator.js';
import { asyncTarget, must, target, withinTime, type Target } from '../target.js';

const kinds = ['refused', 'retry', 'unknown'];
const known_shapes = Object.entries(shapes).flatMap(([name, shape]) => (typeof shape === 'object' && 'safeParse' in shape ? [{ name, shape }] : []));
/** Codes of the documented list; with any other code it may have happened. */
const documented = new Set([...Array.from({ length: 32 }, (_, index) => -1 - index), -32600, -32601, -32602, -32603, -32700]);

export function nodeTargets({ node_answers }: Corpus): readonly Target[] {
  const page = Buffer.from('<html><body><h1>502 Bad Gateway</h1></body></html>');
  const envelopes = node_answers.flatMap((answer) => [
    Buffer.concat([Buffer.from('{"result":'), answer.subarray(0, 60_000), Buffer.from(',"error":null,"id":"1"}')]),
    Buffer.from('{"result":null,"error":{"code":-5,"message":"Block not found"},"id":"1"}'),
  ]);
  return [
    target('node-shapes', 'Any JSON is an answer with exact amounts or is refused, whatever was asked.', damaged(node_answers), checkShapes),
    target('node-failures', 'Whatever is thrown is a failure of one of three kinds, in one line.', anyThrown, checkFailure),
    asyncTarget('node-answers', 'Whatever answers at the port of the node, a call ends with an answer or a failure.',
      fc.tuple(fc.oneof(damaged(envelopes), damaged(node_answers), damaged([page, Buffer.alloc(0)])), fc.constantFrom(200, 200, 200, 401, 404, 500, 503), fc.nat(calls.length - 1)), checkAnswer),
  ];
}

function checkShapes(bytes: Buffer): void {
  let answer: unknown;
  try {
    answer = JSON.parse(bytes.toString('utf8'));
  } catch {
    return;
  }
  for (const { name, shape } of known_shapes) {
    const read = withinTime(1_000, () => shape.safeParse(answer));
    if (read.success && name === 'balancesShape') {
      const { mine } = read.data as { mine: Record<string, unknown> };
      must(Object.values(mine).every((amount) => typeof amount === 'bigint'), 'amounts are whole satoshis');
    }
    must(read.success || read.error.issues.length > 0, 'a refusal says why');
  }
}

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('Work queue depth exceeded', '\x1b[2J', 'x'.repeat(5_000)));
const anyThrown = fc.oneof(fc.anything(), fc.record({
  code: fc.oneof(fc.integer(), fc.integer({ min: -40, max: 600 }), fc.constantFrom('ECONNREFUSED', 'ETIMEDOUT', 'ESOCKETTIMEDOUT')),
  message: anyText, body: anyText, connect: fc.boolean(),
}, { requiredKeys: [] }));

function checkFailure(thrown: unknown): void {
  const failure = nodeFailure(thrown, { address: '127.0.0.1:8332', method: 'getblock', wallet: null });
  checkOutside(failure);
  const code = typeof thrown === 'object' && thrown !== null ? (thrown as Record<string, unknown>)['code'] : undefined;
  if (typeof code === 'number' && code < 100 && !documented.has(code)) must(failure.kind === 'unknown', `the code ${code} is known to nobody`);
}

function checkOutside(failure: unknown): void {
  if (!(failure instanceof OutsideFailure)) throw failure;
  must(kinds.includes(failure.kind) && failure.where === 'node', 'a failure is of one of three kinds');
  must(/^[ -~]+$/.test(failure.message) && failure.message.length < 1_000, `a failure is one line of plain text: ${JSON.stringify(failure.message)}`);
}

const hash = blockHash('0'.repeat(64));
const txid = transactionId('0'.repeat(64));
const calls: readonly ((node: WalletNode) => Promise<unknown>)[] = [
  (node) => node.chainInfo(), (node) => node.blockHashAt(blockHeight(5)), (node) => node.header(hash), (node) => node.blockWithCoinbase(hash),
  (node) => node.chainTips(), (node) => node.address('bc1qxyz'), (node) => node.isMine('bc1qxyz'), (node) => node.unspentOutput(txid, 0),
  (node) => node.walletTransaction(txid), (node) => node.feeRate(6), (node) => node.balances(), (node) => node.decode('00'), (node) => node.sign('00'),
  (node) => node.broadcast('00'),
];

/** One server for all inputs of a process; it keeps nothing alive. */
let serving: Promise<{ node: WalletNode; answer: { body: Buffer; status: number } }> | null = null;

async function serve() {
  const answer = { body: Buffer.alloc(0), status: 200 };
  const server: Server = createServer((request, response) => {
    request.resume();
    response.writeHead(answer.status, { 'content-type': 'application/json', connection: 'close' });
    response.end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  const { port } = server.address() as AddressInfo;
  const node = createNode({ url: `127.0.0.1:${port}`, user: 'pool', password: 'the-node-secret', wallet: null, passphrase: null, timeout_ms: 20_000 });
  return { node, answer };
}

async function checkAnswer([body, status, call]: [Buffer, number, number]): Promise<void> {
  const { node, answer } = await (serving ??= serve());
  Object.assign(answer, { body, status });
  await calls[call]!(node).catch(checkOutside);
}
