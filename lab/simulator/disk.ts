// The disk of a simulated pool: a real directory, in memory where the machine has one, so that the daemons read it
// with their own code. Times of change are those of the simulation: a file that was written "an hour ago" says so.
import { existsSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { realDisk, type PoolDisk } from '../simulated-ckpool/disk.js';

const memory = '/dev/shm';

export interface SimulatedDisk {
  readonly directory: string;
  readonly disk: PoolDisk;
  remove(): void;
}

export function createSimulatedDisk(now_ms: () => number): SimulatedDisk {
  const directory = mkdtempSync(path.join(existsSync(memory) ? memory : tmpdir(), 'obtc-simulated-'));
  const real = realDisk(directory);
  const at = (name: string) => Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, 'latin1')]);
  const date = (name: string) => utimesSync(at(name), now_ms() / 1000, now_ms() / 1000);
  const parent = (name: string) => (name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : '');
  /** A new name changes its directory as well. */
  const writing = (name: string, write: () => void) => {
    const is_new = !real.exists(name);
    write();
    if (real.exists(name)) date(name);
    if (is_new) date(parent(name));
  };
  const disk: PoolDisk = {
    ...real,
    append: (name, bytes) => writing(name, () => real.append(name, bytes)),
    overwrite: (name, bytes) => writing(name, () => real.overwrite(name, bytes)),
    copy: (from, to) => writing(to, () => real.copy(from, to)),
    truncate: (name) => writing(name, () => real.truncate(name)),
    makeDirectory: (name) => { if (!real.exists(name)) writing(name, () => real.makeDirectory(name)); },
    rename: (from, to) => {
      real.rename(from, to);
      for (const name of [parent(from), parent(to)]) date(name);
    },
  };
  date('');
  return { directory, disk, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
