// Rows 14, 15 and 23 of the fault matrix as far as a real node can be brought to them: its work queue full, warming up,
// still in its initial download, its tip hours old, its answers slow, its clock wrong. What only a server that
// misbehaves on purpose can say is in shared/bitcoind/client.test.ts.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { rpcRequests, startFaultProxy } from '../../lab/fault-proxy.js';
import * as faults from '../../lab/fault-proxy.js';
import { payUntilIdle } from '../../lab/payable-pool.js';
import { startRegtestNode } from '../../lab/regtest-node.js';
import { createPaymentsDaemon } from '../../payments/daemon.js';
import { minerBalances } from '../../payments/edges/ledger-store.js';
import { payingMoves } from '../../payments/paying/moves.js';
import { createNode } from '../../shared/bitcoind/client.js';
import { createRpc } from '../../shared/bitcoind/rpc.js';
import { OutsideFailure } from '../../shared/errors.js';
import { openEarnedPool, overpaid, startRealNode, stateOf, type RealNode, type RealPool } from './real-pool.js';

let real: RealNode;
const pools: RealPool[] = [];
beforeAll(async () => { real = await startRealNode(['-rpcworkqueue=1', '-rpcthreads=1']); });
afterEach(async () => {
  for (const { database } of pools.splice(0)) await database.close();
});
afterAll(() => real?.regtest.stop());

async function earned(): Promise<RealPool> {
  const pool = await openEarnedPool(real);
  pools.push(pool);
  return pool;
}

const daemonOf = ({ context }: RealPool) => createPaymentsDaemon(context, { lease: context.lease, paying: payingMoves, requests: {} });

async function passes(pool: RealPool): Promise<void> {
  const daemon = daemonOf(pool);
  while ((await daemon.step()) === 'progress');
}

async function expectPaid(pool: RealPool): Promise<void> {
  await pool.bury(6);
  await payUntilIdle(pool.context);
  expect(await stateOf(pool)).toBe('final');
  for (const { balance_sats } of await minerBalances(pool.database.knex)) expect(balance_sats).toBe(0n);
  expect(await overpaid(pool)).toEqual([]);
}

it('fault 14: a work queue that is full (HTTP 500, plain text) is a failure to try again, not an answer', async () => {
  const pool = await earned();
  // One thread, a queue of one: two calls that wait for a block fill both. One that comes before the thread has taken
  // the last finds the queue full, and is sent again.
  const busy: Promise<unknown>[] = [];
  while (busy.length < 2) {
    const refused = { yet: false };
    const call = createRpc(real.login).call(z.unknown(), 'waitfornewblock', 4_000).catch(() => { refused.yet = true; });
    await wait(100);
    if (!refused.yet) busy.push(call);
  }
  await expect(real.node.chainInfo()).rejects.toMatchObject({ kind: 'retry', where: 'node', message: expect.stringMatching(/work queue/) });
  await expect(passes(pool)).rejects.toMatchObject({ kind: 'retry', where: 'node' });
  expect(await stateOf(pool)).toBeUndefined();
  await Promise.all(busy);
  await payUntilIdle(pool.context);
  await expectPaid(pool);
});

it.each([
  ['is far too large', 20_000, 'EMSGSIZE', 1024 * 1024], ['never ends, a byte now and then', 250, 'ESOCKETTIMEDOUT', 1],
] as const)('fault 14: an answer that %s is cut off, and is unknown', async (_, timeout_ms, code, piece_bytes) => {
  const open = new Set<unknown>();
  const piece = Buffer.alloc(piece_bytes, 0x20);
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    open.add(response);
    response.on('close', () => open.delete(response));
    if (piece_bytes === 1) {
      const timer = setInterval(() => response.write(piece), 20);
      response.on('close', () => clearInterval(timer));
      return;
    }
    const more = () => { while (!response.destroyed && response.write(piece)); };
    response.on('drain', more);
    more();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const node = createNode({ ...real.login, url: `127.0.0.1:${port}`, timeout_ms });
    const began_ms = performance.now();
    await expect(node.broadcast('00')).rejects.toMatchObject({ name: 'OutsideFailure', kind: 'unknown', code });
    expect(performance.now() - began_ms).toBeLessThan(4 * timeout_ms + 3_000);
    // What was given up is not read on: the server finds its connection closed.
    const given_up_ms = performance.now() + 5_000;
    while (open.size > 0 && performance.now() < given_up_ms) await wait(20);
    expect(open.size).toBe(0);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

it('fault 15: a node that starts anew is waited for: refused connections and warm-up (-28) are failures to try again', async () => {
  const starting = await startRegtestNode();
  try {
    await starting.mine(200);
    await starting.shutDown();
    const restarted = starting.restart(['-reindex', '-checkblocks=0', '-checklevel=4']);
    const node = createNode(starting.login);
    const met = new Set<string | number | null>();
    for (const given_up_ms = performance.now() + 30_000; performance.now() < given_up_ms;) {
      const answer = await node.chainInfo().catch((failure: unknown) => failure as OutsideFailure);
      if (!(answer instanceof OutsideFailure)) break;
      expect(answer).toMatchObject({ kind: 'retry', where: 'node' });
      met.add(answer.code);
    }
    await restarted;
    expect([...met]).toContain(-28);
  } finally {
    await starting.stop();
  }
});

it('fault 15: another chain than at the first start is refused, with both genesis blocks named', async () => {
  const pool = await earned();
  await passes(pool);
  const genesis = await real.node.blockHashAt(0 as Parameters<typeof real.node.blockHashAt>[0]);
  const another = 'ab'.repeat(32);
  await pool.database.knex('settings').where({ name: 'genesis_hash' }).update({ value: another });
  await expect(passes(pool)).rejects.toMatchObject({
    name: 'ConfigurationFault',
    sentences: expect.arrayContaining([`This database belongs to the chain with genesis block ${another}, the node's is ${genesis}: the node or the database is the wrong one.`]),
  });
});

it('fault 23: a node that is slow is waited for, and one that is too slow changes nothing', async () => {
  const pool = await earned();
  const proxy = await startFaultProxy({ target_port: Number(real.regtest.url.split(':')[1]), protocol: rpcRequests });
  try {
    const behind = { ...pool.context, node: createNode({ ...real.login, url: `127.0.0.1:${proxy.port}`, timeout_ms: 1_000 }) };
    const stop_too_slow = proxy.meetAll(() => true, faults.answeredLate(1_500));
    const began_ms = performance.now();
    await expect(payUntilIdle(behind)).rejects.toMatchObject({ kind: 'unknown', where: 'node' });
    expect(performance.now() - began_ms).toBeLessThan(8_000);
    expect(await stateOf(pool)).toBeUndefined();
    stop_too_slow();
    const stop_slow = proxy.meetAll(() => true, faults.delayed(100));
    expect((await payUntilIdle(behind)).at(-1)).toBe('broadcast');
    stop_slow();
    await expectPaid(pool);
  } finally {
    await proxy.close();
  }
});

it('fault 23: a node whose clock is an hour slow settles and pays as any other', async () => {
  await real.regtest.rpc('setmocktime', Math.floor(Date.now() / 1000) - 3_600);
  const pool = await earned();
  await payUntilIdle(pool.context);
  await expectPaid(pool);
});

// From here on the node's time only goes forward: it refuses blocks of a future that it has not come to.
it('fault 15: in its initial download the node is waited for, and nobody is paid; a tip that is hours old is no reason', async () => {
  const pool = await earned();
  const now_seconds = Math.floor(Date.now() / 1000);
  await real.restart([`-mocktime=${now_seconds + 3 * 24 * 3600}`]);
  expect(await real.node.chainInfo()).toMatchObject({ synced: false });
  await expect(passes(pool)).rejects.toMatchObject({
    kind: 'retry', message: expect.stringMatching(/^The node is still catching up with the chain \(at block \d+\); nothing is settled or paid until it has\.$/),
  });
  expect(await stateOf(pool)).toBeUndefined();
  // Synced means not in initial download and blocks = headers, never the age of the tip.
  await real.restart([`-mocktime=${now_seconds + 6 * 3600}`]);
  await payUntilIdle(pool.context);
  await expectPaid(pool);
});

it('fault 23: a node whose clock is a year fast settles and pays as any other', async () => {
  await real.regtest.rpc('setmocktime', Math.floor(Date.now() / 1000) + 365 * 24 * 3_600);
  const pool = await earned();
  await payUntilIdle(pool.context);
  await expectPaid(pool);
});
