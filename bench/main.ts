// `npm run bench`: measures, prints one table (or JSON) on stdout and writes bench/results/latest.json. Progress
// goes to stderr. Everything it starts it stops, and its input is removed. Exit status 0 when all was
// measured, whether goals were met or not: the table says which.
import { join } from 'node:path';
import { Command } from 'commander';
import { runAction } from '../shared/command.js';
import { stopOnSignals } from '../shared/daemon.js';
import { ConfigurationFault } from '../shared/errors.js';
import { printJson } from '../shared/print.js';
import { root_directory } from './place.js';
import { tableText, thisMachine, writeReport, type Report } from './report.js';
import { runnable, type RunnableRow } from './row.js';
import { growthLedger } from './rows/growth-ledger.js';
import { idleCost } from './rows/idle-cost.js';
import { liveSnapshot } from './rows/live-snapshot.js';
import { logCatchUp, logUsers } from './rows/log-catch-up.js';
import { logGrowth } from './rows/log-growth.js';
import { logMemory } from './rows/log-memory.js';
import { logRotated } from './rows/log-rotated.js';
import { replacedDesign } from './rows/replaced-design.js';
import { rewardSplit } from './rows/reward-split.js';
import { settleRound } from './rows/settle-round.js';
import { shareFiles } from './rows/share-files.js';
import { shareLive } from './rows/share-live.js';
import { shareMemory } from './rows/share-memory.js';
import { shareTally } from './rows/share-tally.js';
import { snapshotMany } from './rows/snapshot-many.js';
import { startUp } from './rows/start-up.js';
import { usersDirectory } from './rows/users-directory.js';
import { runRows } from './run-rows.js';
import { chooseRows, parseCount, parseSize, parseUsers } from './sizes.js';

const rows: readonly RunnableRow[] = [
  runnable(logCatchUp),
  runnable(logUsers),
  runnable(logRotated),
  runnable(logGrowth),
  runnable(logMemory),
  runnable(liveSnapshot),
  runnable(snapshotMany),
  runnable(usersDirectory),
  runnable(replacedDesign),
  runnable(settleRound),
  runnable(rewardSplit),
  runnable(idleCost),
  runnable(growthLedger),
  runnable(shareTally),
  runnable(shareMemory),
  runnable(shareFiles),
  runnable(shareLive),
  runnable(startUp),
];

const command = new Command('bench')
  .description('Measures this program beside its peers, in one run.')
  .option('--rows <names>', `only these, with commas between: ${rows.map(({ name }) => name).join(', ')}`)
  .option('--size <bytes>', 'of the files that are read whole', '512M')
  .option('--users <number>', 'who have shares in them', '5000')
  .option('--ledger-entries <number>', 'in the history of a filled ledger', '1000000')
  .option('--blocks <number>', 'settled in it', '10000')
  .option('--seed <text>', 'the same seed gives the same input', 'bench')
  .option('--json', 'print JSON instead of a table', false)
  .configureOutput({ outputError: () => undefined })
  .exitOverride()
  .action((options: Options) => runAction(() => measure(options)));

interface Options {
  readonly rows?: string;
  readonly size: string;
  readonly users: string;
  readonly ledgerEntries: string;
  readonly blocks: string;
  readonly seed: string;
  readonly json: boolean;
}

async function measure(options: Options): Promise<void> {
  const stop = stopOnSignals();
  const say = (text: string): void => { process.stderr.write(`bench: ${text}\n`); };
  const plan = {
    rows: chooseRows(rows, options.rows),
    size_bytes: parseSize(options.size),
    users: parseUsers(options.users),
    ledger_entries: parseCount('--ledger-entries', options.ledgerEntries, 10_000),
    blocks: parseCount('--blocks', options.blocks, 100),
    seed: options.seed,
    stop,
    say,
  };
  try {
    const report: Report = { machine: thisMachine(), rows: await runRows(plan) };
    writeReport(join(root_directory, 'bench/results/latest.json'), report);
    if (options.json) printJson(report);
    else process.stdout.write(tableText(report));
  } catch (failure) {
    if (!stop.aborted) throw failure;
    say('stopped; nothing is left of it');
    process.exitCode = 130;
  }
}

await runAction(async () => {
  await command.parseAsync().catch((failure: unknown) => {
    const { exitCode: status, message } = failure as { exitCode?: number; message: string };
    if (status === 0) return;
    if (status === undefined) throw failure;
    throw new ConfigurationFault([message.replace(/^error: /, '')]);
  });
});
