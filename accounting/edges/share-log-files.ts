// ckpool's share logs, as the daemon follows them. `survey` says which files hold bytes that the cursors have
// not accounted for; `read` gives the bytes. How far each was read is the caller's, in the database. So a crash
// anywhere here loses nothing, and what is remembered here only saves looks at the disk. Never writes.
//
// A survey twice a second must be cheap over a year of directories. It looks at the heights in play only: the
// newest three, every new directory, every one that itself or a file of which changed within the last quarter
// of an hour, and every one that still holds unread bytes. Older directories are looked at in turn, a hundred a
// survey, for new names. `everything` walks all of them, a height at a time: at once the first time and whenever
// nobody looked for a while, since what is in play is then not known; later a moment at each survey, since a
// year of share logs takes seconds to walk and new shares do not wait for that.
import type { Clock } from '../../shared/clock.js';
import {
  createHeightList, directoryOf, listShareLogs, statusOf, type ShareLogName,
} from './share-log-directories.js';
import { createHeightsInPlay } from './share-log-play.js';
import { createShareLogReader } from './share-log-read.js';
import { createHeightSurvey, type FileAt } from './share-log-survey.js';

export interface ShareLogFile {
  readonly height: number;
  /** 16 lower-case hex digits. */
  readonly workinfoid: string;
  readonly path: string;
  /** Bytes of the uncompressed content. */
  readonly size: number;
  readonly compressed: boolean;
  /** Milliseconds since 1970. */
  readonly changed_ms: number;
}

/** How far each file of a height was read, by workinfoid; a file that is not in it was not read at all. */
export type ReadCursors = (height: number) => Promise<ReadonlyMap<string, number>>;

export interface ShareLogs {
  /** ckpool writes share logs: it has made a directory for them. @throws OutsideFailure 'files' */
  present(): boolean;
  /**
   * Files that hold bytes beyond their cursor, at most `files_max`, ascending by (height, workinfoid). The
   * caller reads them and calls again until none is left; each call goes on where the last one stopped, so that
   * files that keep growing do not hold back those after them. The beginning of a line at the end of a file
   * that was read once does not count until it grows. `everything`: of all heights; none left then means that
   * all was read, or, where all was before, that the walk over old heights goes on with the surveys to come.
   * @throws OutsideFailure 'files'
   */
  survey(cursors: ReadCursors, everything: boolean): Promise<ShareLogFile[]>;
  /**
   * At most `bytes_max` bytes (and never more than 16 MB), valid until the next read; none when the file is
   * gone or ends there. @throws OutsideFailure 'files'
   */
  read(file: ShareLogFile, offset: number, bytes_max: number): Promise<Buffer>;
  /** All share logs of a height, ascending by workinfoid. @throws OutsideFailure 'files' */
  filesOf(height: number): Promise<ShareLogFile[]>;
  /** @throws OutsideFailure 'files' */
  file(height: number, workinfoid: string): Promise<ShareLogFile | null>;
  /** Sentences about files that are damaged or became shorter, each once. */
  complaints(): string[];
  close(): void;
}

export const files_max = 2_000;
/** Looked at less often than this, nothing is taken for known. */
const regular_ms = 60_000;

export function openShareLogs(options: { log_directory: string; clock: Clock }): ShareLogs {
  const { log_directory, clock } = options;
  const list = createHeightList(log_directory, clock);
  const reader = createShareLogReader();
  const play = createHeightsInPlay(log_directory, clock);
  const heights = createHeightSurvey({ log_directory, clock, reader, play, files_max });
  let play_from: FileAt | null = null;
  /** Of the walk over everything: not begun, the next file, or ended with files that the caller now reads. */
  let walk: 'none' | 'begun' | 'over' | FileAt = 'none';
  /** Of the walk that takes a moment at each survey. */
  let stroll: FileAt | null = null;
  let walked = false;
  let looked_at_ms: number | null = null;

  function refresh(): readonly number[] {
    const { added, removed } = list.refresh();
    play.add(added);
    for (const height of removed) play.forget(height);
    return list.heights();
  }

  async function survey(cursors: ReadCursors, everything: boolean): Promise<ShareLogFile[]> {
    const all = refresh();
    if (!isRegular()) walked = false;
    if (everything && walk === 'none') begin();
    if (walk === 'begun' || typeof walk === 'object') {
      const found = await heights.gather(all, walk === 'begun' ? null : walk, cursors);
      walk = found.stopped_at ?? 'over';
      walked ||= walk === 'over';
      if (found.files.length > 0) return found.files;
    }
    // What is unread there is in play from then on, so that it is listed below.
    if (stroll) stroll = (await heights.gather(all, stroll, cursors, 'stop')).stopped_at;
    const files = await surveyPlay(all, cursors);
    if (!everything || files.length === 0) walk = 'none';
    return files;
  }

  function begin(): void {
    if (walked) stroll ??= { height: 0, workinfoid: '' };
    else walk = 'begun';
  }

  function isRegular(): boolean {
    const before_ms = looked_at_ms;
    looked_at_ms = clock.monotonic_ms();
    return before_ms !== null && looked_at_ms - before_ms < regular_ms;
  }

  async function surveyPlay(all: readonly number[], cursors: ReadCursors): Promise<ShareLogFile[]> {
    const playing = play.heights(all);
    const from = play_from;
    const found = await heights.gather(playing, from, cursors);
    play_from = found.stopped_at;
    if (found.files.length > 0 || from === null) return found.files;
    const again = await heights.gather(playing, null, cursors);
    play_from = again.stopped_at;
    return again.files;
  }

  function fileOf(height: number, name: ShareLogName): ShareLogFile | null {
    const status = statusOf(name.path);
    if (!status?.isFile()) return null;
    const size = reader.sizeOf(name, status.size);
    return { height, ...name, size, changed_ms: status.mtimeMs };
  }

  async function filesOf(height: number): Promise<ShareLogFile[]> {
    const directory = directoryOf(log_directory, height);
    if (!statusOf(directory)?.isDirectory()) return [];
    return listShareLogs(directory).map((name) => fileOf(height, name)).filter((file) => file !== null);
  }

  async function file(height: number, workinfoid: string): Promise<ShareLogFile | null> {
    const directory = directoryOf(log_directory, height);
    if (!/^[0-9a-f]{16}$/.test(workinfoid) || !statusOf(directory)?.isDirectory()) return null;
    const plain = `${directory}/${workinfoid}.sharelog`;
    return fileOf(height, { workinfoid, path: plain, compressed: false })
      ?? fileOf(height, { workinfoid, path: `${plain}.gz`, compressed: true });
  }

  /** A file that is gone may have been compressed since it was listed. */
  async function read(from: ShareLogFile, offset: number, bytes_max: number): Promise<Buffer> {
    const bytes = await reader.read(from, offset, bytes_max);
    if (bytes.length > 0 || from.compressed || offset >= from.size) return bytes;
    const now = await file(from.height, from.workinfoid);
    return now?.compressed ? reader.read(now, offset, bytes_max) : bytes;
  }

  return {
    present: () => refresh().length > 0,
    survey,
    read,
    filesOf,
    file,
    complaints: () => [...reader.complaints(), ...heights.complaints()],
    close: () => reader.close(),
  };
}
