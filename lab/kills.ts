// `npm run test:kills`: a small pool's whole course on a real MariaDB and a real node, and then the same course again
// for each request that the daemons made in it and each fault that can befall it: cut before or after delivery, held
// and delivered late, the daemon killed, the server killed. After each run the chain, the ledger and the facts are
// judged (kills/verdict.ts). Progress goes to stderr; stdout carries one line for each violation and a table at the end.
// Exit status 1 when anything was violated. A slice, a seed or a point's name repeats a part of it exactly.
import { cpus } from 'node:os';
import { Command } from 'commander';
import { exit_status, printLines, runProgram } from '../shared/command.js';
import { stopOnSignals } from '../shared/daemon.js';
import { ConfigurationFault } from '../shared/errors.js';
import { allPoints, fault_names, nameOf, samplePoints, type FaultPoint } from './kills/points.js';
import { printSummary, readDone, recorder } from './kills/report.js';
import { runAll } from './kills/run-all.js';
import { makeTemplates } from './kills/templates.js';

interface Options {
  readonly sample?: string;
  readonly seed: string;
  readonly every: string;
  readonly offset: string;
  readonly only?: string;
  readonly faults?: string;
  readonly requests?: string;
  readonly workers: string;
  readonly results?: string;
  readonly list: boolean;
}

const program = new Command('npm run test:kills --')
  .description('Breaks every request of both daemons in every way, one at a time, and looks at the chain afterwards.')
  .option('--sample <number>', 'only so many points, chosen by the seed, a little of everything')
  .option('--seed <text>', 'of the sample', 'kills')
  .option('--every <number>', 'only every so many-th point', '1')
  .option('--offset <number>', 'the first of them, from 0', '0')
  .option('--only <prefix>', 'only points whose name begins so: 2/rpc, 2/rpc/sendrawtransaction, 3/mysql/COMMIT')
  .option('--faults <names>', `only these, with commas between: ${fault_names.join(', ')}`)
  .option('--requests <names>', 'only at those whose label begins so, with commas between: COMMIT, sendrawtransaction, INSERT-payouts')
  .option('--workers <number>', 'runs at a time', String(2 * cpus().length))
  .option('--results <file>', 'a line of JSON for each run is added to it; points that it has are not run again')
  .option('--list', 'count the requests, print the points and run none', false)
  .configureOutput({ outputError: () => undefined })
  .exitOverride()
  .action(async (options: Options) => { process.exitCode = await killEverywhere(options); });

async function killEverywhere(options: Options): Promise<number> {
  const stop = stopOnSignals();
  // Whatever is started is killed with this process, and at any time much of it runs.
  process.setMaxListeners(0);
  const say = (text: string): void => { process.stderr.write(`kills: ${text}\n`); };
  const done = options.results === undefined ? [] : readDone(options.results);
  say('the undisturbed run, which counts the requests');
  const templates = await makeTemplates();
  try {
    const points = allPoints(templates.requests);
    const requests = points.length / fault_names.length;
    const chosen = choose(points, options);
    const names_done = new Set(done.map(({ name }) => name));
    const waiting = chosen.filter((point) => !names_done.has(nameOf(point)));
    say(`${requests} requests, ${points.length} points, ${chosen.length} chosen, ${waiting.length} to run`);
    if (options.list) {
      printLines(chosen.map(nameOf));
      return exit_status.done;
    }
    const record = recorder({ total: waiting.length, say, ...(options.results === undefined ? {} : { file: options.results }) });
    const outcomes = await runAll(templates, waiting, { workers: wholeNumber(options.workers, 'workers', 1), stop, onOutcome: record });
    const all = [...done.filter(({ name }) => chosen.some((point) => nameOf(point) === name)), ...outcomes];
    printSummary(all);
    if (stop.aborted) return 128 + 2;
    return all.some(({ violations }) => violations.length > 0) ? exit_status.failed : exit_status.done;
  } finally {
    templates.remove();
  }
}

function choose(points: readonly FaultPoint[], { only = '', faults, requests, every, offset, sample, seed }: Options): FaultPoint[] {
  const wanted = faults?.split(',') ?? [...fault_names];
  const unknown = wanted.filter((name) => !fault_names.some((fault) => fault === name));
  if (unknown.length > 0) throw new ConfigurationFault([`--faults: there is no ${unknown.join(', ')}`]);
  const step = wholeNumber(every, 'every', 1);
  const first = wholeNumber(offset, 'offset', 0);
  const names = requests?.split(',');
  const chosen = points.filter((point) => wanted.includes(point.fault) && nameOf(point).startsWith(only))
    .filter(({ request }) => names === undefined || names.some((name) => request.startsWith(name)))
    .filter((_, index) => index >= first && (index - first) % step === 0);
  return sample === undefined ? chosen : samplePoints(chosen, wholeNumber(sample, 'sample', 1), seed);
}

function wholeNumber(text: string, option: string, least: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new ConfigurationFault([`--${option} must be a whole number of at least ${least}`]);
}

await runProgram(program);
