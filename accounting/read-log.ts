// One move along the log. Order, and what a crash leaves:
//   1. survey: which files hold bytes we have not accounted for, and where they end now (reads only);
//   2. read the user files: what they say bounds every line before that end, because ckpool writes the
//      file before the line;
//   3. commit: counts, snapshots, reading and cursor in one transaction.
// A stretch longer than one chunk stores its reading first, in a commit of its own; a crash after that
// resumes the same stretch with the same reading. A crash before a commit leaves nothing at all.
// A gap is a commit of its own, before anything behind it is read. After a start, at a gap and once an hour
// all user files are read: what no line told is counted then.
// This module never asks the node anything and never writes to a file.
import { logPosition, type LogPosition } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import type { AccountingContext, Outcome } from './context.js';
import type { Reading } from './core/counter-lines.js';
import { scanLog } from './core/log-line.js';
import { applyStretch, type StretchLine, type StretchOutcome } from './core/stretch.js';
import {
  blockWithoutNotice, isEveryoneDue, isFresh, isNoise, isSampleDue, namedUsers, telling, type ReadingClock,
} from './core/what-to-read.js';
import type { LogPart, LogSurvey, StoredCursor } from './edges/log-files.js';
import { loadLogState, positionOf, type LogState } from './edges/log-state.js';
import { isGapRecorded, recordReading, recordStretch, type NewReading } from './edges/log-store.js';
import { readAllUsers, readUsers } from './edges/users-directory.js';
import { advance, endOf, identity, openFile } from './log-course.js';
import path from 'node:path';

/** The cursor moves over noise alone at most this often. */
const noise_period_ms = 1_000;
/** ckpool rewrites the files once a minute: one that is empty or torn is not asked for more often. */
const unread_period_ms = 60_000;

export interface LogReader {
  /** Reads one piece of the log and commits it, or says that there is nothing to read. */
  move(): Promise<Outcome>;
  /** What was learnt by the latest move: lines that make a look at the chain worthwhile. */
  readonly news: { readonly tips: ReadonlyMap<string, number>; fresh: boolean };
  /** A sentence when there is no log to read. */
  readonly waits_for: string | null;
  /** A sentence when lines are there that may not be read yet: nothing may rest on the log's end then. */
  readonly behind: string | null;
  /** The state to work from, loaded when it is not in memory. */
  state(): Promise<LogState>;
  /** Forgets what is in memory: the next move reads it from the database again. */
  forget(): void;
}

interface Stretch {
  /** The file being read, as its row is to be. */
  readonly cursor: StoredCursor;
  readonly part: LogPart;
  readonly survey: LogSurvey;
  readonly first_start: boolean;
  /** The log's end when it was noted. */
  readonly end: LogPosition;
}

export function createLogReader(context: AccountingContext): LogReader {
  const { config, clock, log_files, options, database, lease } = context;
  const users_directory = path.join(config.log_directory, 'users');
  let memory: LogState | null = null;
  const news = { tips: new Map<string, number>(), fresh: false };
  let waits_for: string | null = null;
  let behind: string | null = null;

  async function state(): Promise<LogState> {
    memory ??= await loadLogState(database);
    return memory;
  }

  async function move(): Promise<Outcome> {
    const known = await state();
    const survey = await log_files.survey(known.cursors);
    waits_for = survey.missing;
    behind = survey.behind;
    try {
      const stretch = nextStretch(known, survey);
      if (!stretch) return await sampleWhenDue(known);
      if (survey.gap !== null && await isNews(stretch, survey.gap)) return await recordGap(known, stretch, survey.gap);
      if (isFinished(stretch)) return await sampleWhenDue(known);
      const open = known.open_reading;
      if (open && open.position > positionOf(stretch.cursor)) {
        return await applyPiece(known, stretch, open.position, () => Promise.resolve(open.readings), null);
      }
      const whole = survey.parts.length === 1 && stretch.part.end - stretch.cursor.file_offset <= options.chunk_bytes;
      return whole ? await applyWhole(known, stretch) : await storeReading(known, stretch);
    } catch (failure) {
      memory = null; // The commit may have happened: look at what is there.
      throw failure;
    }
  }

  /** A gap between two files is seen once; of lines behind a file's end it is known only by its row. */
  async function isNews(stretch: Stretch, gap: string): Promise<boolean> {
    return !stretch.part.continues || !(await isGapRecorded(database, gap));
  }

  /** What is missing is written down first; a reading stored ahead of it bounds nothing any more. */
  async function recordGap(known: LogState, { cursor, part }: Stretch, gap: string): Promise<Outcome> {
    const position = positionOf(cursor);
    const outcome = applyStretch(known, { lines: [], readings: new Map(), reading_position: null, sampled: false });
    const after = [...leftBehind(known, cursor), cursor];
    const superseding: NewReading = { position, kind: 'named', counts: new Map() };
    await recordStretch(database, lease, {
      before: known.cursor, after, reading: part.continues ? null : superseding, outcome, now_ms: clock.now_ms(),
      incidents: [{ kind: 'log_gap', position, user: null, occurrences: 1, detail: gap }],
    });
    context.log.warn(gap);
    remember(known, after, outcome, new Map());
    if (!part.continues) known.open_reading = null;
    known.everyone_due = true;
    return 'progress';
  }

  /** A short stretch: reading and effects in one commit. */
  async function applyWhole(known: LogState, stretch: Stretch): Promise<Outcome> {
    const times = readingClock(known);
    const everyone = stretch.first_start || known.everyone_due || isEveryoneDue(times) || isSampleDue(known.notice_seen, times);
    return applyPiece(known, stretch, stretch.end, async (lines) => {
      const named = namedUsers(lines);
      if (clock.monotonic_ms() >= known.unread_due_ms) for (const name of known.unread) named.add(name);
      if (!everyone && !blockWithoutNotice(known.notice_seen, lines)) return readUsers(users_directory, [...named]);
      const all = await readAllUsers(users_directory);
      for (const name of named) if (!all.has(name)) all.set(name, { absent: true });
      return all;
    }, everyone ? 'all' : 'named');
  }

  async function storeReading(known: LogState, stretch: Stretch): Promise<Outcome> {
    const counts = await readAllUsers(users_directory);
    const now_ms = clock.now_ms();
    await recordReading(database, lease, { position: stretch.end, kind: 'all', counts }, now_ms);
    known.open_reading = { position: stretch.end, readings: counts };
    known.last_full_reading = { position: stretch.end, at_ms: now_ms };
    known.everyone_due = false;
    noteUnread(known, counts);
    return 'progress';
  }

  async function applyPiece(
    known: LogState, stretch: Stretch, reading_position: LogPosition,
    read: (lines: readonly StretchLine[]) => Promise<ReadonlyMap<NameBytes, Reading>>,
    kind: 'all' | 'named' | null,
  ): Promise<Outcome> {
    const { cursor, part, survey } = stretch;
    const noted_ms = clock.now_ms();
    const piece = await readPiece(cursor, part, kind === null ? reading_position - cursor.log_start : part.end);
    const readings = await read(piece.lines);
    const after = advance(cursor, part, survey, piece.consumed);
    const reached = positionOf(after.at(-1)!) >= reading_position;
    if (kind === 'named' && readings.size === 0 && after.length === 1 && isNoise(known, piece.lines) && isTooSoon(known)) return 'idle';
    const outcome = applyStretch(known, {
      lines: piece.lines, readings, reading_position: reached ? reading_position : null,
      // A reading stored ahead of its stretch says nothing about the time before it.
      sampled: (known.last_full_reading?.position ?? reading_position) <= positionOf(known.cursor) && isFresh(readingClock(known)),
    });
    const full = kind === 'all' || (kind === 'named' && blockWithoutNotice(known.notice_seen, piece.lines));
    const reading = newReading(known, piece.lines, readings, reading_position, kind, full);
    const rows = [...leftBehind(known, cursor), ...after];
    const ids = await recordStretch(database, lease, {
      before: known.cursor, after: rows, reading, outcome, incidents: [], now_ms: noted_ms,
    });
    remember(known, rows, outcome, ids);
    if (reached) known.open_reading = null;
    if (full) {
      known.last_full_reading = { position: reading_position, at_ms: noted_ms };
      known.everyone_due = false;
    }
    if (kind !== null) noteUnread(known, readings);
    learn(piece.lines, noted_ms);
    return 'progress';
  }

  /** Whole lines from the cursor on, up to `until` in the file: a reading bounds no line behind its place. */
  async function readPiece(
    cursor: StoredCursor, part: LogPart, until: bigint,
  ): Promise<{ lines: StretchLine[]; consumed: bigint }> {
    const from = cursor.file_offset;
    const end = until < part.end ? until : part.end;
    if (end <= from) return { lines: [], consumed: 0n };
    const bytes_max = Number(end - from < BigInt(options.chunk_bytes) ? end - from : BigInt(options.chunk_bytes));
    const bytes = await log_files.read(part, from, bytes_max);
    const { lines, consumed } = scanLog(bytes);
    if (consumed === 0 && end < part.end && bytes_max < options.chunk_bytes) return readPiece(cursor, part, part.end);
    // A line longer than a whole chunk is no line of ckpool's.
    if (consumed === 0) return { lines: [], consumed: await log_files.skipLine(part, from) - from };
    const start = cursor.log_start + from;
    return {
      lines: lines.map((line) => ({ ...line, position: logPosition(start + BigInt(line.offset)) })),
      consumed: BigInt(consumed),
    };
  }

  /** Below log level 5 no line says what a user's count is: all files are read every minute. */
  async function sampleWhenDue(known: LogState): Promise<Outcome> {
    const { cursor, last_full_reading: last } = known;
    if (!cursor || known.open_reading || !isSampleDue(known.notice_seen, readingClock(known))) return 'idle';
    const position = positionOf(cursor);
    if (last && position <= last.position) return 'idle';
    const now_ms = clock.now_ms();
    const readings = await readAllUsers(users_directory);
    const outcome = applyStretch(known, { lines: [], readings, reading_position: position, sampled: true });
    const reading: NewReading = { position, kind: 'sample', counts: telling(known.users, [], readings) };
    const ids = await recordStretch(database, lease, {
      before: cursor, after: [cursor], reading, outcome, incidents: [], now_ms,
    });
    remember(known, [cursor], outcome, ids);
    known.last_full_reading = { position, at_ms: now_ms };
    noteUnread(known, readings);
    return 'progress';
  }

  function readingClock(known: LogState): ReadingClock {
    return {
      now_ms: clock.now_ms(), everyone_read_ms: known.last_full_reading?.at_ms ?? null,
      noticed_ms: known.noticed_ms, sample_period_ms: options.sample_period_ms,
    };
  }

  const isTooSoon = (known: LogState): boolean =>
    !options.once && known.committed_ms !== null && clock.monotonic_ms() - known.committed_ms < noise_period_ms;

  function remember(
    known: LogState, after: readonly StoredCursor[], outcome: StretchOutcome, ids: ReadonlyMap<NameBytes, number>,
  ): void {
    for (const cursor of after) {
      const at = known.cursors.findIndex((other) => other.sequence === cursor.sequence);
      if (at >= 0) known.cursors[at] = cursor;
      else known.cursors.push(cursor);
    }
    known.cursor = after.at(-1)!;
    for (const user of outcome.changed) known.users.set(user.name, { ...user, id: user.id ?? ids.get(user.name) ?? null });
    known.risen = outcome.risen;
    known.login_seen = outcome.login_seen;
    if (known.notice_seen || outcome.notice_seen) known.noticed_ms = clock.now_ms();
    known.notice_seen = outcome.notice_seen;
    known.committed_ms = clock.monotonic_ms();
  }

  function noteUnread(known: LogState, readings: ReadonlyMap<NameBytes, Reading>): void {
    for (const [name, reading] of readings) {
      if ('unreadable' in reading) known.unread.add(name);
      else known.unread.delete(name);
    }
    if (readings.size > 0) known.unread_due_ms = clock.monotonic_ms() + unread_period_ms;
  }

  function learn(lines: readonly StretchLine[], now_ms: number): void {
    for (const line of lines) {
      if (line.kind === 'tip') news.tips.set(line.hash, now_ms);
      if (line.kind === 'tip' || line.kind === 'block') news.fresh = true;
    }
    while (news.tips.size > 1000) news.tips.delete(news.tips.keys().next().value!);
  }

  return {
    move,
    news,
    state,
    get waits_for() { return waits_for; },
    get behind() { return behind; },
    forget: () => { memory = null; },
  };
}

function nextStretch(known: LogState, survey: LogSurvey): Stretch | null {
  const [part] = survey.parts;
  if (!part) return null;
  const before = known.cursor;
  const same = before !== null && part.continues;
  const cursor = same ? { ...before, ...identity(part) } : openFile(before, part, positionOf(before));
  return { cursor, part, survey, first_start: before === null, end: endOf(cursor, survey) };
}

/** Nothing to read and no file to go on to. */
const isFinished = ({ part, survey, first_start }: Stretch): boolean =>
  !first_start && part.continues && part.from >= part.end && survey.parts.length === 1;

/** The row of the file that is left when another is opened behind it. */
const leftBehind = (known: LogState, next: StoredCursor): StoredCursor[] =>
  (known.cursor && known.cursor.sequence !== next.sequence ? [{ ...known.cursor, state: 'finished' }] : []);

/** What is stored of a reading; null for one that was stored ahead, or that says nothing. */
function newReading(
  known: LogState, lines: readonly StretchLine[], readings: ReadonlyMap<NameBytes, Reading>,
  position: LogPosition, kind: 'all' | 'named' | null, full: boolean,
): NewReading | null {
  const says = full || namedUsers(lines).size > 0 || [...readings.values()].some((reading) => 'counter' in reading);
  if (kind === null || !says) return null;
  return { position, kind: full ? 'all' : 'named', counts: telling(known.users, lines, readings) };
}
