// The two real daemons as processes of their own, and their commands, as an operator would start them. Each
// daemon writes its log into a file. They are started apart from the terminal's process group: a Ctrl-C comes
// to the demo, which ends them in order; should the demo end otherwise, they are killed by their ids.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { z } from 'zod';
import { DemoFailed, requireGoing } from './failure.js';

export type ProgramName = 'accounting' | 'payments';

export interface DaemonProcess {
  readonly name: ProgramName;
  readonly log_file: string;
  readonly pid: number;
  /** @throws DemoFailed when it has ended by itself. */
  requireRunning(): void;
  /** SIGTERM; its exit status, or the signal that ended it. */
  stop(): Promise<number | string>;
  /** SIGKILL; returns when it is gone. */
  kill(): Promise<void>;
}

const run = promisify(execFile);
const stop_limit_ms = 10_000;
const program = (name: ProgramName): string => fileURLToPath(new URL(`../../${name}/main.js`, import.meta.url));

/** No setting of the caller's own pool may reach this one. Stamps in the simulated log are UTC. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('POOL_') && name !== 'CREDENTIALS_DIRECTORY');
  return { ...Object.fromEntries(kept), TZ: 'UTC' };
}

export function startDaemon(name: ProgramName, config_file: string, log_file: string): DaemonProcess {
  const log = openSync(log_file, 'a');
  const child = spawn(process.execPath, [program(name), 'run', '-c', config_file], {
    stdio: ['ignore', log, log], env: environment(), detached: true,
  });
  closeSync(log);
  const killWithUs = () => { child.kill('SIGKILL'); };
  process.once('exit', killWithUs);
  child.once('exit', () => process.off('exit', killWithUs));
  if (child.pid === undefined) throw new DemoFailed(`The ${name} daemon could not be started.`);
  return {
    name, log_file, pid: child.pid,
    requireRunning: () => {
      const ended = endOf(child);
      if (ended !== null) throw new DemoFailed(`The ${name} daemon ended by itself (${ended}): ${lastLine(log_file)}`);
    },
    stop: async () => {
      const limit = setTimeout(killWithUs, stop_limit_ms);
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

export type Ask = <Answer>(shape: z.ZodType<Answer>, name: ProgramName, ...words: readonly string[]) => Promise<Answer>;

/** Runs commands with --json. A status of 1 is an answer too: `audit` says with it that a check does not hold. */
export function commandsOf(config_file: string, stop: AbortSignal): Ask {
  return async (shape, name, ...words) => {
    requireGoing(stop);
    const command = [program(name), ...words, '-c', config_file, '--json'];
    const { stdout } = await run(process.execPath, command, { env: environment(), maxBuffer: 64 * 1024 * 1024 })
      .catch((failure: { code?: unknown; stdout?: string; stderr?: string }) => {
        requireGoing(stop);
        if (failure.code === 1 && failure.stdout) return { stdout: failure.stdout };
        throw new DemoFailed(`obtc-${name} ${words.join(' ')} failed: ${failure.stderr?.trim() || String(failure.code)}`);
      });
    return shape.parse(JSON.parse(stdout));
  };
}
