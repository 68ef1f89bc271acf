// The way along the log's files as rows of log_cursors: where a file begins in the log, where the log ends
// now, which stretch comes next and what the rows are after so many bytes. Values only; it commits nothing,
// that is read-log.ts's.
import { logPosition, type LogPosition } from '../shared/units.js';
import type { LogPart, LogSurvey, StoredCursor } from './edges/log-files.js';
import { positionOf, type LogState } from './edges/log-state.js';

/** What of the log is not accounted for yet, from the cursor to the end that was noted. */
export interface Stretch {
  /** The file being read, as its row is to be. */
  readonly cursor: StoredCursor;
  readonly part: LogPart;
  readonly survey: LogSurvey;
  readonly first_start: boolean;
  /** The log's end when it was noted. */
  readonly end: LogPosition;
}

export function nextStretch(known: LogState, survey: LogSurvey): Stretch | null {
  const [part] = survey.parts;
  if (!part) return null;
  const before = known.cursor;
  const same = before !== null && part.continues;
  const cursor = same ? { ...before, ...identity(part) } : openFile(before, part, positionOf(before));
  return { cursor, part, survey, first_start: before === null, end: endOf(cursor, survey) };
}

/** Nothing to read and no file to go on to. */
export const isFinished = ({ part, survey, first_start }: Stretch): boolean =>
  !first_start && part.continues && part.from >= part.end && survey.parts.length === 1;

/** The row of the file that is left when another is opened behind it. */
export const leftBehind = (known: LogState, next: StoredCursor): StoredCursor[] =>
  (known.cursor && known.cursor.sequence !== next.sequence ? [{ ...known.cursor, state: 'finished' }] : []);

/** The row of a file that is opened behind everything read so far. */
function openFile(before: StoredCursor | null, part: LogPart, log_start: bigint): StoredCursor {
  return {
    sequence: (before?.sequence ?? 0) + 1,
    log_start,
    file_offset: part.from,
    state: 'current',
    ...identity(part),
  };
}

function identity(part: LogPart) {
  const { path: file, device, inode, fingerprint_length, fingerprint } = part;
  return { path: file, device, inode, fingerprint_length, fingerprint };
}

/** Where the log ends: the files in between count whole, the last one up to its last whole line. */
function endOf(cursor: StoredCursor, survey: LogSurvey): LogPosition {
  let start = cursor.log_start;
  survey.parts.forEach((part, index) => {
    if (index < survey.parts.length - 1) start += part.size;
  });
  return logPosition(start + survey.parts.at(-1)!.end);
}

/** The cursor rows after `consumed` bytes: the file's own, and the next file's when this one is finished. */
export function advance(
  cursor: StoredCursor,
  part: LogPart,
  survey: LogSurvey,
  consumed: bigint,
): StoredCursor[] {
  const file_offset = cursor.file_offset + consumed;
  const next = survey.parts[1];
  if (file_offset < part.end || !part.settled || !next) return [{ ...cursor, file_offset }];
  // A torn last line of a finished file is nobody's; the next file begins behind it.
  const finished: StoredCursor = { ...cursor, file_offset: part.size, state: 'finished' };
  return [finished, openFile(finished, next, positionOf(finished))];
}
