// `npm run fuzz`: damages real bytes and gives them to every parser of what comes from outside, for so many minutes,
// then lets the readers of the daemon pass over a line of a gigabyte and ten million lines. Exit status 1 when a
// promise was broken; the seed and the smallest input that breaks it are printed.
import { randomInt } from 'node:crypto';
import { Command } from 'commander';
import { runAction } from '../../shared/command.js';
import { stopOnSignals } from '../../shared/daemon.js';
import { ConfigurationFault } from '../../shared/errors.js';
import { loadCorpus } from './corpus.js';
import { measureMemory, memoryLine } from './memory.js';
import { memoryCases } from './memory/cases.js';
import { failureText, reportLine, runTargets } from './run.js';
import { allTargets } from './targets.js';

interface Options {
  readonly minutes: string;
  readonly seed?: string;
  readonly target?: string;
}

const say = (text: string): void => { process.stdout.write(`${text}\n`); };

/** For one case at its whole size. */
const memory_limit_ms = 30 * 60_000;

async function fuzz(options: Options): Promise<1 | void> {
  const stop = stopOnSignals();
  const failed = options.target !== 'memory' && await fuzzTargets(options, stop);
  if (stop.aborted || (options.target ?? 'memory') !== 'memory') return failed ? 1 : undefined;
  const grown = await readWhatIsTooLong(stop);
  return failed || grown ? 1 : undefined;
}

/** True when something failed. */
async function readWhatIsTooLong(stop: AbortSignal): Promise<boolean> {
  let failed = false;
  for (const one of memoryCases) {
    if (stop.aborted) break;
    const report = await measureMemory(one, 1, memory_limit_ms);
    say(memoryLine(report));
    failed ||= report.fault !== null;
  }
  return failed;
}

/** True when something failed. */
async function fuzzTargets({ minutes, seed: given, target: wanted }: Options, stop: AbortSignal): Promise<boolean> {
  const time_ms = number(minutes, 'minutes') * 60_000;
  const seed = given === undefined ? randomInt(2 ** 31) : number(given, 'seed') | 0;
  const targets = allTargets(await loadCorpus());
  const chosen = targets.filter(({ name }) => wanted === undefined || name === wanted);
  if (chosen.length === 0) throw new ConfigurationFault([`There is no target ${JSON.stringify(wanted)}; there are ${targets.map(({ name }) => name).join(', ')} and memory.`]);
  say(`seed ${seed}, ${chosen.length} targets, ${minutes} minutes`);
  const reports = await runTargets(chosen, seed, time_ms, () => stop.aborted);
  for (const report of reports) say(reportLine(report));
  say(`${reports.reduce((sum, { executions }) => sum + executions, 0)} executions in all, seed ${seed}`);
  const failures = reports.filter(({ found }) => found);
  for (const report of failures) say(failureText(report));
  return failures.length > 0;
}

function number(text: string, name: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new ConfigurationFault([`--${name} is a number, not ${JSON.stringify(text)}.`]);
  return value;
}

const command = new Command('fuzz')
  .description('Damages real bytes and gives them to every parser of what comes from outside.')
  .option('--minutes <number>', 'so long, shared among the targets', '10')
  .option('--seed <number>', 'the same seed makes the same inputs')
  .option('--target <name>', 'only this one, or memory')
  .configureOutput({ outputError: () => undefined })
  .exitOverride()
  .action((options: Options) => runAction(() => fuzz(options)));

await runAction(async () => {
  await command.parseAsync().catch((failure: unknown) => {
    const { exitCode: status, message } = failure as { exitCode?: number; message: string };
    if (status === 0) return;
    if (status === undefined) throw failure;
    throw new ConfigurationFault([message.replace(/^error: /, '')]);
  });
});
