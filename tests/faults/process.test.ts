// Rows 3, 4 and 5 of the fault matrix: a daemon that is killed again while it recovers, asked to stop at any
// moment, stopped and woken much later, started twice. Real processes and real signals, on real parts. One pool
// for all; each test earns what it pays.
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { auditChain } from '../../lab/demo/chain-audit.js';
import { rowsOf } from '../../shared/database/rows.js';
import { until, type DaemonProcess } from '../programs.js';
import { startSmallPool, states_of_a_batch, untilBatchIs, type SmallPool } from './small-pool.js';

let small: SmallPool;
beforeAll(async () => {
  small = await startSmallPool();
  await small.earn();
});
afterAll(() => small?.close());
afterEach(() => small.leaseRunsOut('payments'));

const running = (daemon: DaemonProcess) => until('the daemon', 20_000, [daemon], async () => daemon.said().includes('payments is running'));

async function ended(daemon: DaemonProcess): Promise<number | string | null> {
  const given_up_ms = performance.now() + 20_000;
  while (daemon.ended() === null && performance.now() < given_up_ms) await wait(20);
  return daemon.ended();
}

/** On the chain, one transaction for each batch and nothing else; every miner as paid as the ledger says. */
async function expectOnePaymentForEachBatch(): Promise<void> {
  const payouts = await small.payouts();
  const chain = await auditChain(small.ground.node, small.ground.pool_address);
  expect([...chain.spends.keys()].sort()).toEqual(payouts.map(({ txid }) => txid).sort());
  expect(await small.violations()).toEqual([]);
}

/** A batch of its own for this test: its number is the next one. */
async function nextBatch(): Promise<number> {
  const [{ id }] = await rowsOf<{ id: string | null }>(small.database.knex, 'SELECT MAX(id) AS id FROM payout_batches') as [{ id: string | null }];
  if (id !== null) await small.earn();
  return Number(id ?? 0) + 1;
}

it('fault 3: killed at each state of a batch, and again by the time it has recovered, payments ends with one transaction', async () => {
  const batch = await nextBatch();
  for (const state of states_of_a_batch) {
    const daemon = small.start('payments');
    if (state === 'confirmed') await small.bury(1);
    if (state === 'final') await small.bury(5);
    await untilBatchIs(small, daemon, batch, state);
    await daemon.kill();
    await small.leaseRunsOut('payments');
    // What recovers is killed as soon as it runs, wherever it is by then.
    const recovering = small.start('payments');
    await running(recovering);
    await recovering.kill();
    await small.leaseRunsOut('payments');
  }
  await small.once('payments');
  expect((await small.payouts()).map(({ state }) => state)).toEqual(['final']);
  await expectOnePaymentForEachBatch();
});

it('fault 4: asked to stop at each state of a batch, payments ends in order and the next one goes on at once', async () => {
  const batch = await nextBatch();
  for (const state of states_of_a_batch) {
    const daemon = small.start('payments');
    if (state === 'confirmed') await small.bury(1);
    if (state === 'final') await small.bury(5);
    await untilBatchIs(small, daemon, batch, state);
    // Before its first words it has no ear for a signal, and nothing in its hands either.
    await running(daemon);
    const { ended: status, took_ms } = await daemon.stop();
    expect({ state, status }).toEqual({ state, status: 0 });
    expect(took_ms).toBeLessThan(5_000);
    expect(await small.database.knex('payments_lease').first()).toMatchObject({ holder: '', expires_at_ms: '0' });
  }
  await expectOnePaymentForEachBatch();
});

it('fault 4: a second SIGTERM ends a daemon at once, even while its node says nothing', async () => {
  const node = small.ground.node.pid!;
  const daemon = small.start('payments');
  await running(daemon);
  process.kill(node, 'SIGSTOP');
  try {
    await wait(700);
    process.kill(daemon.pid, 'SIGTERM');
    await wait(200);
    expect(daemon.ended()).toBeNull();
    const began_ms = performance.now();
    process.kill(daemon.pid, 'SIGTERM');
    expect(await ended(daemon)).toBe(128 + 15);
    expect(performance.now() - began_ms).toBeLessThan(1_000);
  } finally {
    process.kill(node, 'SIGCONT');
  }
});

it('fault 4: a daemon that was stopped, replaced and woken again writes nothing, although there is something to do', async () => {
  const stale = small.start('payments');
  await running(stale);
  process.kill(stale.pid, 'SIGSTOP');
  try {
    await small.leaseRunsOut('payments');
    await small.once('payments');
    const batch = await nextBatch();
    const before = await small.money();
    process.kill(stale.pid, 'SIGCONT');
    expect(await ended(stale)).toBe(1);
    expect(stale.said()).toContain('payments_lease was taken over by another process: this one stops');
    expect(await small.money()).toEqual(before);
    expect(before['payout_batches']).toHaveLength(batch - 1);
  } finally {
    await stale.kill();
  }
  await small.once('payments');
  await small.bury(6);
  await small.once('payments');
  await expectOnePaymentForEachBatch();
});

it('fault 5: of two that are started, the second refuses and names the first, which goes on paying', async () => {
  const batch = await nextBatch();
  const first = small.start('payments');
  await running(first);
  const second = small.command('payments', 'run', '--once');
  await untilBatchIs(small, first, batch, 'broadcast');
  await small.bury(6);
  await untilBatchIs(small, first, batch, 'final');
  const { status, stderr } = await second;
  expect(status).toBe(3);
  expect(stderr).toMatch(new RegExp(`Another process of this daemon \\(\\S+ ${first.pid} run\\) runs, or was killed less than 10 s ago: stop it, or wait\\.`));
  expect(await first.stop()).toMatchObject({ ended: 0 });
  await expectOnePaymentForEachBatch();
});

it('fault 5: where the first one is cut off from its lease both run, one of them stops, and each batch is one transaction', async () => {
  const first = small.start('payments');
  await running(first);
  const second = small.start('payments');
  await until('the second to wait', 20_000, [first, second], async () => second.said().includes('waiting for the lease'));
  const batch = await nextBatch();
  await untilBatchIs(small, first, batch, 'planned');
  // Its sessions die and its lease runs out: for the database it is gone, for itself it is not.
  await killSessionsOfPayments();
  await until('the second to take over', 10_000, [second], async () => {
    await small.leaseRunsOut('payments');
    return second.said().includes('payments is running');
  });
  await untilBatchIs(small, second, batch, 'broadcast');
  await small.bury(6);
  await untilBatchIs(small, second, batch, 'final');
  expect(await ended(first)).toBe(1);
  expect(first.said()).toContain('payments_lease was taken over by another process: this one stops');
  expect(await second.stop()).toMatchObject({ ended: 0 });
  await expectOnePaymentForEachBatch();
});

async function killSessionsOfPayments(): Promise<void> {
  const sessions = await rowsOf<{ id: string }>(small.database.knex, "SELECT id FROM information_schema.processlist WHERE user = 'pool_payments'");
  // One that has ended by itself meanwhile is as gone as one that was killed.
  for (const { id } of sessions) await small.database.knex.raw(`KILL ${Number(id)}`).catch(() => undefined);
}
