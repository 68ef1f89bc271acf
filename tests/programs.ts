// The two programs as an operator starts them: processes from dist/, told what to do by their command line and
// judged by what they print and how they end. Nothing of a daemon is called inside the process of a test.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';

export type ProgramName = 'accounting' | 'payments';

export interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DaemonProcess {
  readonly name: ProgramName;
  readonly pid: number;
  /** All that it and its predecessors on the same log file have said. */
  said(): string;
  /** null while it runs; else its exit status, or the signal that ended it. */
  ended(): number | string | null;
  /** SIGTERM; how it ended and how long that took. */
  stop(): Promise<{ readonly ended: number | string; readonly took_ms: number }>;
  /** SIGKILL; returns when it is gone. */
  kill(): Promise<void>;
}

const root = fileURLToPath(new URL('../', import.meta.url));
const program = (name: ProgramName): string => join(root, 'dist', name, 'main.js');

/** Builds dist/ when it is missing or older than the sources. */
export function buildPrograms(): void {
  const built = spawnSync('sh', [join(root, 'lab/setup/setup.sh'), 'all'], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`the programs could not be built:\n${built.stdout}${built.stderr}`);
}

/** No setting of the caller's own pool may reach a test's. Stamps in a simulated log are UTC. */
function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('POOL_') && name !== 'CREDENTIALS_DIRECTORY');
  return { ...Object.fromEntries(kept), TZ: 'UTC', ...more };
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Started through this command, such as `['prlimit', '--fsize=8192']`. */
  readonly through?: readonly string[];
  readonly directory?: string;
}

/** Runs a command to its end. */
export async function run(name: ProgramName, words: readonly string[], options: RunOptions = {}): Promise<Answer> {
  const [command = process.execPath, ...parameters] = [...(options.through ?? []), process.execPath, program(name), ...words];
  const child = spawn(command, parameters, {
    env: environment(options.env), cwd: options.directory ?? root, stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => { stdout += bytes.toString(); });
  child.stderr.on('data', (bytes: Buffer) => { stderr += bytes.toString(); });
  const [status] = await once(child, 'close') as [number | null];
  return { status, stdout, stderr };
}

/** The answer of a command with --json. Status 1 is an answer too: so `audit` says that a check does not hold. */
export async function ask<Shape>(shape: z.ZodType<Shape>, name: ProgramName, config_file: string, ...words: readonly string[]): Promise<Shape> {
  const { status, stdout, stderr } = await run(name, [...words, '-c', config_file, '--json']);
  if (status !== 0 && !(status === 1 && stdout !== '')) throw new Error(`obtc-${name} ${words.join(' ')} ended with ${status}: ${stderr}`);
  return shape.parse(JSON.parse(stdout));
}

export function startDaemon(name: ProgramName, config_file: string, log_file: string): DaemonProcess {
  const log = openSync(log_file, 'a');
  const child = spawn(process.execPath, [program(name), 'run', '-c', config_file], { stdio: ['ignore', log, log], env: environment() });
  closeSync(log);
  const killWithUs = () => { child.kill('SIGKILL'); };
  process.once('exit', killWithUs);
  child.once('exit', () => process.off('exit', killWithUs));
  return {
    name, pid: child.pid ?? 0,
    said: () => readFileSync(log_file, 'utf8'),
    ended: () => endOf(child),
    stop: async () => {
      const began_ms = performance.now();
      child.kill('SIGTERM');
      await exitOf(child);
      return { ended: endOf(child) ?? 'unknown', took_ms: performance.now() - began_ms };
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

/** Looks again until it holds. @throws when a daemon ended meanwhile, or after the limit. */
export async function until(
  what: string, limit_ms: number, daemons: readonly DaemonProcess[], holds: () => Promise<boolean>,
): Promise<void> {
  const given_up_ms = performance.now() + limit_ms;
  while (!(await holds())) {
    for (const daemon of daemons) {
      if (daemon.ended() !== null) throw new Error(`${daemon.name} ended by itself (${daemon.ended()}):\n${daemon.said().slice(-2000)}`);
    }
    if (performance.now() > given_up_ms) {
      const logs = daemons.map((daemon) => `--- ${daemon.name}\n${daemon.said().slice(-2000)}`).join('\n');
      throw new Error(`waited ${limit_ms / 1000} s in vain for ${what}\n${logs}`);
    }
    await wait(200);
  }
}
