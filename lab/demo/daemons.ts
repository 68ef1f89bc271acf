// The two real daemons as processes of their own, and their commands, as an operator would start them. Each
// daemon writes its log into a file. They are started apart from the terminal's process group: a Ctrl-C comes
// to the demo, which ends them; should the demo itself break down, they are killed by their ids.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { z } from 'zod';
import { DemoFailed, requireGoing } from './failure.js';

export type ProgramName = 'accounting' | 'payments';

export interface DaemonProcess {
  readonly name: ProgramName;
  readonly pid: number;
  /** @throws DemoFailed when it has ended by itself. */
  requireRunning(): void;
  /** SIGTERM; its exit status, or the signal that ended it. */
  stop(): Promise<number | string>;
  /** SIGKILL; returns when it is gone. */
  kill(): Promise<void>;
}

/** Runs a command with --json. A status of 1 is an answer too: so `audit` says that a check does not hold. */
export type Ask = <Answer>(
  shape: z.ZodType<Answer>,
  name: ProgramName,
  ...words: readonly string[]
) => Promise<Answer>;

export interface Daemons {
  readonly ask: Ask;
  start(name: ProgramName): DaemonProcess;
  /** SIGTERM to all that run; what each ended with. */
  stop(): Promise<readonly { readonly name: ProgramName; readonly ended: number | string }[]>;
  /** SIGKILL to all that run; returns when they are gone. */
  kill(): Promise<void>;
  /** The same without waiting, for the last moment of the process. */
  abandon(): void;
}

const run = promisify(execFile);
const stop_limit_ms = 10_000;
const program = (name: ProgramName): string =>
  fileURLToPath(new URL(`../../${name}/main.js`, import.meta.url));

/** No setting of the caller's own pool may reach this one. Stamps in the simulated log are UTC. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('POOL_') && name !== 'CREDENTIALS_DIRECTORY',
  );
  return { ...Object.fromEntries(kept), TZ: 'UTC' };
}

export function createDaemons(
  pool: { readonly directory: string; readonly config_file: string },
  stop: AbortSignal,
): Daemons {
  const running = new Map<ProgramName, DaemonProcess>();
  return {
    ask: commandsOf(pool.config_file, stop),
    start: (name) => {
      const daemon = startDaemon(name, pool.config_file, join(pool.directory, `${name}.log`));
      running.set(name, daemon);
      return daemon;
    },
    stop: () =>
      Promise.all(
        [...running.values()].map(async (daemon) => ({ name: daemon.name, ended: await daemon.stop() })),
      ),
    kill: async () => {
      await Promise.all([...running.values()].map((daemon) => daemon.kill()));
    },
    abandon: () => {
      for (const daemon of running.values()) void daemon.kill();
    },
  };
}

function startDaemon(name: ProgramName, config_file: string, log_file: string): DaemonProcess {
  const log = openSync(log_file, 'a');
  const child = spawn(process.execPath, [program(name), 'run', '-c', config_file], {
    stdio: ['ignore', log, log], env: environment(), detached: true,
  });
  closeSync(log);
  if (child.pid === undefined) throw new DemoFailed(`The ${name} daemon could not be started.`);
  return {
    name, pid: child.pid,
    requireRunning: () => {
      const ended = endOf(child);
      if (ended !== null) {
        throw new DemoFailed(
          `The ${name} daemon ended by itself (${ended}); its last words: "${lastLine(log_file)}".`,
        );
      }
    },
    stop: async () => {
      const limit = setTimeout(() => child.kill('SIGKILL'), stop_limit_ms);
      child.kill('SIGTERM');
      await exitOf(child);
      clearTimeout(limit);
      return endOf(child) ?? 'unknown';
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exitOf(child);
    },
  };
}

const endOf = (child: ChildProcess): number | string | null => child.exitCode ?? child.signalCode;

async function exitOf(child: ChildProcess): Promise<void> {
  if (endOf(child) === null) await once(child, 'exit');
}

const lastLine = (file: string): string => readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';

function commandsOf(config_file: string, stop: AbortSignal): Ask {
  return async (shape, name, ...words) => {
    requireGoing(stop);
    const command = [program(name), ...words, '-c', config_file, '--json'];
    const { stdout } = await run(process.execPath, command, {
      env: environment(),
      maxBuffer: 64 * 1024 * 1024,
    }).catch((failure: { code?: unknown; stdout?: string; stderr?: string }) => {
      requireGoing(stop);
      if (failure.code === 1 && failure.stdout) return { stdout: failure.stdout };
      throw new DemoFailed(
        `obtc-${name} ${words.join(' ')} failed: `
          + `${failure.stderr?.trim() || `status ${String(failure.code)}.`}`,
      );
    });
    return shape.parse(JSON.parse(stdout));
  };
}
