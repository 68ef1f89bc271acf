// `npm run test:mutants`: plants every bug of the table, one at a time in a copy of the tree, and expects its catchers
// to fail. Names after `--` choose some: `npm run test:mutants -- lease-ignored float-split`. The table is on stdout
// (`mutant | caught by | seconds`), progress on stderr. Exit status 0: each was caught; 1: one survived, or one could
// not be tried; 2: no such name.
//
// A catcher is test files (with a title, only what it selects) or the simulator:
//   { kind: 'tests', files: ['payments/settle.test.ts'], title: 'on SQLite.*once' }
//   { kind: 'simulate', seeds: 200, seed: 1 }
// The simulator's is `lab/simulator/main.js --seeds N [--seed S]` of this very compilation, copied, with the file that
// holds the bug compiled anew. `--simulator N` asks nothing but that, of every bug: a survivor there is no gap in the
// tests, but one in what the simulator can see. It must end with 0 when it finds nothing, and with 1 and `seed N` in its output when
// it does. A bug with several catchers is caught by the first that notices: the cheaper one goes first.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { runAction } from '../../shared/command.js';
import { stopOnSignals } from '../../shared/daemon.js';
import { ConfigurationFault } from '../../shared/errors.js';
import { printLines, printTable } from '../../shared/print.js';
import type { Catcher } from './mutant.js';
import { mutants } from './table.js';
import { runMutants, type Result } from './run.js';

/** The folder of this compilation: it holds lab/, shared/ and the rest. */
const built = fileURLToPath(new URL('../../', import.meta.url));
const root = join(built, '..');

const command = new Command('test:mutants')
  .description('Plants known bugs and sees that tests notice.')
  .argument('[names...]', 'only these')
  .option('--jobs <number>', 'how many at a time', '2')
  .option('--simulator <seeds>', 'ask the simulator alone, with so many seeds: which of them would it have caught?')
  .option('--list', 'say what each would do, and run nothing', false)
  .action((names: string[], options: Options) => runAction(() => main(names, options)));

interface Options {
  readonly jobs: string;
  readonly list: boolean;
  readonly simulator?: string;
}

const simulate = (seeds: number): Catcher => ({ kind: 'simulate', seeds, seed: 1 });

async function main(names: readonly string[], { jobs, list, simulator }: Options): Promise<void> {
  const unknown = names.filter((name) => !mutants.some((mutant) => mutant.name === name));
  if (unknown.length > 0) throw new ConfigurationFault(unknown.map((name) => `There is no planted bug ${name}: see --list.`));
  if (!/^[1-9]\d?$/.test(jobs)) throw new ConfigurationFault(['--jobs takes a number from 1 to 99.']);
  if (!existsSync(join(root, 'package.json'))) throw new ConfigurationFault(['Start it with `npm run test:mutants`.']);
  if (simulator !== undefined && !/^[1-9]\d{0,5}$/.test(simulator)) throw new ConfigurationFault(['--simulator takes a number of seeds.']);
  const chosen = (names.length === 0 ? mutants : mutants.filter((mutant) => names.includes(mutant.name)))
    .map((mutant) => (simulator === undefined ? mutant : { ...mutant, catchers: [simulate(Number(simulator))] }));
  if (list) return printTable([{ heading: 'mutant' }, { heading: 'file' }, { heading: 'what it would do' }],
    chosen.map(({ name, file, harm }) => [name, file, harm]));
  const stop = stopOnSignals();
  const started_ms = performance.now();
  const say = (text: string): void => { process.stderr.write(`mutants: ${text}\n`); };
  const results = await runMutants(chosen, { root, built, jobs: Number(jobs), stop, say });
  report(results, chosen.length, (performance.now() - started_ms) / 1000);
  if (stop.aborted) process.exitCode = 130;
}

function report(results: readonly Result[], count: number, seconds: number): void {
  const order = new Map(mutants.map(({ name }, index) => [name, index]));
  const rows = [...results].sort((a, b) => order.get(a.mutant.name)! - order.get(b.mutant.name)!);
  printTable([{ heading: 'mutant' }, { heading: 'caught by' }, { heading: 'seconds', align: 'right' }],
    rows.map(({ mutant, outcome, by, seconds: taken }) =>
      [mutant.name, outcome === 'caught' ? by : `${outcome.toUpperCase()}: ${by}`, taken.toFixed(1)]));
  const of = (outcome: Result['outcome']): number => rows.filter((row) => row.outcome === outcome).length;
  printLines([`${count} mutants: ${of('caught')} caught, ${of('survived')} survived, ${of('broken')} not tried; ${seconds.toFixed(0)} s`]);
  if (of('caught') !== count) process.exitCode = 1;
}

await command.parseAsync();
