// Which heights a survey of the share logs looks at, and what is remembered of each. A height is in play while
// it is one of the newest three, or new, or changed within the last quarter of an hour, or holds unread bytes.
// Whether an older directory changed is seen by its time of change: of the newest sixteen at every survey, of
// the others in turn.
import type { Clock } from '../../shared/clock.js';
import {
  createListingWatch, directoryOf, listShareLogs, statusOf, type ShareLogName,
} from './share-log-directories.js';

const in_play_ms = 15 * 60_000;
const newest_in_play = 3;
const newest_checked = 16;
const checked_in_turn = 100;

/** What was seen of a height in play. */
export interface HeightSeen {
  names: readonly ShareLogName[];
  /** The latest change of the directory or of a file in it. */
  changed_ms: number;
  /** How many files and bytes on the disk it had when nothing in it was unread; null when something was. */
  settled: { files: number; bytes: number } | null;
  /** It holds unread bytes, or was not looked at to its end. */
  unread: boolean;
}

export interface HeightsInPlay {
  add(heights: readonly number[]): void;
  forget(height: number): void;
  /** Ascending. `all`: every height that has a directory, ascending. @throws OutsideFailure 'files' */
  heights(all: readonly number[]): number[];
  /** With the names as they are on the disk now; null when the directory is gone. @throws OutsideFailure 'files' */
  look(height: number): HeightSeen | null;
  /** After a look: drops out of play what is settled and old. */
  keep(height: number, seen: HeightSeen): void;
}

interface HeightState {
  /** When the directory had changed, at the last look; null before the first. */
  changed_ms: number | null;
  settled: HeightSeen['settled'];
  /** Only kept while the height is in play. */
  listed: { names: readonly ShareLogName[]; watch: ReturnType<typeof createListingWatch> } | null;
}

export function createHeightsInPlay(log_directory: string, clock: Clock): HeightsInPlay {
  const states = new Map<number, HeightState>();
  const playing = new Set<number>();
  let turn = 0;

  const stateOf = (height: number): HeightState => {
    const state = states.get(height) ?? { changed_ms: null, settled: null, listed: null };
    states.set(height, state);
    return state;
  };

  function forget(height: number): void {
    states.delete(height);
    playing.delete(height);
  }

  function heights(all: readonly number[]): number[] {
    for (const height of all.slice(-newest_in_play)) playing.add(height);
    for (const height of all.slice(-newest_checked)) check(height);
    for (let count = Math.min(checked_in_turn, all.length - newest_checked); count > 0; count--) {
      turn = (turn + 1) % all.length;
      check(all[turn]!);
    }
    return [...playing].sort((one, other) => one - other);
  }

  function check(height: number): void {
    if (playing.has(height)) return;
    const changed_ms = statusOf(directoryOf(log_directory, height))?.mtimeMs;
    if (changed_ms !== stateOf(height).changed_ms) playing.add(height);
  }

  function look(height: number): HeightSeen | null {
    const directory = directoryOf(log_directory, height);
    const status = statusOf(directory);
    if (!status?.isDirectory()) {
      playing.delete(height);
      return null;
    }
    const state = stateOf(height);
    state.changed_ms = status.mtimeMs;
    const watch = state.listed?.watch ?? createListingWatch(clock);
    const names = watch.isStale(status.mtimeMs) || !state.listed
      ? listShareLogs(directory)
      : state.listed.names;
    state.listed = { names, watch };
    return { names, changed_ms: status.mtimeMs, settled: state.settled, unread: true };
  }

  function keep(height: number, seen: HeightSeen): void {
    const state = stateOf(height);
    state.settled = seen.settled;
    if (seen.unread || clock.now_ms() - seen.changed_ms < in_play_ms) {
      playing.add(height);
      return;
    }
    playing.delete(height);
    state.listed = null;
  }

  return {
    add: (added) => added.forEach((height) => playing.add(height)),
    forget,
    heights,
    look,
    keep,
  };
}
