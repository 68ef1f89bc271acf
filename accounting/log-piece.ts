// One piece of one log file as lines with their places in the log. Reads only; it never waits for a line to
// become whole, and says how many bytes the lines take, so that the cursor stands at a line's start.
import { logPosition } from '../shared/units.js';
import { scanLog } from './core/log-line.js';
import type { StretchLine } from './core/stretch.js';
import type { LogFiles, LogPart, StoredCursor } from './edges/log-files.js';

export interface LogPiece {
  readonly lines: StretchLine[];
  readonly consumed: bigint;
}

/** Whole lines from the cursor on, up to `until` in the file: a reading bounds no line behind its place. */
export async function readPiece(
  log_files: LogFiles, chunk_bytes: number, cursor: StoredCursor, part: LogPart, until: bigint,
): Promise<LogPiece> {
  const from = cursor.file_offset;
  const end = until < part.end ? until : part.end;
  if (end <= from) return { lines: [], consumed: 0n };
  const bytes_max = Number(end - from < BigInt(chunk_bytes) ? end - from : BigInt(chunk_bytes));
  const bytes = await log_files.read(part, from, bytes_max);
  const { lines, consumed } = scanLog(bytes);
  if (consumed === 0 && end < part.end && bytes_max < chunk_bytes) {
    return readPiece(log_files, chunk_bytes, cursor, part, part.end);
  }
  // A line longer than a whole chunk is no line of ckpool's.
  if (consumed === 0) return { lines: [], consumed: await log_files.skipLine(part, from) - from };
  const start = cursor.log_start + from;
  return {
    lines: lines.map((line) => ({ ...line, position: logPosition(start + BigInt(line.offset)) })),
    consumed: BigInt(consumed),
  };
}
