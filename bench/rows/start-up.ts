// How long an operator waits for a command to answer: both programs' --help and --version, every command of theirs
// where the configuration is missing, and what answers from a small pool on SQLite, with a node that is there. The
// commands are those that --help lists, so that a new one is measured too. Each is called once; the slowest of each
// group then take turns with a bare `node -e 0`, and the slowest of these is named.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serveRecordedChain, type RecordedNode } from '../../lab/recorded-node.js';
import { unpackRecording } from '../../lab/recordings.js';
import { call, callNode, commandsInHelp, program_names, programFile, type Ended, type ProgramName } from '../program.js';
import type { Bench, Measurement, Row } from '../row.js';
import { sideBySide, type Contender, type Timing } from '../side-by-side.js';
import { createWarmClone } from '../warm-clone.js';

const repetitions = 4;
const finalists = 2;
const bare = 'node -e 0';
const goal = { of: 'value', bound: 'at most', limit: 300 } as const;

/** They go through whole logs or wait for a daemon: how long that takes is not how they start. */
const work_of_their_own: ReadonlySet<string> = new Set(['run', 'replay', 'baseline']);

interface Call {
  /** `obtc-payments status` */
  readonly label: string;
  readonly words: readonly string[];
}

interface Input {
  readonly node: RecordedNode;
  readonly help: readonly Call[];
  readonly unconfigured: readonly Call[];
  readonly answering: readonly Call[];
  readonly accounting_sh: string;
}

export const startUp: Row<Input> = {
  name: 'start-up',
  async prepare({ directory, defer, say }) {
    say('a small pool');
    const recording = await unpackRecording('busy');
    defer(() => recording.remove());
    const node = await serveRecordedChain(recording.chain_directory);
    defer(() => node.close());
    const config_file = join(directory, 'ckpool.conf');
    const [, btcaddress] = /"btcaddress" : "(\w+)"/.exec(readFileSync(recording.configuration, 'utf8')) ?? [];
    const login = { url: node.url, auth: node.user, pass: node.password };
    writeFileSync(config_file, JSON.stringify({ btcd: [login], btcaddress, logdir: recording.log_directory }), { mode: 0o600 });
    const filled = await callNode([programFile('accounting'), 'run', '--once', '-c', config_file]);
    if (filled.status !== 0) throw new Error(`the pool could not be read: ${filled.stderr.slice(-500)}`);
    const solve = recording.truth.solves[0]!;
    const what_needs: Readonly<Record<string, string>> = {
      block: String(solve.height), user: Object.keys(solve.users)[0]!, logdir: recording.log_directory,
    };
    const all = (await Promise.all(program_names.map(commandsOf))).flat();
    const callOf = ({ program, name, needs }: OwnCommand, file: string): Call => ({
      label: `obtc-${program} ${name}`,
      words: [programFile(program), '-c', file, name, ...needs.map((one) => what_needs[one] ?? '1')],
    });
    return {
      node,
      help: program_names.flatMap((program) => ['--help', '--version'].map((flag) =>
        ({ label: `obtc-${program} ${flag}`, words: [programFile(program), flag] }))),
      unconfigured: all.map((command) => callOf(command, join(directory, 'missing.conf'))),
      answering: all.filter(({ name }) => !work_of_their_own.has(name)).map((command) => callOf(command, config_file)),
      accounting_sh: createWarmClone(join(directory, 'clone')),
    };
  },
  async measure(input, bench) {
    const { help, unconfigured, answering, accounting_sh } = input;
    bench.say(`${help.length + unconfigured.length + answering.length} calls, each once, then the slowest of them again`);
    const reading: Called[] = [];
    const asking: Called[] = [];
    for (const one of answering) {
      const asked_before = callsOf(input.node);
      const called = await callOnce(one, bench, requireAnswer);
      (callsOf(input.node) === asked_before ? reading : asking).push(called);
    }
    const helped = await inTurn(help, bench, (one, { status }) => requireThat(status === 0, one));
    const refused = await inTurn(unconfigured, bench, (one, { status, stderr }) =>
      requireThat(status === 2 && /missing\.conf does not exist/.test(stderr), one));
    return [
      await slowest('--help and --version', helped, bench),
      await slowest('without a configuration', refused, bench),
      await slowest('answered from SQLite', reading, bench),
      await slowest('answered by node and SQLite', asking, bench),
      await warmScript(accounting_sh, bench),
    ];
  },
};

interface OwnCommand {
  readonly program: ProgramName;
  readonly name: string;
  readonly needs: readonly string[];
}

async function commandsOf(program: ProgramName): Promise<readonly OwnCommand[]> {
  const { stdout } = await callNode([programFile(program), '--help']);
  const commands = commandsInHelp(stdout);
  if (commands.length < 5) throw new Error(`the commands of ${program} are not in its help: ${stdout.slice(0, 500)}`);
  return commands.map((command) => ({ program, ...command }));
}

interface Called extends Call {
  readonly took_ms: number;
}

async function callOnce(one: Call, { stop }: Bench, check: (one: Call, ended: Ended) => void): Promise<Called> {
  stop.throwIfAborted();
  const started_ms = performance.now();
  const ended = await callNode(one.words);
  const took_ms = performance.now() - started_ms;
  check(one, ended);
  return { ...one, took_ms };
}

async function inTurn(
  calls: readonly Call[], bench: Bench, check: (one: Call, ended: Ended) => void,
): Promise<readonly Called[]> {
  const called: Called[] = [];
  for (const one of calls) called.push(await callOnce(one, bench, check));
  return called;
}

/** What it says is for the tests to judge. Here it must have come as far as the database: no fault of usage or ours. */
function requireAnswer(one: Call, { status, stderr }: Ended): void {
  requireThat(status !== null && !/see obtc-\w+ --help|should not have happened|does not exist/.test(stderr), one);
}

function requireThat(holds: boolean, { label }: Call): void {
  if (!holds) throw new Error(`${label} did not do what is measured`);
}

const callsOf = ({ calls }: RecordedNode): number => [...calls.values()].reduce((sum, times) => sum + times, 0);

async function slowest(what: string, called: readonly Called[], { stop }: Bench): Promise<Measurement> {
  const slow = [...called].sort((a, b) => b.took_ms - a.took_ms).slice(0, finalists);
  const contender = (words: readonly string[]): Contender => async () => (await callNode(words)).status ?? Number.NaN;
  const timings: Readonly<Record<string, Timing>> = await sideBySide({
    ...Object.fromEntries(slow.map(({ label, words }) => [label, contender(words)])),
    [bare]: contender(['-e', '0']),
  }, repetitions, stop);
  const seconds = (label: string): number => timings[label]?.median_seconds ?? Number.NaN;
  const [label = ''] = slow.map((one) => one.label).sort((one, other) => seconds(other) - seconds(one));
  return {
    name: `start-up ${what}: ${label}, the slowest of ${called.length}`,
    value: seconds(label) * 1_000, unit: 'ms',
    peer: { name: bare, value: seconds(bare) * 1_000 },
    ratio_as: 'time', goal,
  };
}

/** What accounting.sh looks at before it becomes node, and its --help. */
async function warmScript(accounting_sh: string, { stop }: Bench): Promise<Measurement> {
  const { script, program } = await sideBySide({
    script: async () => quiet(await call(accounting_sh, ['--help'])),
    program: async () => quiet(await callNode([programFile('accounting'), '--help'])),
  }, repetitions, stop);
  return {
    name: 'start-up of ./accounting.sh --help, set up',
    value: script.median_seconds * 1_000, unit: 'ms',
    peer: { name: 'obtc-accounting --help', value: program.median_seconds * 1_000 },
    ratio_as: 'time', goal,
  };
}

/** @throws Error where something was set up or went wrong: that would be another measurement. */
function quiet({ status, stdout, stderr }: Ended): number {
  if (status !== 0 || stderr !== '') throw new Error(`no plain start: ${stderr.slice(0, 500)}`);
  return stdout.length;
}
