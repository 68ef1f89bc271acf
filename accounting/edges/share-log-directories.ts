// The directories of ckpool's share logs: `<logdir>/<height %08x>/<workinfoid %016x>.sharelog`, or `.sharelog.gz`
// where our prune command compressed it. Lists names and nothing else, reads only. Everything ckpool did not
// name so is left out, and so is every symbolic link and pipe. All calls are synchronous: a busy pool has
// thousands of files in one directory, and a promise for each costs more than the disk does.
//
// A listing is trusted only while the directory keeps its time of change, and not before that time has stood
// for two seconds: two changes within one tick of the file system's clock bear the same time.
import { lstatSync, readdirSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../../shared/clock.js';
import { codeOf, filesFailure } from './log-failure.js';

export interface ShareLogName {
  /** 16 lower-case hex digits: over 2^53, so it stays text. */
  readonly workinfoid: string;
  readonly path: string;
  readonly compressed: boolean;
}

const same_tick_ms = 2_000;
const height_name = /^[0-9a-f]{8}$/;
const file_name = /^([0-9a-f]{16})\.sharelog(\.gz)?$/;

export const directoryOf = (log_directory: string, height: number): string =>
  path.join(log_directory, height.toString(16).padStart(8, '0'));

/** The names in a height's directory, ascending; of a file and its compressed copy the file counts. */
export function listShareLogs(directory: string): ShareLogName[] {
  const names = new Map<string, ShareLogName>();
  for (const name of namesIn(directory)) {
    const match = file_name.exec(name);
    if (!match) continue;
    const workinfoid = match[1]!;
    const compressed = match[2] !== undefined;
    if (compressed && names.has(workinfoid)) continue;
    names.set(workinfoid, { workinfoid, path: `${directory}${path.sep}${name}`, compressed });
  }
  return [...names.values()].sort((one, other) => (one.workinfoid < other.workinfoid ? -1 : 1));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    // Gone, or replaced by something else, since it was looked at.
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return [];
    throw filesFailure(error, directory, 'logdir');
  }
}

/** Of the path itself, never of what it links to; null when there is nothing. @throws OutsideFailure 'files' */
export function statusOf(file: string): Stats | null {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return null;
    throw filesFailure(error, file, 'logdir');
  }
}

/** Says whether a listing made now differs from the last one, as far as times of change can tell. */
export function createListingWatch(clock: Clock): { isStale(changed_ms: number): boolean } {
  let listed: { changed_ms: number; seen_at_ms: number } | null = null;
  let trusted = false;
  return {
    isStale(changed_ms) {
      const now_ms = clock.monotonic_ms();
      if (listed?.changed_ms !== changed_ms) {
        listed = { changed_ms, seen_at_ms: now_ms };
        trusted = false;
        return true;
      }
      if (trusted) return false;
      trusted = now_ms - listed.seen_at_ms > same_tick_ms;
      return true;
    },
  };
}

export interface HeightList {
  /** Lists the log directory again if it changed; heights whose directory is new and such that are gone. */
  refresh(): { added: readonly number[]; removed: readonly number[] };
  /** Ascending. */
  heights(): readonly number[];
}

/** The heights that have a directory. A log directory that does not exist yet has none. */
export function createHeightList(log_directory: string, clock: Clock): HeightList {
  const watch = createListingWatch(clock);
  const none = { added: [], removed: [] } as const;
  let known = new Set<number>();
  let heights: readonly number[] = [];

  function refresh(): { added: readonly number[]; removed: readonly number[] } {
    const changed_ms = logDirectoryChange();
    if (!watch.isStale(changed_ms)) return none;
    const listed = new Set<number>();
    const added: number[] = [];
    for (const name of namesIn(log_directory)) {
      if (!height_name.test(name)) continue;
      const height = parseInt(name, 16);
      if (!known.has(height)) {
        if (!statusOf(`${log_directory}${path.sep}${name}`)?.isDirectory()) continue;
        added.push(height);
      }
      listed.add(height);
    }
    const removed = [...known].filter((height) => !listed.has(height));
    if (added.length === 0 && removed.length === 0) return none;
    known = listed;
    heights = [...listed].sort((one, other) => one - other);
    return { added, removed };
  }

  /** The log directory itself may be a link: it is the operator's. */
  function logDirectoryChange(): number {
    try {
      return statSync(log_directory, { throwIfNoEntry: false })?.mtimeMs ?? -1;
    } catch (error) {
      throw filesFailure(error, log_directory, 'logdir');
    }
  }

  return { refresh, heights: () => heights };
}
