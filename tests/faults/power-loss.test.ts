// Row 40 of the fault matrix: the power goes. Both daemons, the database and the node are killed with SIGKILL at once,
// at the moments that matter most for a payout, and everything is started again. On the chain at the end everybody got
// what was earned, once, and every block is recorded (P1 holds because a commit is durable).
//
// A node that is killed forgets the blocks it had not written yet; on a real network its peers have them. Here a
// second node, which is not killed, is that network.
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { startRegtestNode, type RegtestNode } from '../../lab/regtest-node.js';
import { connect } from '../../shared/database/connect.js';
import * as shapes from '../json-shapes.js';
import { ask, buildPrograms, until, type DaemonProcess } from '../programs.js';
import { openMachinePool, satoshisOf, type MachinePool } from './machine-pool.js';

let mariadb: PrivateMariadb;
let node: RegtestNode;
let network: RegtestNode;
let pool: MachinePool;
let daemons: DaemonProcess[] = [];

beforeAll(async () => {
  buildPrograms();
  const port = await freePort();
  mariadb = await startMariadb();
  network = await startRegtestNode({ arguments: ['-listen=1', `-port=${port}`, `-bind=127.0.0.1:${port}`] });
  node = await startRegtestNode({ arguments: [`-addnode=127.0.0.1:${port}`] });
  await mariadb.createDatabase('pool_base');
  pool = await openMachinePool(node, { auth: 'root', pass: '', socket: mariadb.socket_path });
});
afterAll(async () => {
  for (const daemon of daemons) await daemon.kill();
  pool.close();
  await node.stop();
  await network.stop();
  await mariadb.stop();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const tipOf = async (one: RegtestNode): Promise<string> => z.string().parse(await one.rpc('getbestblockhash'));

async function untilBothNodesAgree(): Promise<void> {
  await until('both nodes to have one chain', 60_000, [], async () => (await tipOf(node)) === (await tipOf(network)));
}

function start(): void {
  daemons = [pool.start('accounting'), pool.start('payments')];
}

async function powerLoss(): Promise<void> {
  await Promise.all([...daemons.map((daemon) => daemon.kill()), mariadb.kill(), node.kill()]);
}

async function powerIsBack(): Promise<void> {
  await Promise.all([mariadb.restart(), node.restart()]);
  await untilBothNodesAgree();
  start();
}

/** Watches over a connection of its own until the latest batch has come so far. */
async function untilBatch(states: readonly string[]): Promise<void> {
  const database = await connect(mariadb.settings('pool_base'));
  try {
    const given_up_ms = performance.now() + 60_000;
    for (;;) {
      const [row] = await database.knex('payout_batches').orderBy('id', 'desc').limit(1).select<{ state: string }[]>('state');
      if (row && states.includes(row.state)) return;
      for (const daemon of daemons) if (daemon.ended() !== null) throw new Error(`${daemon.name} ended:\n${daemon.said().slice(-2000)}`);
      if (performance.now() > given_up_ms) throw new Error(`no payout was ${states.join(' or ')}:\n${daemons[1]!.said().slice(-2000)}`);
    }
  } finally {
    await database.close();
  }
}

const payouts = () => ask(shapes.paymentsPayouts, 'payments', pool.config_file, 'payouts');

it('fault 40: power is lost while a block is recorded, when a payout is planned, signed and sent; everybody is paid once', async () => {
  expect((await pool.run('accounting')).status).toBe(0);
  start();
  await pool.block();
  await untilBothNodesAgree();
  await powerLoss();
  await powerIsBack();
  await pool.block();
  await untilBothNodesAgree();

  for (const states of [['planned', 'prepared', 'broadcast'], ['prepared', 'broadcast'], ['broadcast']]) {
    await pool.block();
    await pool.bury(100);
    await untilBothNodesAgree();
    await untilBatch(states);
    await powerLoss();
    await powerIsBack();
    await until('the payouts to be sent', 90_000, daemons, async () => {
      const all = await payouts();
      return all.length > 0 && all.every(({ state }) => state !== 'planned' && state !== 'prepared');
    });
    await pool.bury(1);
    await untilBothNodesAgree();
  }

  await until('everything to be paid and final', 120_000, daemons, async () => {
    const blocks = await ask(shapes.paymentsBlocks, 'payments', pool.config_file, 'blocks');
    const balances = await ask(shapes.paymentsBalances, 'payments', pool.config_file, 'balances');
    const settled = blocks.length === pool.found.length && blocks.every(({ state }) => state === 'credited');
    if (settled && balances.every(({ balance, reserved }) => satoshisOf(balance) + satoshisOf(reserved) === 0n)
      && (await payouts()).every(({ state }) => state === 'final')) return true;
    await pool.bury(1);
    return false;
  });
  const recorded = await ask(shapes.accountingBlocks, 'accounting', pool.config_file, 'blocks');
  expect(recorded.map(({ hash, state }) => [hash, state])).toEqual(pool.found.map((hash) => [hash, 'confirmed']));
  const { transactions, sums } = await pool.paidOnChain();
  expect(transactions).toBe((await payouts()).length);
  for (const { user, earned, network_fee } of await ask(shapes.paymentsBalances, 'payments', pool.config_file, 'balances')) {
    expect(sums.get(user)).toBe(satoshisOf(earned) - satoshisOf(network_fee));
  }
  for (const daemon of daemons) expect(await daemon.stop()).toMatchObject({ ended: 0 });
  const { checks } = await ask(shapes.paymentsAudit, 'payments', pool.config_file, 'audit');
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
});
