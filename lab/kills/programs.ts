// The two programs as processes of the built dist/, one at a time: started, waited for, killed by their own id.
// What a run says is kept in memory for the report of a run that went wrong. It calls no code of a daemon.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type ProgramName = 'accounting' | 'payments';

export interface Ended {
  readonly name: ProgramName;
  /** null: a signal ended it. */
  readonly status: number | null;
  /** By `kill`. */
  readonly killed: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Programs {
  run(name: ProgramName, ...words: readonly string[]): Promise<Ended>;
  /** SIGKILL to whichever runs now; returns when it is gone. */
  kill(): Promise<void>;
}

/** No start takes longer, a killed predecessor's lease and the daemon's own waits included. */
const limit_ms = 180_000;

/** This file is compiled into dist/ as well, where the programs are its neighbours. */
function programFile(name: ProgramName): string {
  const above = fileURLToPath(new URL('../../', import.meta.url));
  const built = join(above, 'dist', name, 'main.js');
  return existsSync(built) ? built : join(above, name, 'main.js');
}

/** No setting of the caller's own pool may reach this one. Stamps in the simulated log are UTC. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('POOL_') && name !== 'CREDENTIALS_DIRECTORY');
  return { ...Object.fromEntries(kept), TZ: 'UTC' };
}

export function createPrograms(config_file: string): Programs {
  let running: ChildProcess | null = null;
  let killed = false;
  const killWithUs = (): void => { running?.kill('SIGKILL'); };
  return {
    run: async (name, ...words) => {
      const child = spawn(process.execPath, [programFile(name), ...words, '-c', config_file], {
        env: environment(), stdio: ['ignore', 'pipe', 'pipe'],
      });
      running = child;
      killed = false;
      process.once('exit', killWithUs);
      const limit = setTimeout(() => child.kill('SIGABRT'), limit_ms);
      const said = { stdout: '', stderr: '' };
      for (const stream of ['stdout', 'stderr'] as const) {
        child[stream].on('data', (bytes: Buffer) => { said[stream] += bytes.toString(); });
      }
      const [status] = await once(child, 'close') as [number | null];
      clearTimeout(limit);
      process.off('exit', killWithUs);
      running = null;
      return { name, status, killed, ...said };
    },
    kill: async () => {
      const child = running;
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      killed = true;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
