// One window of one log file as lines with their places in the log: as much as one commit takes. It is read in
// pieces that stay in the processor's cache, and lines about a user are folded where they only rise
// (core/counter-fold.ts). Reads only; it never waits for a line to become whole, and says how many bytes the lines
// take, so that the cursor stands at a line's start.
import type { Clock } from '../shared/clock.js';
import { logPosition } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import { inFull, type Bounds, type CounterFold, type FoldedLine } from './core/counter-fold.js';
import { scanLog, scanned_lines_max, type LogLine } from './core/log-line.js';
import type { StretchLine } from './core/stretch.js';
import type { LogFiles, LogPart, StoredCursor } from './edges/log-files.js';

/** As large as a processor's cache. Longer than any line of ckpool's. */
export const piece_bytes = 1_048_576;
/** A window ends then: nobody waits for long, and a stop of the daemon is seen. */
const window_ms_max = 2_000;
/** Signals and timers have their turn that often. */
const breath_ms = 50;

export interface LogPiece {
  readonly lines: StretchLine[];
  readonly consumed: bigint;
}

export interface LogWindow {
  readonly cursor: StoredCursor;
  readonly part: LogPart;
  /** Where it ends in the file at the latest: a reading bounds no line behind its place. */
  readonly until: bigint;
  readonly bytes_max: number;
  /** What is known of the log before it. */
  readonly login_seen: boolean;
  readonly notice_seen: boolean;
  /** It follows the one before, which was committed as it was read, and the bounds are the same. */
  readonly goes_on: boolean;
  /** Between what and what a user's lines may rise to be folded. */
  readonly boundsOf: (user: NameBytes) => Bounds;
}

export interface LogSource {
  readonly log_files: LogFiles;
  readonly fold: CounterFold;
  readonly clock: Clock;
  /** Most bytes read at once. */
  readonly piece_bytes: number;
}

/** Whole lines from the cursor on. A user whose lines do more than rise is told in full. */
export async function readWindow(
  source: LogSource, window: LogWindow, told_in_full: Iterable<NameBytes> = [],
): Promise<LogPiece> {
  const { cursor, boundsOf } = window;
  const in_full = new Set(told_in_full);
  for (let { until, goes_on } = window; ; goes_on = false) {
    source.fold.begin((user) => (in_full.has(user) ? inFull : boundsOf(user)), goes_on && in_full.size === 0);
    const piece = await readOnce(source, { ...window, until });
    if (source.fold.surprises.size === 0) return piece;
    for (const user of source.fold.surprises) in_full.add(user);
    until = cursor.file_offset + piece.consumed;
  }
}

async function readOnce(source: LogSource, window: LogWindow): Promise<LogPiece> {
  const { log_files, fold, clock } = source;
  const { cursor, part } = window;
  const begin = cursor.file_offset;
  const end = least(window.until, part.end, begin + BigInt(window.bytes_max));
  const ends_ms = clock.monotonic_ms() + window_ms_max;
  let breathed_ms = clock.monotonic_ms();
  const lines: StretchLine[] = [];
  let { login_seen, notice_seen } = window;
  let from = begin;
  let start = cursor.log_start + begin;
  while (from < end && lines.length < scanned_lines_max && (from === begin || clock.monotonic_ms() < ends_ms)) {
    start = cursor.log_start + from;
    const bytes = await log_files.read(part, from, Number(least(end - from, BigInt(source.piece_bytes))));
    fold.open(bytes, start);
    const lines_max = scanned_lines_max - lines.length;
    const scan = scanLog(bytes, { lines_max, login_seen, notice_seen, fold });
    if (scan.consumed === 0) break;
    for (const line of scan.lines) lines.push(placed(line, start));
    login_seen ||= scan.lines.some((line) => line.kind === 'login');
    notice_seen = noticeSeen(notice_seen, scan.lines);
    from += BigInt(scan.consumed);
    if (clock.monotonic_ms() - breathed_ms < breath_ms) continue;
    await clock.sleep(0);
    breathed_ms = clock.monotonic_ms();
  }
  if (from === begin && from < end) return passLine(source, window, end);
  for (const line of fold.drain()) lines.push(line);
  return { lines, consumed: from - begin };
}

/** No line ends before the window does. */
async function passLine(source: LogSource, window: LogWindow, end: bigint): Promise<LogPiece> {
  const { cursor: { file_offset }, part } = window;
  // What ends the window stands within a line: it is a line all the same.
  if (end < part.end && end - file_offset < Math.min(window.bytes_max, source.piece_bytes)) {
    return readOnce(source, { ...window, until: part.end, bytes_max: Math.min(window.bytes_max, source.piece_bytes) });
  }
  // A line longer than a whole piece is no line of ckpool's.
  return { lines: [], consumed: await source.log_files.skipLine(part, file_offset) - file_offset };
}

const placed = (line: LogLine | FoldedLine, start: bigint): StretchLine =>
  ('position' in line ? line : { ...line, position: logPosition(start + BigInt(line.offset)) });

const noticeSeen = (before: boolean, lines: readonly LogLine[]): boolean => {
  const last = lines.findLast((line) => line.kind === 'notice' || line.kind === 'block');
  return last === undefined ? before : last.kind === 'notice';
};

const least = (...values: readonly bigint[]): bigint => values.reduce((a, b) => (a < b ? a : b));
