// Rows 7 and 11 of the fault matrix over both daemons as processes: a database server that is down, killed in the
// middle, or writes nothing. They wait with a sentence, nothing is half, and they go on by themselves (a daemon
// waits where waiting can help, `--once` stops).
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { NameBytes } from '../../shared/username.js';
import { until, type DaemonProcess } from '../programs.js';
import { startSmallPool, untilBatchIs, type SmallPool } from './small-pool.js';

let small: SmallPool;
let daemons: DaemonProcess[] = [];
beforeAll(async () => { small = await startSmallPool(); });
afterAll(() => small?.close());
afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon.kill();
});

const startBoth = (): DaemonProcess[] => (daemons = [small.start('accounting'), small.start('payments')]);

async function solveAndBury(): Promise<void> {
  await small.pool.minutes(1);
  await small.pool.solve(`${small.alice}.rig` as NameBytes);
  await small.pool.minutes(1);
  await small.pool.strangerBlocks(100);
}

async function expectAllPaid(batch: number): Promise<void> {
  await untilBatchIs(small, daemons[1]!, batch, 'broadcast');
  await small.bury(6);
  await untilBatchIs(small, daemons[1]!, batch, 'final');
  for (const daemon of daemons) expect(await daemon.stop()).toMatchObject({ ended: 0 });
  expect(await small.violations()).toEqual([]);
  expect((await small.command('accounting', 'replay', small.ground.log_directory)).status).toBe(0);
}

const allSay = (words: RegExp) => until(`the sentence ${words}`, 30_000, daemons, async () => daemons.every((daemon) => words.test(daemon.said())));

it('fault 7: a database that is down at the start, and killed later, is waited for; everything is recorded and paid', async () => {
  await small.ground.mariadb.kill();
  startBoth();
  await allSay(/The database cannot be reached: start it, or check sql\.host, sql\.port and sql\.socket/);
  await small.ground.mariadb.restart();
  await until('both to run', 30_000, daemons, async () => daemons.every((daemon) => /following|payments is running/.test(daemon.said())));
  await small.ground.mariadb.kill();
  await solveAndBury();
  await small.ground.mariadb.restart();
  await expectAllPaid(1);
});

it('fault 11: a server that is read-only: both say so, write nothing, and go on when it is writable', async () => {
  startBoth();
  await until('both to run', 30_000, daemons, async () => daemons.every((daemon) => /following|payments is running/.test(daemon.said())));
  await small.database.knex.raw('SET GLOBAL read_only = 1');
  await solveAndBury();
  await allSay(/The database server is read-only: make it writable, or point sql\.host at the primary/);
  const before = await small.money();
  await wait(1_000);
  expect(await small.money()).toEqual(before);
  await small.database.knex.raw('SET GLOBAL read_only = 0');
  await expectAllPaid(2);
});
