// `npm run simulate`: many seeds on all cores, or one seed line by line, or the exhaustive tier. The seeds of a run
// are named first and last, so that any of them can be run again: the same seed gives the same trace.
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { simulate } from '../simulator.js';
import { runExhaustive } from './run-exhaustive.js';
import { runSeeds, type SeedsReport } from './run-seeds.js';

interface Options {
  readonly seeds?: number;
  readonly seed: number;
  readonly minutes?: number;
  readonly trace?: boolean;
  readonly exhaustive?: boolean;
  readonly everyPair: number;
  readonly workers: number;
  readonly failFast?: boolean;
  readonly json?: boolean;
}

// ckpool's stamps are local time; a trace must not depend on where it is made.
process.env['TZ'] = 'UTC';

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is needed');
  return value;
};

const some = (text: string): number => {
  const value = whole(text);
  if (value === 0) throw new InvalidArgumentError('at least 1 is needed');
  return value;
};

const program = new Command('npm run simulate --')
  .description('Plays a pool in which everything dies, lies and comes late, and checks that nothing is lost or paid twice.')
  .option('--seeds <count>', 'how many seeds (default: 200, or 1 with --trace)', some)
  .option('--seed <first>', 'the first seed', whole, 1)
  .option('--minutes <minutes>', 'as many seeds as fit into this time', whole)
  .option('--trace', 'one line for each move')
  .option('--exhaustive', 'eight short stories: every crash point and every pair of crash points')
  .addOption(new Option('--every-pair <n>', 'with --exhaustive: every n-th pair only; 0: no pairs').argParser(whole).default(1))
  .addOption(new Option('--workers <count>', 'worker threads').argParser(some).default(availableParallelism()))
  .option('--fail-fast', 'end with the first seed that fails')
  .option('--json', 'one JSON document on stdout')
  .addHelpText('after', '\nExamples:\n  npm run simulate -- --seeds 2000\n  npm run simulate -- --seed 41 --trace\n'
    + '  npm run simulate -- --exhaustive --every-pair 10');

const options = program.parse().opts<Options>();
if (options.trace) process.exitCode = await traceSeeds(options);
else if (options.exhaustive) process.exitCode = await runExhaustive(options);
else process.exitCode = report(await runSeeds(options), options);

async function traceSeeds({ seed: first, seeds = 1 }: Options): Promise<number> {
  let failed = 0;
  for (let seed = first; seed < first + seeds; seed += 1) {
    say(`seed ${seed}`);
    const result = await simulate(String(seed), { onLine: say });
    say(`seed ${seed}: ${result.violations.length === 0 ? 'holds' : 'FAILED'}, trace ${result.trace_hash}`);
    failed += result.violations.length === 0 ? 0 : 1;
  }
  return failed === 0 ? 0 : 1;
}

function report(run: SeedsReport, { json, workers }: Options): number {
  const { results, first, last, seconds } = run;
  const failed = results.filter(({ violations }) => violations.length > 0);
  const sum = (pick: (result: (typeof results)[number]) => number) => results.reduce((total, result) => total + pick(result), 0);
  const figures = {
    seeds: results.length, first, last, failed: failed.length, effects: sum(({ effects }) => effects),
    kills: sum(({ kills }) => kills), blocks: sum(({ blocks }) => blocks), payouts: sum(({ payouts }) => payouts),
    simulated_hours: Math.round(sum(({ simulated_ms }) => simulated_ms) / 3_600_000),
    seconds: Math.round(seconds), seeds_per_second_and_core: Math.round((results.length / seconds / workers) * 10) / 10,
    trace_hash: createHash('sha256').update(results.map(({ trace_hash }) => trace_hash).join()).digest('hex').slice(0, 16),
  };
  if (json) say(JSON.stringify({ ...figures, failures: failed.map(({ seed, violations }) => ({ seed, violations })) }));
  else for (const [name, value] of Object.entries(figures)) say(`${name.replaceAll('_', ' ').padEnd(26)} ${value}`);
  return failed.length === 0 ? 0 : 1;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
