// `./accounting.sh demo`: a throwaway pool, from the first share to the last confirmed payout, on real parts:
// a node in regtest and the two daemons as processes. In order: a node's program (installed where that is
// possible), the pool's directory, the story, the report; then everything is ended and removed. A signal at
// any moment ends it the same way; a failure keeps the directory, because the logs in it tell why.
//   demo/node-binary.ts, demo/pool.ts     the ground: program, node, wallets, configuration
//   demo/mining.ts, demo/daemons.ts       the actors
//   demo/story.ts                         what happens
//   demo/check.ts, demo/report.ts         what came of it
// It lowers no rule, writes to no table and calls no code of a daemon in its own process.
import { Command } from 'commander';
import { exit_status, printJson, runProgram } from '../shared/command.js';
import { stopOnSignals } from '../shared/daemon.js';
import { ConfigurationFault, OutsideFailure } from '../shared/errors.js';
import { createDaemons, type Daemons } from './demo/daemons.js';
import { DemoFailed, Interrupted, requireGoing } from './demo/failure.js';
import { provideNodeBinary } from './demo/node-binary.js';
import { startPool, type ThrowawayPool } from './demo/pool.js';
import { makeReport, printReport, type Report } from './demo/report.js';
import { createSteps, type Steps } from './demo/steps.js';
import { tellStory } from './demo/story.js';

interface DemoOptions {
  readonly keep: boolean;
  readonly json: boolean;
}

const program = new Command('./accounting.sh demo')
  .description(
    'A throwaway pool with real blocks: '
      + 'it loses one, is killed while it pays, and pays everyone once.',
  )
  .option('--json', 'print one JSON document instead of tables', false)
  .option(
    '--keep',
    'keep the directory with configuration, logs and database, and say where it is',
    false,
  )
  .helpOption('-h, --help', 'print this help')
  .addHelpText(
    'after',
    '\nExamples:\n  ./accounting.sh demo\n  ./accounting.sh demo --keep\n'
      + '  ./accounting.sh demo --json >demo.json',
  )
  .configureOutput({ outputError: () => undefined })
  .exitOverride()
  .action(async (options: DemoOptions) => {
    process.exitCode = await demo(options);
  });

async function demo(options: DemoOptions): Promise<number> {
  const hung_up = new AbortController();
  process.on('SIGHUP', () => hung_up.abort('SIGHUP'));
  const stop = AbortSignal.any([stopOnSignals(), hung_up.signal]);
  const steps = createSteps();
  const binary = await provideNodeBinary(steps, stop).catch((failure: unknown) => {
    if (failure instanceof Interrupted) return null;
    throw failure;
  });
  if (binary === null) return interrupted(steps, stop);
  steps.now('starting a node');
  const pool = await startPool(binary).catch((failure: unknown) => {
    if (!stop.aborted) steps.done(`The demo failed: ${sentenceOf(failure)} Nothing is left of it.`);
    return null;
  });
  if (pool === null) return stop.aborted ? interrupted(steps, stop) : exit_status.failed;
  const daemons = createDaemons(pool, stop);
  const abandon = () => {
    daemons.abandon();
    pool.abandon();
  };
  process.once('exit', abandon);
  let keep = options.keep;
  try {
    steps.done(`${binary} is running in regtest; everything else is in ${pool.directory}`);
    const report = await perform({ pool, daemons, steps, stop, options });
    keep ||= !report.ok;
    return report.ok ? exit_status.done : exit_status.failed;
  } catch (failure) {
    if (stop.aborted) return interrupted(steps, stop);
    if (failure instanceof ConfigurationFault) throw failure;
    keep = true;
    steps.done(`The demo failed: ${sentenceOf(failure)} The logs are in ${pool.directory}.`);
    return exit_status.failed;
  } finally {
    // In order where somebody may look at what is left; at once where nobody will.
    await (keep && !stop.aborted ? daemons.stop() : daemons.kill());
    await pool.close(keep && !stop.aborted);
    process.off('exit', abandon);
  }
}

/** @returns the status that the signal would have given. */
function interrupted(steps: Steps, stop: AbortSignal): number {
  steps.done('interrupted: ending everything');
  return 128 + ({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }[String(stop.reason)] ?? 2);
}

interface Performance {
  readonly pool: ThrowawayPool;
  readonly daemons: Daemons;
  readonly steps: Steps;
  readonly stop: AbortSignal;
  readonly options: DemoOptions;
}

async function perform({ pool, daemons, steps, stop, options }: Performance): Promise<Report> {
  const story = await tellStory(pool, daemons, steps, stop);
  steps.now('auditing');
  const report = await makeReport(pool, daemons, story);
  requireGoing(stop);
  const seconds = Math.round(steps.elapsed_ms() / 1000);
  steps.done(report.ok
    ? `done in ${seconds} s: ledger, chain and wallet agree to the satoshi`
    : `done in ${seconds} s: SOMETHING DOES NOT HOLD, see the checks; the logs are in ${pool.directory}`);
  if (options.json) {
    printJson({ ...report, directory: options.keep || !report.ok ? pool.directory : null, seconds });
  } else {
    printReport(report);
  }
  if (options.keep) steps.done(howToLookAround(pool));
  return report;
}

const howToLookAround = ({ directory, config_file }: ThrowawayPool): string =>
  [`Everything is kept in ${directory} (without the node). To look around:`,
    `./accounting.sh -c ${config_file} blocks`,
    `node dist/payments/main.js balances -c ${config_file}`,
    `node dist/payments/main.js payouts -c ${config_file}`].join('\n            ');

function sentenceOf(failure: unknown): string {
  if (failure instanceof DemoFailed || failure instanceof OutsideFailure) return failure.message;
  const words = failure instanceof Error ? failure.message : String(failure);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

await runProgram(program);
