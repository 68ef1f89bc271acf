// The way along the log's files as rows of log_cursors: where a file begins in the log, where the log ends now,
// and what the rows are after so many bytes. Values only; read-log.ts commits them.
import { logPosition, type LogPosition } from '../shared/units.js';
import type { LogPart, LogSurvey, StoredCursor } from './edges/log-files.js';
import { positionOf } from './edges/log-state.js';

/** The row of a file that is opened behind everything read so far. */
export function openFile(before: StoredCursor | null, part: LogPart, log_start: bigint): StoredCursor {
  return {
    sequence: (before?.sequence ?? 0) + 1, log_start, file_offset: part.from, state: 'current', ...identity(part),
  };
}

export function identity(part: LogPart) {
  const { path: file, device, inode, fingerprint_length, fingerprint } = part;
  return { path: file, device, inode, fingerprint_length, fingerprint };
}

/** Where the log ends: the files in between count whole, the last one up to its last whole line. */
export function endOf(cursor: StoredCursor, survey: LogSurvey): LogPosition {
  let start = cursor.log_start;
  survey.parts.forEach((part, index) => {
    if (index < survey.parts.length - 1) start += part.size;
  });
  return logPosition(start + survey.parts.at(-1)!.end);
}

/** The cursor rows after `consumed` bytes: the file's own, and the next file's when this one is finished. */
export function advance(cursor: StoredCursor, part: LogPart, survey: LogSurvey, consumed: bigint): StoredCursor[] {
  const file_offset = cursor.file_offset + consumed;
  const next = survey.parts[1];
  if (file_offset < part.end || !part.settled || !next) return [{ ...cursor, file_offset }];
  // A torn last line of a finished file is nobody's; the next file begins behind it.
  const finished: StoredCursor = { ...cursor, file_offset: part.size, state: 'finished' };
  return [finished, openFile(finished, next, positionOf(finished))];
}
