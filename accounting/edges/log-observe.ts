// Looks at the log's directory: the file at the configured path and its rotated siblings, whose names begin
// with its name. Reads heads only. Of links, only the one at the configured path itself is followed. What
// vanishes between two calls was rotated away and is simply not there; what may not be read is reported
// where it could matter.
import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, readdir, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../shared/clock.js';
import { OutsideFailure } from '../../shared/errors.js';
import { fingerprint_bytes_max, type LogFile } from '../core/log-files.js';
import { firstStamp, newline } from '../core/log-stamp.js';
import { codeOf, filesFailure } from './log-failure.js';
import { gzipHead } from './log-gzip.js';
import { readAt } from './log-plain.js';

const probe_bytes = 65_536;
const looks_max = 3;

export interface Observation {
  files: LogFile[];
  live: LogFile | null;
  /** Siblings that exist and may not be read. */
  unreadable: OutsideFailure[];
  /** Why there is nothing to look at: a sentence. */
  missing: string | null;
}

export interface Observer {
  observe(): Promise<Observation>;
  /** An open file for reading, the same on disk as the one observed, whatever it is called now. */
  handleOf(file: { path: string; device: string; inode: string }): Promise<FileHandle>;
  /** Closes every file but these. */
  keepOnly(files: readonly { device: string; inode: string }[]): Promise<void>;
}

const keyOf = (file: { device: string; inode: string }): string => `${file.device}:${file.inode}`;

interface Probe {
  head: Buffer;
  first_stamp: string | null;
  has_whole_line: boolean;
}

export function createObserver(options: { log_file: string; quiet_ms: number; clock: Clock }): Observer {
  const { log_file, quiet_ms, clock } = options;
  const directory = path.dirname(log_file);
  const held = new Map<string, { handle: FileHandle; path: string }>();
  const unchanged = new Map<string, { version: string; since_ms: number }>();
  const probes = new Map<string, Probe>();

  async function handleOf(file: { path: string; device: string; inode: string }): Promise<FileHandle> {
    const known = held.get(keyOf(file));
    if (known) return known.handle;
    const follow = file.path === log_file ? 0 : constants.O_NOFOLLOW;
    const handle = await open(file.path, constants.O_RDONLY | constants.O_NONBLOCK | follow);
    const found = identityOf(await handle.stat({ bigint: true }));
    if (keyOf(found) !== keyOf(file)) {
      await handle.close();
      throw new OutsideFailure('retry', 'files',
        `${file.path} was rotated while it was being opened: it is looked at again.`);
    }
    held.set(keyOf(file), { handle, path: file.path });
    return handle;
  }

  async function keepOnly(files: readonly { device: string; inode: string }[]): Promise<void> {
    const kept = new Set(files.map(keyOf));
    for (const [key, { handle }] of [...held]) {
      if (kept.has(key)) continue;
      held.delete(key);
      await handle.close();
    }
  }

  /** A name that vanishes while we look was renamed, perhaps to one that we did not list: look again. */
  async function observe(): Promise<Observation> {
    for (let attempt = 1; ; attempt++) {
      const { vanished, ...observation } = await observeOnce();
      if (!vanished || attempt === looks_max) return observation;
    }
  }

  async function observeOnce(): Promise<Observation & { vanished: boolean }> {
    let vanished = false;
    const unreadable: OutsideFailure[] = [];
    const names = await siblingNames();
    if (names === null) {
      const missing = `${directory} (key "logdir") does not exist.`;
      return { files: [], live: null, unreadable, vanished, missing };
    }
    const at_path = await lookAt(log_file, true);
    const live = at_path === 'vanished' ? null : at_path;
    const files = live ? [live] : [];
    const seen = new Set(files.map(keyOf));
    const add = (file: LogFile | null): void => {
      if (file === null || seen.has(keyOf(file))) return;
      seen.add(keyOf(file));
      files.push(file);
    };
    for (const name of names) {
      try {
        const file = await lookAt(path.join(directory, name), false);
        vanished ||= file === 'vanished';
        if (file !== null && file !== 'vanished' && file.first_stamp !== null) add(file);
      } catch (error) {
        if (!(error instanceof OutsideFailure) || error.kind !== 'refused') throw error;
        unreadable.push(error);
      }
    }
    // Files that we hold open and that have no name any more can still be read, and still grow.
    for (const [key, { path: old }] of held) if (!seen.has(key)) add(await lookAtHeld(key, old));
    forgetOthers(files);
    const missing = live ? null : `${log_file} (key "logfile") does not exist yet.`;
    return { files, live, unreadable, missing, vanished };
  }

  async function siblingNames(): Promise<string[] | null> {
    const base = path.basename(log_file);
    try {
      return (await readdir(directory)).filter((name) => name.startsWith(base) && name !== base).sort();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw filesFailure(error, directory, 'logdir');
    }
  }

  async function lookAt(file: string, is_live: boolean): Promise<LogFile | 'vanished' | null> {
    try {
      const stats = is_live ? await stat(file, { bigint: true }) : await lstat(file, { bigint: true });
      const compressed = !is_live && file.endsWith('.gz');
      if (stats.isFile()) return await describe({ path: file, live: is_live, compressed }, stats);
      if (!is_live) return null;
      throw new OutsideFailure('refused', 'files',
        `${file} (key "logfile") is not a file: name ckpool's log there.`);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 'vanished';
      throw filesFailure(error, file, 'logfile');
    }
  }

  async function lookAtHeld(key: string, old_path: string): Promise<LogFile | null> {
    const stats = await held.get(key)!.handle.stat({ bigint: true });
    const compressed = old_path.endsWith('.gz');
    return describe({ path: `${old_path} (deleted)`, live: false, compressed }, stats);
  }

  async function describe(
    file: { path: string; live: boolean; compressed: boolean }, stats: BigIntStats,
  ): Promise<LogFile> {
    const identity = identityOf(stats);
    const version = `${keyOf(identity)}:${stats.size}:${stats.mtimeNs}`;
    const known = file.live ? undefined : probes.get(version);
    const probe = known ?? await probeFile({ ...file, ...identity });
    if (!file.live) probes.set(version, probe);
    const mtime_ms = Number(stats.mtimeMs);
    const quiet = isQuiet(version, identity, mtime_ms);
    return { ...file, ...identity, size: stats.size, mtime_ms, quiet, ...probe };
  }

  /** A clock that was set back leaves modification times in the future: then our own watch decides. */
  function isQuiet(version: string, identity: { device: string; inode: string }, mtime_ms: number): boolean {
    const now_ms = clock.monotonic_ms();
    const known = unchanged.get(keyOf(identity));
    if (known?.version !== version) unchanged.set(keyOf(identity), { version, since_ms: now_ms });
    const watched = known?.version === version && now_ms - known.since_ms > quiet_ms;
    return watched || clock.now_ms() - mtime_ms > quiet_ms;
  }

  async function probeFile(
    file: { path: string; compressed: boolean; device: string; inode: string },
  ): Promise<Probe> {
    const handle = await handleOf(file);
    const bytes = file.compressed
      ? await gzipHead(handle, probe_bytes)
      : await readAt(handle, 0n, probe_bytes);
    return {
      head: Buffer.from(bytes.subarray(0, fingerprint_bytes_max)),
      first_stamp: firstStamp(bytes),
      has_whole_line: bytes.includes(newline),
    };
  }

  function forgetOthers(files: readonly LogFile[]): void {
    const keys = new Set(files.map(keyOf));
    for (const key of unchanged.keys()) if (!keys.has(key)) unchanged.delete(key);
    for (const version of probes.keys()) {
      if (!keys.has(version.split(':', 2).join(':'))) probes.delete(version);
    }
  }

  return { observe, handleOf, keepOnly };
}

const identityOf = (stats: BigIntStats): { device: string; inode: string } =>
  ({ device: stats.dev.toString(), inode: stats.ino.toString() });
