// What happens in the demo, in order: miners work and find blocks, one is orphaned; the first blocks mature;
// payments is killed in the middle of a payout and meanwhile another block is found; payments comes back;
// everything matures, is paid and buried. The daemons are only ever watched through their own commands.
import { setTimeout as wait } from 'node:timers/promises';
import * as answers from './answers.js';
import type { Ask, DaemonProcess, Daemons } from './daemons.js';
import { DemoFailed, requireGoing } from './failure.js';
import { killWhilePaying, type KilledPayout } from './kill-while-paying.js';
import { createMiners, nameOfWorker, startMining, type Mining, type Solve } from './mining.js';
import { payout_confirmations, type ThrowawayPool } from './pool.js';
import type { Steps } from './steps.js';

export interface Story {
  readonly mining: Mining;
  readonly orphan: Solve;
  readonly killed: KilledPayout;
}

/** The default of the configuration, which the demo leaves alone. */
const maturity = 100;
const look_every_ms = 300;
/** So that accounting follows the log as it grows, not after the event. */
const breath_ms = 400;
const kill_limit_ms = 30_000;
const record_limit_ms = 20_000;
const settle_limit_ms = 75_000;

interface Stage {
  readonly pool: ThrowawayPool;
  readonly steps: Steps;
  readonly stop: AbortSignal;
  readonly mining: Mining;
  readonly ask: Ask;
}

export async function tellStory(
  pool: ThrowawayPool,
  daemons: Daemons,
  steps: Steps,
  stop: AbortSignal,
): Promise<Story> {
  const miners = await createMiners(pool);
  const mining = await startMining(pool, miners, stop);
  const stage: Stage = { pool, steps, stop, mining, ask: daemons.ask };
  const accounting = daemons.start('accounting');
  let payments = daemons.start('payments');
  steps.done(`accounting (pid ${accounting.pid}) and payments (pid ${payments.pid}) are running`);

  const orphan = await findBlocks(stage);
  const killed = await payAndKill(stage, { payments, accounting });
  await workOnWithoutPayments(stage, accounting);
  payments = daemons.start('payments');
  steps.done(
    `payments is started again (pid ${payments.pid}); `
      + 'it waits for the lease of the killed one to expire',
  );
  await matureAndPay(stage, [accounting, payments]);
  mining.end();
  return { mining, orphan, killed };
}

/** @returns the block that is orphaned. */
async function findBlocks(stage: Stage): Promise<Solve> {
  const { mining, steps } = stage;
  const [alice, bob, dave, garage, carol] = mining.miners;
  for (const miner of [alice!, bob!, dave!, garage!]) mining.join(miner);
  steps.done(
    'alice with two rigs, bob, dave with a USB stick '
      + 'and a "garage" whose name is no address start mining',
  );
  await work(stage, 2);
  await found(stage, alice!.workers[0]);
  await mining.strangerBlocks(1);
  await work(stage, 2);
  await found(stage, bob!.workers[0]);
  await found(
    stage,
    alice!.workers[1],
    'a second later: its round is one share, the one that solved it',
  );
  mining.join(carol!);
  steps.done('carol joins late, with as much as all the others');
  await mining.strangerBlocks(1);
  await work(stage, 2);
  await found(stage, carol!.workers[0]);
  mining.forgeSolve();
  await mining.solveTooLate(garage!.workers[0]);
  steps.done(
    `mallory logs in with a name that prints a line of a block ${mining.tip()}, `
      + 'which the stranger has found',
  );
  await work(stage, 2);
  const orphan = await found(stage, bob!.workers[0]);
  await work(stage, 1);
  await mining.orphanTip();
  steps.done(`the stranger's longer branch replaces block ${orphan.height}: it is an orphan`);
  await work(stage, 1);
  await found(stage, alice!.workers[1]);
  await work(stage, 2);
  await found(stage, dave!.workers[0]);
  await work(stage, 1);
  await found(stage, garage!.workers[0]);
  return orphan;
}

async function work({ mining, steps }: Stage, minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 1) {
    steps.now('mining');
    await mining.minutes(1);
    await wait(breath_ms);
  }
}

async function found(
  { mining, steps }: Stage,
  worker: Parameters<Mining['solve']>[0],
  remark?: string,
): Promise<Solve> {
  const solve = await mining.solve(worker);
  const who = nameOfWorker(mining.miners, solve.worker);
  steps.done(`${who} finds block ${solve.height} ${solve.hash.slice(0, 16)}…${remark ? ` (${remark})` : ''}`);
  return solve;
}

async function payAndKill(
  stage: Stage, daemons: { readonly payments: DaemonProcess; readonly accounting: DaemonProcess },
): Promise<KilledPayout> {
  const { mining, pool, steps, stop } = stage;
  const [first] = mining.solves;
  const watching = killWhilePaying(daemons, pool.database_file, { stop, limit_ms: kill_limit_ms });
  // Awaited below; until then a failure of it must not end the process.
  watching.catch(() => undefined);
  await strangersUpTo(stage, first!.height + maturity + 2);
  steps.now('waiting for payments to sign the first payout');
  const killed = await watching;
  steps.done(`payments is killed (SIGKILL) while it pays: payout ${killed.batch} was ${killed.state}, `
    + `transaction ${killed.txid.slice(0, 16)}…`);
  return killed;
}

async function strangersUpTo({ mining, steps }: Stage, height: number): Promise<void> {
  const from = mining.tip();
  while (mining.tip() < height) {
    steps.now(`maturing: block ${mining.tip()} of ${height}`);
    await mining.minutes(1);
    await mining.strangerBlocks(1);
  }
  steps.done(`${height - from} blocks of the stranger: the chain is at ${height}`);
}

async function workOnWithoutPayments(stage: Stage, accounting: DaemonProcess): Promise<void> {
  const { mining, ask, steps } = stage;
  await work(stage, 2);
  const solve = await found(stage, mining.miners.at(-1)?.workers[0]);
  await mining.strangerBlocks(1);
  await until(
    stage,
    [accounting],
    record_limit_ms,
    `accounting to record block ${solve.height}`,
    async () => {
      const blocks = await ask(answers.foundBlocks, 'accounting', 'blocks');
      return blocks.some(({ hash, state }) => hash === solve.hash && state === 'confirmed');
    },
  );
  steps.done(`accounting has recorded block ${solve.height} although payments is dead`);
}

async function matureAndPay(stage: Stage, daemons: readonly DaemonProcess[]): Promise<void> {
  const { mining, ask, steps } = stage;
  await strangersUpTo(stage, mining.solves.at(-1)!.height + maturity);
  let said = '';
  await until(
    stage,
    daemons,
    settle_limit_ms,
    'every block to be settled and every payout to be final',
    async () => {
      const blocks = await ask(answers.settledBlocks, 'payments', 'blocks');
      const balances = await ask(answers.balances, 'payments', 'balances');
      const payouts = await ask(answers.payouts, 'payments', 'payouts');
      const settled = blocks.filter(({ state }) => state !== 'immature').length;
      const open = payouts.filter(({ state }) => state !== 'final');
      const states = payouts.map(({ id, state }) => `${id} ${state}`).join(', ') || 'none';
      const now = `${settled} of ${mining.solves.length} blocks settled; payouts: ${states}`;
      if (now !== said) steps.done(now);
      said = now;
      if (
        settled === mining.solves.length
        && open.length === 0
        && balances.every(({ state }) => state !== 'payable')
      ) {
        return true;
      }
      // A payout needs blocks on top of it; whoever waits for anything else does not mind them.
      if (open.some(({ state }) => state === 'broadcast' || state === 'confirmed')) {
        await mining.strangerBlocks(1);
      }
      return false;
    },
  );
  steps.done(`everything is settled, and what was due is paid and ${payout_confirmations} blocks deep`);
}

async function until(
  { steps, stop }: Stage,
  daemons: readonly DaemonProcess[],
  limit_ms: number,
  what: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  const given_up_ms = performance.now() + limit_ms;
  while (!(await holds())) {
    requireGoing(stop);
    for (const daemon of daemons) daemon.requireRunning();
    if (performance.now() > given_up_ms) {
      throw new DemoFailed(`Waited ${limit_ms / 1000} s in vain for ${what}.`);
    }
    steps.now(`waiting for ${what}`);
    await wait(look_every_ms);
  }
}
