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
import type { BlockHash, LogPosition } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import { createCatchUp } from './catch-up.js';
import type { AccountingContext, Outcome } from './context.js';
import { boundsOf, createCounterFold, unsoundUsers, type Bounds } from './core/counter-fold.js';
import { noShares, type Reading } from './core/counter-lines.js';
import { applyStretch, type StretchLine } from './core/stretch.js';
import {
  blockWithoutNotice, isEveryoneDue, isFresh, isNoise, isSampleDue, namedUsers, telling,
} from './core/what-to-read.js';
import { loadLogState, positionOf, type LogState } from './edges/log-state.js';
import { isGapRecorded, recordReading, recordStretch, type NewReading } from './edges/log-store.js';
import { readAllUsers, readUsers } from './edges/users-directory.js';
import { advance, isFinished, leftBehind, nextStretch, type Stretch } from './log-course.js';
import { noteTold, noteUnread, readingClock, remember } from './log-memory.js';
import { piece_limits, readWindow, type LogWindow } from './log-piece.js';
import { sampleWhenDue } from './sample-users.js';
import path from 'node:path';

/** More than that is gone through as a long stretch, whose reading is stored first. */
const short_bytes_max = 16 * 1024 * 1024;

/** The cursor moves over noise alone at most this often. */
const noise_period_ms = 1_000;

export interface LogReader {
  /** Reads one piece of the log and commits it, or says that there is nothing to read. */
  move(): Promise<Outcome>;
  /** What was learnt by the latest move: lines that make a look at the chain worthwhile. */
  readonly news: { readonly tips: ReadonlyMap<BlockHash, number>; fresh: boolean };
  /** Tips that were logged before this time make no look worthwhile any more. */
  forgetTipsBefore(at_ms: number): void;
  /** A sentence when there is no log to read. */
  readonly waits_for: string | null;
  /** A sentence when lines are there that may not be read yet: nothing may rest on the log's end then. */
  readonly behind: string | null;
  /** When the look that found everything read was begun, on the monotonic clock; null: lines may be unread. */
  readonly complete_at_ms: number | null;
  /** The state to work from, loaded when it is not in memory. */
  state(): Promise<LogState>;
  /** Forgets what is in memory: the next move reads it from the database again. */
  forget(): void;
}

interface BoundWindow {
  readonly known: LogState;
  readonly readings: ReadonlyMap<NameBytes, Reading>;
}

export function createLogReader(context: AccountingContext): LogReader {
  const { config, clock, log_files, options, database, lease } = context;
  const users_directory = path.join(config.log_directory, 'users');
  const source = { log_files, clock, fold: createCounterFold(), limits: piece_limits };
  /** What bounded the window that the move before committed; null when it did anything else. */
  let last_window: BoundWindow | null = null;
  let window_before: BoundWindow | null = null;
  const catch_up = createCatchUp(context.catching_up ?? null);
  let memory: LogState | null = null;
  const news = { tips: new Map<BlockHash, number>(), fresh: false };
  let waits_for: string | null = null;
  let behind: string | null = null;
  let complete_at_ms: number | null = null;

  async function state(): Promise<LogState> {
    memory ??= await loadLogState(database);
    return memory;
  }

  async function move(): Promise<Outcome> {
    const began_ms = clock.monotonic_ms();
    complete_at_ms = null;
    [window_before, last_window] = [last_window, null];
    const outcome = await readOn();
    if (outcome === 'idle') catch_up.end();
    if (outcome === 'idle' && waits_for === null && behind === null) complete_at_ms = began_ms;
    return outcome;
  }

  async function readOn(): Promise<Outcome> {
    const known = await state();
    const survey = await log_files.survey(known.cursors);
    waits_for = survey.missing;
    behind = survey.behind;
    try {
      const stretch = nextStretch(known, survey);
      if (!stretch) return await sampleWhenDue(context, known);
      if (survey.gap !== null && await isNews(stretch, survey.gap)) {
        return await recordGap(known, stretch, survey.gap);
      }
      if (isFinished(stretch)) return await sampleWhenDue(context, known);
      const open = known.open_reading;
      if (open && open.position > positionOf(stretch.cursor)) {
        return await applyPiece(known, stretch, open.position, () => Promise.resolve(open.readings), null);
      }
      const unread_bytes = stretch.part.end - stretch.cursor.file_offset;
      const short_bytes = Math.min(options.chunk_bytes, short_bytes_max);
      const whole = survey.parts.length === 1 && unread_bytes <= short_bytes;
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
    const outcome = applyStretch(known, {
      lines: [], readings: new Map(), reading_position: null, sampled: false,
    });
    const after = [...leftBehind(known, cursor), cursor];
    const superseding: NewReading = { position, kind: 'named', counts: new Map() };
    await recordStretch(database, lease, {
      users: known.users,
      before: known.cursor,
      after,
      reading: part.continues ? null : superseding,
      outcome,
      deferred: known.deferred,
      now_ms: clock.now_ms(),
      incidents: [{ kind: 'log_gap', position, user: null, occurrences: 1, detail: gap }],
    });
    context.log.warn(gap);
    remember(known, after, outcome, new Map(), clock);
    if (!part.continues) known.open_reading = null;
    known.everyone_due = true;
    return 'progress';
  }

  /** A short stretch: reading and effects in one commit. */
  async function applyWhole(known: LogState, stretch: Stretch): Promise<Outcome> {
    const times = readingClock(context, known);
    const everyone = stretch.first_start || known.everyone_due
      || isEveryoneDue(times) || isSampleDue(known.notice_seen, times);
    return applyPiece(known, stretch, stretch.end, async (lines) => {
      const named = namedUsers(lines);
      if (clock.monotonic_ms() >= known.unread_due_ms) for (const name of known.unread) named.add(name);
      if (!everyone && !blockWithoutNotice(known.notice_seen, lines)) {
        return readUsers(users_directory, [...named], clock);
      }
      const all = await readAllUsers(users_directory, clock);
      for (const name of named) if (!all.has(name)) all.set(name, { absent: true });
      return all;
    }, everyone ? 'all' : 'named');
  }

  async function storeReading(known: LogState, stretch: Stretch): Promise<Outcome> {
    const counts = await readAllUsers(users_directory, clock);
    const now_ms = clock.now_ms();
    await recordReading(database, lease, known.users, { position: stretch.end, kind: 'all', counts }, now_ms);
    known.open_reading = { position: stretch.end, readings: counts };
    known.last_full_reading = { position: stretch.end, at_ms: now_ms };
    known.everyone_due = false;
    noteUnread(known, counts, clock);
    return 'progress';
  }

  async function applyPiece(
    known: LogState, stretch: Stretch, reading_position: LogPosition,
    read: (lines: readonly StretchLine[]) => Promise<ReadonlyMap<NameBytes, Reading>>,
    kind: 'all' | 'named' | null,
  ): Promise<Outcome> {
    const { cursor, part, survey } = stretch;
    const noted_ms = clock.now_ms();
    const noted_monotonic_ms = clock.monotonic_ms();
    const until = kind === null ? reading_position - cursor.log_start : part.end;
    const window = windowOf(known, stretch, until, kind === null ? known.open_reading!.readings : null);
    let piece = await readWindow(source, window);
    // A short stretch of more lines than one commit takes: it is gone through as a long one.
    const isTooMuch = (): boolean => kind !== null && cursor.file_offset + piece.consumed < until;
    if (isTooMuch()) return storeReading(known, stretch);
    const readings = await read(piece.lines);
    const unsound = kind === null ? [] : unsoundUsers(piece.lines, readings);
    if (unsound.length > 0) piece = await readWindow(source, window, unsound);
    if (isTooMuch()) return storeReading(known, stretch);
    const after = advance(cursor, part, survey, piece.consumed);
    const reached = positionOf(after.at(-1)!) >= reading_position;
    const nothing_new = kind === 'named' && readings.size === 0 && after.length === 1;
    if (nothing_new && isNoise(known, piece.lines) && isTooSoon(known)) return 'idle';
    // A reading stored ahead of its stretch says nothing about the time before it.
    const sampled = (known.last_full_reading?.position ?? reading_position) <= positionOf(known.cursor)
      && isFresh(readingClock(context, known));
    const outcome = applyStretch(known, {
      lines: piece.lines, readings, reading_position: reached ? reading_position : null, sampled,
    });
    const full = kind === 'all' || (kind === 'named' && blockWithoutNotice(known.notice_seen, piece.lines));
    const reading = newReading(known, piece.lines, readings, reading_position, kind, full);
    const rows = [...leftBehind(known, cursor), ...after];
    const ids = await recordStretch(database, lease, {
      users: known.users, before: known.cursor, after: rows, reading, outcome, incidents: [], deferred: known.deferred,
      now_ms: noted_ms,
    });
    if (kind === null) {
      catch_up.passed(positionOf(known.cursor), positionOf(after.at(-1)!), stretch.end, outcome.snapshots.length);
    }
    remember(known, rows, outcome, ids, clock);
    if (reached) known.open_reading = null;
    else if (kind === null) last_window = { known, readings };
    if (reached || outcome.disputed.size > 0) {
      noteTold(known, reached ? readings : new Map(), outcome.disputed.size > 0, clock);
    }
    if (full) {
      known.last_full_reading = { position: reading_position, at_ms: noted_ms };
      known.everyone_due = false;
    }
    if (kind !== null) noteUnread(known, readings, clock);
    learn(piece.lines, noted_monotonic_ms);
    return 'progress';
  }

  /** `readings`: what bounds its lines; null: they are read after it, and looked at then. */
  function windowOf(
    known: LogState, { cursor, part }: Stretch, until: bigint, readings: ReadonlyMap<NameBytes, Reading> | null,
  ): LogWindow {
    const { login_seen, notice_seen } = known;
    const goes_on = readings !== null && window_before?.known === known && window_before.readings === readings;
    const bounds = (user: NameBytes): Bounds =>
      boundsOf(known.users.get(user)?.counter ?? noShares, readings === null ? null : readings.get(user));
    return {
      cursor, part, until, bytes_max: options.chunk_bytes, single: readings === null, login_seen, notice_seen, goes_on,
      boundsOf: bounds,
    };
  }

  const isTooSoon = (known: LogState): boolean =>
    known.committed_ms !== null
    && clock.monotonic_ms() - known.committed_ms < noise_period_ms;

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
    get complete_at_ms() { return complete_at_ms; },
    forgetTipsBefore: (before_ms) => {
      for (const [hash, at_ms] of news.tips) if (at_ms < before_ms) news.tips.delete(hash);
    },
    forget: () => { memory = null; },
  };
}

/** What is stored of a reading; null for one that was stored ahead, or that says nothing. */
function newReading(
  known: LogState, lines: readonly StretchLine[], readings: ReadonlyMap<NameBytes, Reading>,
  position: LogPosition, kind: 'all' | 'named' | null, full: boolean,
): NewReading | null {
  const says =
    full || namedUsers(lines).size > 0 || [...readings.values()].some((reading) => 'counter' in reading);
  if (kind === null || !says) return null;
  return { position, kind: full ? 'all' : 'named', counts: telling(known.users, lines, readings) };
}
