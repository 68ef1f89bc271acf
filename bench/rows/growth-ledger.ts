// What a long history costs: the next block settled in a database that has settled many, beside an empty one (the
// same number of users in the round, taking turns), and what people ask of it, as the commands that they type. By
// default ten thousand blocks and a million entries; --blocks and --ledger-entries make it what a pool has after years.
import { startMariadb } from '../../lab/mariadb.js';
import { openPayments, type TestPayments } from '../../lab/payments-context.js';
import { createNode } from '../../shared/bitcoind/client.js';
import type { DatabaseSettings } from '../../shared/database/connect.js';
import { smallInteger } from '../../shared/database/database.js';
import type { Move } from '../../payments/context.js';
import { watchForeignSpends } from '../../payments/foreign-spends.js';
import { createSumKeeper } from '../../payments/keep-sums.js';
import { settle } from '../../payments/settle.js';
import { runCommand, writeConfiguration } from '../daemon-process.js';
import { entriesOf, historyOf, writeHistory, type History } from '../ledger-history.js';
import { completeTo, writeBlocks, writePool } from '../payment-facts.js';
import type { Bench, Measurement, Row } from '../row.js';
import { openMigrated } from '../share-pool.js';
import { median, sideBySide } from '../side-by-side.js';
import { serveStillNode, still_pool_address, type StillNode } from '../still-node.js';

const repetitions = 15;
const command_repetitions = 5;
const maturity = 100;
/** Room for the history, as an operator would give it: it is taken as it is needed. */
const server_options = ['--innodb-buffer-pool-size=6G', '--innodb-log-file-size=512M'];

interface Ledger {
  readonly settings: DatabaseSettings;
  readonly payments: TestPayments;
  readonly node: StillNode;
  readonly keep: Move;
  /** Of the block settled last. */
  height: number;
}

interface Input {
  readonly history: History;
  readonly empty: Ledger;
  readonly filled: Ledger;
}

export const growthLedger: Row<Input> = {
  name: 'growth-ledger',
  async prepare(bench) {
    const server = await startMariadb(server_options);
    bench.defer(() => server.stop());
    const history = historyOf(bench.users, bench.blocks, bench.ledger_entries);
    bench.say(`${history.blocks} blocks, ${entriesOf(history)} entries, ${history.users} users`);
    return {
      history,
      empty: await openLedger(await server.createDatabase('empty'), { ...history, blocks: 0 }, bench),
      filled: await openLedger(await server.createDatabase('filled'), history, bench),
    };
  },
  async measure({ history, empty, filled }, bench) {
    const settled = await sideBySide(
      { filled: () => settleNext(filled), empty: () => settleNext(empty) }, repetitions, bench.stop);
    const passed = await sideBySide(
      { filled: () => passOver(filled), empty: () => passOver(empty) }, repetitions, bench.stop);
    await requireSettled(filled);
    await requireSettled(empty);
    const beside = (name: string, { filled: ours, empty: peer }: typeof settled): Measurement => ({
      name: `${name} after ${history.blocks} blocks and ${entriesOf(history)} entries`,
      value: 1_000 * ours.median_seconds, unit: 'ms', peer: { name: 'an empty database', value: 1_000 * peer.median_seconds },
      ratio_as: 'time', goal: { of: 'ratio', bound: 'at most', limit: 1.25 },
    });
    return [
      beside(`settle a block of ${history.workers} users`, settled),
      { ...beside('all that a new tip makes payments look at, settling included,', passed), goal: null },
      ...(await commands(filled, history, bench)),
    ];
  },
};

async function openLedger(settings: DatabaseSettings, history: History, bench: Bench): Promise<Ledger> {
  const { blocks, users, workers } = history;
  const tip_height = blocks + maturity;
  const node = await serveStillNode(tip_height, blocks);
  bench.defer(() => node.close());
  const database = await openMigrated(settings);
  bench.defer(() => database.close());
  await writePool(database, users, tip_height);
  if (blocks > 0) await writeHistory(database, history, bench);
  const to_come = 2 * (repetitions + 1);
  await writeBlocks(database, { from: blocks + 1, to: blocks + to_come, users, workers });
  for (const table of ['ledger_entries', 'ledger_events', 'rounds', 'blocks', 'snapshot_shares', 'snapshots', 'cuts']) {
    await database.knex.raw(`ANALYZE TABLE ${table}`);
  }
  const payments = await openPayments(database, createNode(node.login), still_pool_address, { pool_fee_ppm: 10_000n });
  return { settings, payments, node, keep: createSumKeeper(), height: blocks };
}

async function settleNext(ledger: Ledger): Promise<number> {
  await nextTip(ledger);
  if ((await settle(ledger.payments)) !== 'progress') throw new Error(`block ${ledger.height} was not settled`);
  return 1;
}

/** Spends of the pool's coins, the block that is due, and the sums. */
async function passOver(ledger: Ledger): Promise<number> {
  await nextTip(ledger);
  if ((await watchForeignSpends(ledger.payments)) !== 'idle') throw new Error('a coin of the history is taken for spent');
  if ((await settle(ledger.payments)) !== 'progress') throw new Error(`block ${ledger.height} was not settled`);
  while ((await ledger.keep(ledger.payments)) === 'progress');
  return 1;
}

async function nextTip(ledger: Ledger): Promise<void> {
  ledger.height += 1;
  ledger.node.tip_height = ledger.height + maturity;
  await completeTo(ledger.payments.database, ledger.node.tip_height);
}

async function requireSettled({ payments, height }: Ledger): Promise<void> {
  const [rounds] = await payments.database.knex('rounds').where('state', 'credited').count<{ n: unknown }[]>({ n: '*' });
  if (smallInteger(rounds?.n) !== height) throw new Error(`${String(rounds?.n)} blocks are settled and not ${height}`);
}

async function commands(ledger: Ledger, history: History, bench: Bench): Promise<Measurement[]> {
  const { settings, node: { login }, height } = ledger;
  const config_file = writeConfiguration(bench.directory, {
    login, log_directory: bench.directory, pool_address: still_pool_address, settings,
  });
  const user = `sim1q${(7).toString(16).padStart(40, '0')}`;
  const status = JSON.parse(await runCommand('payments', config_file, ['status', '--json'])) as { blocks: { credited: number } };
  if (status.blocks.credited !== height) throw new Error(`status counts ${status.blocks.credited} blocks`);
  const balances = JSON.parse(await runCommand('payments', config_file, ['balances', '--json'])) as unknown[];
  if (balances.length !== history.users) throw new Error(`balances lists ${balances.length} users`);
  const explained = JSON.parse(await runCommand('payments', config_file, ['explain', user, '--json'])) as { rounds: unknown[] };
  if (explained.rounds.length === 0) throw new Error('explain finds no round of a user who has worked');
  const figures: Measurement[] = [];
  for (const words of [['status'], ['balances'], ['explain', user]]) {
    const seconds: number[] = [];
    for (let turn = 0; turn < command_repetitions; turn += 1) {
      bench.stop.throwIfAborted();
      const started_ms = performance.now();
      await runCommand('payments', config_file, words);
      seconds.push((performance.now() - started_ms) / 1_000);
    }
    figures.push({
      name: `obtc-payments ${words[0] ?? ''}, as a process`, value: median(seconds), unit: 's', peer: null, ratio_as: 'time',
      goal: { of: 'value', bound: 'at most', limit: 1 },
    });
  }
  return figures;
}
