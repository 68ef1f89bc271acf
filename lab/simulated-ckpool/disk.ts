// The port through which the simulated ckpool writes, so that the same pool runs on a real directory (demo,
// tests) and on a simulated disk. Paths are relative to the log directory and, like names, one
// character a byte.
import {
  appendFileSync, closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync,
  readdirSync, renameSync, rmSync, truncateSync, writeSync,
} from 'node:fs';

export interface PoolDisk {
  /** Appends in one write; makes the file when it is absent. */
  append(path: string, bytes: Buffer): void;
  /**
   * Truncates the file in place, then writes: a reader may see it empty, never half (same inode each time).
   */
  overwrite(path: string, bytes: Buffer): void;
  /** Null when the file is absent. */
  read(path: string): Buffer | null;
  /** Names in a directory, sorted; none when it is absent. */
  list(path: string): string[];
  makeDirectory(path: string): void;
  rename(from: string, to: string): void;
  copy(from: string, to: string): void;
  truncate(path: string): void;
  exists(path: string): boolean;
  remove(path: string): void;
}

/** A real directory. A failed write is ckpool's silence: here it throws, because a test wants to know. */
export function realDisk(log_directory: string): PoolDisk {
  const root = Buffer.from(`${log_directory}/`);
  const at = (path: string): Buffer => Buffer.concat([root, Buffer.from(path, 'latin1')]);
  return {
    append: (path, bytes) => { appendFileSync(at(path), bytes); },
    overwrite: (path, bytes) => {
      const file = openSync(at(path), 'w', 0o644);
      try {
        writeSync(file, bytes);
      } finally {
        closeSync(file);
      }
    },
    read: (path) => (existsSync(at(path)) ? readFileSync(at(path)) : null),
    list: (path) => (existsSync(at(path)) ? readdirSync(at(path), { encoding: 'latin1' }).sort() : []),
    makeDirectory: (path) => { mkdirSync(at(path), { recursive: true, mode: 0o750 }); },
    rename: (from, to) => { renameSync(at(from), at(to)); },
    copy: (from, to) => { copyFileSync(at(from), at(to)); },
    truncate: (path) => { truncateSync(at(path), 0); },
    exists: (path) => existsSync(at(path)),
    remove: (path) => { rmSync(at(path), { force: true }); },
  };
}
