// One window of one log file as lines with their places in the log: as much as one commit takes. Lines about a user
// are folded where they only rise (core/counter-fold.ts). Reads only; it never waits for a line to become whole, and
// says how many bytes the lines take, so that the cursor stands at a line's start.
//
// A window is made of pieces, which end where replay's do: whatever a user's lines are judged together with is the
// same live, after days, and in a replay. A window ends behind the first piece in which somebody is told in full. Where a
// user's lines turn out not only to rise it ends before that piece, and the piece is a window of its own, which tells
// him in full: nothing else is read twice.
import type { Clock } from '../shared/clock.js';
import { logPosition } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import { inFull, type Bounds, type CounterFold, type FoldedLine } from './core/counter-fold.js';
import { scanLog, scanned_lines_max, type LogLine } from './core/log-line.js';
import type { StretchLine } from './core/stretch.js';
import type { LogFiles, LogPart, StoredCursor } from './edges/log-files.js';

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
  /** One piece is all: what its lines are bounded by is read after it. */
  readonly single: boolean;
  /** What is known of the log before it. */
  readonly login_seen: boolean;
  readonly notice_seen: boolean;
  /** It follows the one before, which was committed as it was read, and the bounds are the same. */
  readonly goes_on: boolean;
  /** Between what and what a user's lines may rise to be folded. */
  readonly boundsOf: (user: NameBytes) => Bounds;
}

export interface PieceLimits {
  /** Most bytes read at once. As large as a processor's cache, longer than any line of ckpool's. */
  readonly read_bytes: number;
  readonly piece_bytes: number;
  readonly piece_lines: number;
}

/** What is judged together: replay's pieces are the same. */
export const piece_limits: PieceLimits = {
  read_bytes: 1_048_576, piece_bytes: 16 * 1_048_576, piece_lines: scanned_lines_max,
};

export interface LogSource {
  readonly log_files: LogFiles;
  readonly fold: CounterFold;
  readonly clock: Clock;
  readonly limits: PieceLimits;
}

/** How far a window has come. */
interface Course {
  readonly lines: StretchLine[];
  /** In the file. */
  from: bigint;
  login_seen: boolean;
  notice_seen: boolean;
}

/** Whole lines from the cursor on. */
export async function readWindow(
  source: LogSource, window: LogWindow, told_in_full: Iterable<NameBytes> = [],
): Promise<LogPiece> {
  const { fold, clock, limits } = source;
  const { cursor, part, login_seen, notice_seen } = window;
  const begin = cursor.file_offset;
  const end = least(window.until, part.end, begin + BigInt(window.bytes_max));
  const ends_ms = clock.monotonic_ms() + window_ms_max;
  const in_full = new Set(told_in_full);
  const beginFold = (goes_on: boolean): void =>
    fold.begin((user) => (in_full.has(user) ? inFull : window.boundsOf(user)), goes_on && in_full.size === 0);
  beginFold(window.goes_on);
  let course: Course = { lines: [], from: begin, login_seen, notice_seen };
  let single = window.single;
  let breathed_ms = clock.monotonic_ms();
  while (course.from < end) {
    const next = await readPiece(source, window, course, end);
    if (fold.surprises.size > 0) {
      const surprised = fold.surprises;
      fold.goBack();
      course.lines.length = next.kept;
      if (course.from > begin) break;
      for (const user of surprised) in_full.add(user);
      beginFold(false);
      single = true;
      continue;
    }
    if (next.course.from === course.from) break;
    course = next.course;
    single ||= course.lines.slice(next.kept).some(isToldInFull);
    if (single || course.lines.length >= limits.piece_lines || clock.monotonic_ms() >= ends_ms) break;
    if (clock.monotonic_ms() - breathed_ms < breath_ms) continue;
    await clock.sleep(0);
    breathed_ms = clock.monotonic_ms();
  }
  if (course.from === begin && begin < end) return passLine(source, window, end);
  for (const line of fold.drain()) course.lines.push(line);
  return { lines: course.lines, consumed: course.from - begin };
}

/** One piece, whose lines are added to those of the course: so many were there before. */
async function readPiece(
  { log_files, fold, limits }: LogSource, { cursor, part }: LogWindow, before: Course, window_end: bigint,
): Promise<{ readonly course: Course; readonly kept: number }> {
  const course = { ...before };
  const kept = course.lines.length;
  const end = least(window_end, before.from + BigInt(limits.piece_bytes));
  fold.mark();
  for (let told = 0; course.from < end && told < limits.piece_lines;) {
    const bytes = await log_files.read(part, course.from, Number(least(end - course.from, BigInt(limits.read_bytes))));
    const start = cursor.log_start + course.from;
    fold.open(bytes, start);
    const taken_before = fold.taken;
    const { login_seen, notice_seen } = course;
    const scan = scanLog(bytes, { lines_max: limits.piece_lines - told, login_seen, notice_seen, fold });
    // The rest of the piece holds no whole line.
    if (scan.consumed === 0) break;
    told += fold.taken - taken_before + scan.lines.filter(isCounted).length;
    for (const line of scan.lines) course.lines.push(placed(line, start));
    course.login_seen ||= scan.lines.some((line) => line.kind === 'login');
    course.notice_seen = noticeSeen(notice_seen, scan.lines);
    course.from += BigInt(scan.consumed);
  }
  return { course, kept };
}

/** No line ends before the window does. */
async function passLine(source: LogSource, window: LogWindow, end: bigint): Promise<LogPiece> {
  const { cursor: { file_offset }, part } = window;
  // What ends the window stands within a line: it is a line all the same.
  const bytes_max = Math.min(window.bytes_max, source.limits.read_bytes);
  if (end < part.end && end - file_offset < bytes_max) {
    return readWindow(source, { ...window, until: part.end, bytes_max, single: true, goes_on: false });
  }
  // A line longer than a whole piece is no line of ckpool's.
  return { lines: [], consumed: await source.log_files.skipLine(part, file_offset) - file_offset };
}

const isToldInFull = (line: StretchLine): boolean => line.kind === 'shares' && !line.believed;

const placed = (line: LogLine | FoldedLine, start: bigint): StretchLine =>
  ('position' in line ? line : { ...line, position: logPosition(start + BigInt(line.offset)) });

/** Folded ones were counted when they were taken. */
const isCounted = (line: LogLine): boolean =>
  line.kind === 'block' || line.kind === 'tip' || (line.kind === 'shares' && !('position' in line));

const noticeSeen = (before: boolean, lines: readonly LogLine[]): boolean => {
  const last = lines.findLast((line) => line.kind === 'notice' || line.kind === 'block');
  return last === undefined ? before : last.kind === 'notice';
};

const least = (...values: readonly bigint[]): bigint => values.reduce((a, b) => (a < b ? a : b));
