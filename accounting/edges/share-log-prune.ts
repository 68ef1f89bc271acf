// ckpool's share logs as files that can be compressed or removed. Only `prune` uses this; the daemon changes nothing
// here. Only regular files of exactly ckpool's names are ever touched, no link is followed, and a file that is not
// what it was when it was looked at is left: ckpool may be writing to it.
//   compress  <w>.sharelog becomes <w>.sharelog.gz (share-log-compress.ts); what a crash leaves is mended next time
//   remove    the file is unlinked, then its directory once it is empty
import { lstatSync, readdirSync, rmdirSync, unlinkSync, type Stats } from 'node:fs';
import path from 'node:path';
import { codeOf, filesFailure } from './log-failure.js';
import { pruneFailure } from './prune-failure.js';

/** A regular file as it was when looked at. */
export interface SeenFile {
  readonly path: string;
  readonly bytes: number;
  readonly changed_ms: number;
  readonly identity: string;
}

/** One share log: plain, compressed, or both where prune was killed between making the one and unlinking the other. */
export interface PrunableShareLog {
  readonly height: number;
  readonly workinfoid: string;
  readonly plain: SeenFile | null;
  readonly compressed: SeenFile | null;
}

export interface HeightDirectory {
  readonly height: number;
  readonly path: string;
  /** Ascending. */
  readonly share_logs: readonly PrunableShareLog[];
  /** Temporary files of a prune that was killed. */
  readonly leftovers: readonly string[];
  /** Everything else in it. */
  readonly foreign: number;
}

const height_name = /^[0-9a-f]{8}$/;
const share_log_name = /^([0-9a-f]{16})\.sharelog(\.gz)?$/;
const temporary_name = /^[0-9a-f]{16}\.sharelog\.gz\.([1-9]\d{0,9})\.part$/;
/** A process id may have been given to another process since; a single file never takes so long. */
const temporary_age_max_ms = 86_400_000;

/** Its form is what temporary_name knows; readers of share logs know no such name. */
export const temporaryPath = (compressed_path: string): string => `${compressed_path}.${process.pid}.part`;

/** The heights that have a directory, ascending. @throws OutsideFailure 'files' */
export function prunableHeights(log_directory: string): number[] {
  return namesIn(log_directory)
    .filter((name) => height_name.test(name) && statusOf(path.join(log_directory, name))?.isDirectory())
    .map((name) => parseInt(name, 16))
    .sort((one, other) => one - other);
}

/** @throws OutsideFailure 'files' */
export function lookInto(log_directory: string, height: number, now_ms: number): HeightDirectory {
  const directory = path.join(log_directory, height.toString(16).padStart(8, '0'));
  const plain = new Map<string, SeenFile>();
  const compressed = new Map<string, SeenFile>();
  const leftovers: string[] = [];
  let foreign = 0;
  for (const name of namesIn(directory)) {
    const status = statusOf(path.join(directory, name));
    if (status === null) continue;
    const [, workinfoid, suffix] = share_log_name.exec(name) ?? [];
    const [, process_id] = temporary_name.exec(name) ?? [];
    if (status.isFile() && workinfoid !== undefined) {
      (suffix ? compressed : plain).set(workinfoid, seen(path.join(directory, name), status));
    } else if (status.isFile() && process_id !== undefined) {
      if (isLeftOver(Number(process_id), status, now_ms)) leftovers.push(path.join(directory, name));
    } else {
      foreign += 1;
    }
  }
  const share_logs = [...new Set([...plain.keys(), ...compressed.keys()])].sort().map((workinfoid) => ({
    height, workinfoid, plain: plain.get(workinfoid) ?? null, compressed: compressed.get(workinfoid) ?? null,
  }));
  return { height, path: directory, share_logs, leftovers, foreign };
}

/** Another prune may be at work on it. */
function isLeftOver(process_id: number, status: Stats, now_ms: number): boolean {
  return now_ms - status.mtimeMs > temporary_age_max_ms || process_id === process.pid || !isAlive(process_id);
}

function isAlive(process_id: number): boolean {
  try {
    return process.kill(process_id, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

export function seen(file: string, status: Stats): SeenFile {
  return {
    path: file, bytes: status.size, changed_ms: status.mtimeMs, identity: `${status.dev}:${status.ino}`,
  };
}

/** Still the same regular file, and nobody wrote to it since. @throws OutsideFailure 'files' */
export function isUnchanged(file: SeenFile, status: Stats | null = statusOf(file.path)): boolean {
  if (!status?.isFile()) return false;
  const now = seen(file.path, status);
  return now.bytes === file.bytes && now.changed_ms === file.changed_ms && now.identity === file.identity;
}

/** False where it has changed and therefore stays. @throws OutsideFailure 'files' */
export function unlinkUnchanged(file: SeenFile): boolean {
  if (!isUnchanged(file)) return false;
  unlink(file.path);
  return true;
}

/** One that is gone already is as good. @throws OutsideFailure 'files' */
export function unlink(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw pruneFailure(error, file);
  }
}

/** Whether it is gone now. A directory that holds anything stays. @throws OutsideFailure 'files' */
export function removeEmptyDirectory(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(codeOf(error))) return false;
    throw pruneFailure(error, directory);
  }
}

/** Of the path itself, never of what it links to; null when there is nothing. */
function statusOf(file: string): Stats | null {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    throw filesFailure(error, file, 'logdir');
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw filesFailure(error, directory, 'logdir');
  }
}
