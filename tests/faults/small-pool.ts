// A small pool for faults that need the real programs: MariaDB with the daemons' own logins, a node in regtest,
// ckpool's files, and both daemons as processes. Two miners work; a block is earned and buried on request. The
// test looks on over an administrator's connection. The only row that is ever changed from here is a lease's
// time: a killed daemon's runs out after ten seconds, and nobody should have to wait for that in every test.
import { join } from 'node:path';
import type { Database } from '../../shared/database/database.js';
import type { NameBytes } from '../../shared/username.js';
import * as shapes from '../json-shapes.js';
import { ask, buildPrograms, run, startDaemon, type Answer, type DaemonProcess, type ProgramName } from '../programs.js';
import { layGround, type Ground } from '../scenario/ground.js';
import { openPool, type FoundBlock, type Miner, type Pool } from '../scenario/miners.js';

export interface SmallPool {
  readonly ground: Ground;
  readonly pool: Pool;
  /** Addresses, which are the miners' names as well. */
  readonly alice: string;
  readonly bob: string;
  readonly database: Database;
  start(name: ProgramName): DaemonProcess;
  /** `run --once`; @throws unless it ends with 0. */
  once(name: ProgramName): Promise<void>;
  command(name: ProgramName, ...words: readonly string[]): Promise<Answer>;
  /** A block with a minute of work before it, read by accounting, `confirmations` deep. */
  earn(confirmations?: number): Promise<FoundBlock>;
  /** Blocks of a stranger, with what the mempool has. */
  bury(blocks: number): Promise<void>;
  /** As if ten seconds had passed since a killed daemon's last word. */
  leaseRunsOut(name: ProgramName): Promise<void>;
  payouts(): Promise<shapes.PaymentsPayouts>;
  /** Checks of `audit` that do not hold. */
  violations(): Promise<string[]>;
  /** Every row that payments has written, its lease included, table by table. */
  money(): Promise<Readonly<Record<string, readonly string[]>>>;
  /** SIGKILL to what still runs, then everything away. */
  close(): Promise<void>;
}

const due = 101;
const tables_of_payments = [
  'settings', 'rounds', 'ledger_events', 'ledger_entries', 'payout_addresses', 'payout_batches', 'payouts', 'payout_transactions',
  'payout_inputs', 'payment_incidents', 'payment_outcomes', 'payments_lease',
];

export async function startSmallPool(): Promise<SmallPool> {
  buildPrograms();
  const ground = await layGround();
  const { config_file } = ground;
  const alice = await ground.minerAddress('bech32');
  const bob = await ground.minerAddress('legacy');
  const pool = await openPool(ground);
  const miner = (address: string, shares_per_minute: number): Miner =>
    ({ user: address as NameBytes, address, shares_per_minute, workers: [`${address}.rig` as NameBytes] });
  for (const one of [miner(alice, 12), miner(bob, 4)]) pool.join(one);
  const database = await ground.administrator();
  const daemons: DaemonProcess[] = [];

  const command = (name: ProgramName, ...words: readonly string[]) => run(name, [...words, '-c', config_file]);
  const once = async (name: ProgramName) => {
    const { status, stderr } = await command(name, 'run', '--once');
    if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
  };
  return {
    ground, pool, alice, bob, database, command, once,
    start: (name) => {
      const daemon = startDaemon(name, config_file, join(ground.directory, `${name}-${daemons.length}.log`));
      daemons.push(daemon);
      return daemon;
    },
    earn: async (confirmations = due) => {
      await pool.minutes(1);
      const block = await pool.solve(`${alice}.rig` as NameBytes);
      await pool.minutes(1);
      await pool.strangerBlocks(confirmations - 1);
      await once('accounting');
      return block;
    },
    bury: (blocks) => pool.strangerBlocks(blocks),
    leaseRunsOut: async (name) => { await database.knex(`${name}_lease`).update({ expires_at_ms: 0 }); },
    payouts: () => ask(shapes.paymentsPayouts, 'payments', config_file, 'payouts'),
    violations: async () => (await ask(shapes.paymentsAudit, 'payments', config_file, 'audit')).checks
      .filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`),
    money: async () => {
      const rows: Record<string, readonly string[]> = {};
      for (const table of tables_of_payments) {
        rows[table] = ((await database.knex(table).select()) as unknown[]).map((row) => JSON.stringify(row)).sort();
      }
      return rows;
    },
    close: async () => {
      for (const daemon of daemons) await daemon.kill();
      pool.end();
      await database.close();
      await ground.close();
    },
  };
}

/** Every state that a batch can be in, in the order of its life. */
export const states_of_a_batch = ['planned', 'prepared', 'broadcast', 'confirmed', 'final'] as const;

/** Looks every millisecond until a batch has come so far. @throws when the daemon ends, or after half a minute. */
export async function untilBatchIs(
  { database }: Pick<SmallPool, 'database'>, daemon: DaemonProcess, batch_id: number, state: typeof states_of_a_batch[number],
): Promise<void> {
  const reached = states_of_a_batch.slice(states_of_a_batch.indexOf(state));
  const given_up_ms = performance.now() + 30_000;
  for (;;) {
    const row = await database.knex('payout_batches').where({ id: batch_id }).first<{ state: string } | undefined>('state');
    if (row && (reached as readonly string[]).includes(row.state)) return;
    if (daemon.ended() !== null || performance.now() > given_up_ms) {
      throw new Error(`batch ${batch_id} never was ${state} (${row?.state ?? 'not there'}):\n${daemon.said().slice(-2000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
