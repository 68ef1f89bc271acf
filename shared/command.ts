// The conventions of both command lines: `-c FILE` and `--json` before or after the command's name, examples
// in every help, one sentence on stderr for each failure, never a stack trace, and these exit statuses:
//   0 done                           1 a check or an invariant failed
//   2 bad usage or configuration     3 node or database out of reach
// stdout carries the answer and nothing else. Command modules are loaded when their command is called.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { nearestName } from './config/nearest-name.js';
import { ConfigurationFault, InvariantBroken, OutsideFailure } from './errors.js';
import { levelFromEnvironment } from './logger.js';

export { printJson, printLines, printTable, type Column } from './print.js';

export const exit_status = { done: 0, failed: 1, usage: 2, out_of_reach: 3 } as const;
export type ExitStatus = (typeof exit_status)[keyof typeof exit_status];

export interface CommandContext {
  /** As given with -c, in POOL_CONFIG, or `./ckpool.conf`: relative to the caller's directory. */
  readonly config_file: string;
  readonly json: boolean;
  readonly arguments: readonly string[];
  /** The command's own options by their camelCase names, as commander makes them. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What a command does. Returns `failed` when what it was asked to check does not hold. */
export type Action = (context: CommandContext) => Promise<ExitStatus | void>;

export interface CommandPlan {
  /** Name and arguments as commander writes them: `snapshot <block>`. */
  readonly usage: string;
  readonly description: string;
  /** Flags and what they mean: `['--once', 'run until idle, then exit']`; a third element is the default. */
  readonly options?: readonly (readonly [flags: string, meaning: string, preset?: string])[];
  /** What may follow the program's name, as a person would type it. */
  readonly examples: readonly string[];
  /** The command that runs when none is named. */
  readonly is_default?: boolean;
  /** Imports the module: `async () => (await import('./commands/blocks.js')).blocks`. */
  load(): Promise<Action>;
}

export function createProgram(name: string, description: string): Command {
  const preset = process.env['POOL_CONFIG'] || './ckpool.conf';
  return new Command(name)
    .description(description)
    .version(packageVersion(), '-V, --version', 'print the version')
    .option('-c, --config <file>', "ckpool's configuration (or POOL_CONFIG)", preset)
    .option('--json', 'print one JSON document instead of a table', false)
    .helpOption('-h, --help', 'print this help')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
}

export function addCommand(program: Command, plan: CommandPlan): Command {
  const command = program
    .command(plan.usage, { isDefault: plan.is_default ?? false })
    .description(plan.description)
    .addHelpText(
      'after',
      `\nExamples:\n${plan.examples.map((one) => `  ${program.name()} ${one}`).join('\n')}`,
    );
  for (const [flags, meaning, preset] of plan.options ?? []) command.option(flags, meaning, preset);
  // A misspelt command would otherwise be an argument too many of the default one.
  if (plan.is_default) command.allowExcessArguments();
  return command.action(async () => {
    if (plan.is_default) refuseUnknownCommand(program, command);
    const { config, json, ...options } = command.optsWithGlobals<{ config: string; json: boolean }>();
    const context = { config_file: config, json, arguments: command.args, options };
    await runAction(async () => (await plan.load())(context), resolve(config));
  });
}

function refuseUnknownCommand(program: Command, command: Command): void {
  const [word] = command.args;
  if (word === undefined || command.registeredArguments.length > 0) return;
  const nearest = nearestName(word, program.commands.map((one) => one.name()));
  const remedy = nearest === null ? `see ${program.name()} --help` : `did you mean ${nearest}?`;
  throw new ConfigurationFault([`There is no command ${JSON.stringify(word)}; ${remedy}`]);
}

/** The whole of a `main.ts` after its commands are added. Sets the exit status; never throws. */
export async function runProgram(program: Command, argv: readonly string[] = process.argv): Promise<void> {
  quietWhenTheReaderLeaves();
  await runAction(async () => {
    try {
      await program.parseAsync(argv);
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode === 0) return;
      if (error.code === 'commander.help') throw usageFault('name a command', program);
      const sentence = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
      throw usageFault(sentence, program);
    }
  });
  nameWhatKeepsRunning();
}

const usageFault = (sentence: string, program: Command) =>
  new ConfigurationFault([`${program.name()}: ${sentence.replace(/\.$/, '')}; see ${program.name()} --help`]);

/**
 * Turns the end of the work into an exit status and its failure into sentences on stderr. A sentence that
 * tells to correct a key says in which file.
 */
export async function runAction(work: () => Promise<ExitStatus | void>, config_file?: string): Promise<void> {
  try {
    const status = await work();
    if (status) process.exitCode = status;
  } catch (error) {
    process.exitCode = statusOf(error);
    process.stderr.write(
      `${sentencesOf(error)
        .map((one) => printableLine(inFile(one, config_file)))
        .join('\n')}\n`,
    );
    if (levelFromEnvironment() === 'debug') {
      process.stderr.write(`${String((error as Error)?.stack ?? error)}\n`);
    }
  }
}

export function statusOf(error: unknown): ExitStatus {
  if (error instanceof ConfigurationFault) return exit_status.usage;
  if (error instanceof OutsideFailure) return exit_status.out_of_reach;
  return exit_status.failed;
}

function sentencesOf(error: unknown): readonly string[] {
  if (error instanceof ConfigurationFault) return error.sentences;
  if (error instanceof InvariantBroken || error instanceof OutsideFailure) return [error.message];
  // Named, not imported: shared/database need not be loaded to say that another process took over.
  if (error instanceof Error && error.name === 'LeaseLost') return [error.message];
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return [`This should not have happened: ${message} (POOL_LOG_LEVEL=debug shows where).`];
}

const key_of_the_file = /\b(?:sql|btcd|parser|payments)\.[a-z]|\bkey "\w+"|\bbtcaddress\b/;

function inFile(sentence: string, config_file: string | undefined): string {
  if (config_file === undefined || sentence.includes(config_file) || !key_of_the_file.test(sentence)) {
    return sentence;
  }
  return `${config_file}: ${sentence}`;
}

/** Sentences quote what came from outside: no control byte reaches the terminal. */
function printableLine(sentence: string): string {
  // eslint-disable-next-line no-control-regex -- control bytes are what is looked for.
  const control_byte = /[\x00-\x1f\x7f-\x9f]/g;
  return sentence.replace(control_byte, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** `… | head` closes the pipe: that is no failure, and there is nobody left to tell. */
function quietWhenTheReaderLeaves(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? exit_status.done);
    throw error;
  });
  process.stderr.on('error', () => undefined);
}

/** A connection left open would keep the process alive for ever: a defect, so it is named, and it ends. */
function nameWhatKeepsRunning(): void {
  const linger = setTimeout(() => {
    const resources = [...new Set(process.getActiveResourcesInfo())].join(', ');
    process.stderr.write(`The work is done but something is still open (${resources}); exiting anyway.\n`);
    process.exit();
  }, 5_000);
  linger.unref();
}

function packageVersion(): string {
  // Beside the sources, or one level further up from dist/.
  for (const place of ['../package.json', '../../package.json']) {
    try {
      const { version } = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as {
        version?: string;
      };
      if (version !== undefined) return version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}
