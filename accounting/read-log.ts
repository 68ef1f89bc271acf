// One move along the log. Order, and what a crash leaves:
//   1. survey: which files hold bytes we have not accounted for, and where they end now (reads only);
//   2. read the user files: what they say bounds every line before that end, because ckpool writes the
//      file before the line;
//   3. commit: counts, snapshots, reading and cursor in one transaction.
// A stretch longer than one chunk stores its reading first, in a commit of its own; a crash after that
// resumes the same stretch with the same reading. A crash before a commit leaves nothing at all.
// This module never asks the node anything and never writes to a file.
import { logPosition, type LogPosition } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import type { AccountingContext, Outcome } from './context.js';
import type { Reading } from './core/counter-lines.js';
import { scanLog } from './core/log-line.js';
import { applyStretch, type NewIncident, type StretchLine } from './core/stretch.js';
import type { LogPart, LogSurvey, StoredCursor } from './edges/log-files.js';
import { loadLogState, positionOf, type LogState } from './edges/log-state.js';
import { recordReading, recordStretch, type NewReading } from './edges/log-store.js';
import { readAllUsers, readUsers } from './edges/users-directory.js';
import path from 'node:path';

/** How fresh the last reading of all files must be for a block to count as timed to the minute. */
const sample_age_max_ms = 120_000;

export interface LogReader {
  /** Reads one piece of the log and commits it, or says that there is nothing to read. */
  move(): Promise<Outcome>;
  /** What was learnt by the latest move: lines that make a look at the chain worthwhile. */
  readonly news: { readonly tips: ReadonlyMap<string, number>; fresh: boolean };
  /** A sentence when there is no log to read. */
  readonly waits_for: string | null;
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
  readonly incidents: NewIncident[];
}

export function createLogReader(context: AccountingContext): LogReader {
  const { config, clock, log_files, options, database, lease } = context;
  const users_directory = path.join(config.log_directory, 'users');
  let memory: LogState | null = null;
  const news = { tips: new Map<string, number>(), fresh: false };
  let waits_for: string | null = null;

  async function state(): Promise<LogState> {
    memory ??= await loadLogState(database);
    return memory;
  }

  async function move(): Promise<Outcome> {
    const known = await state();
    const survey = await log_files.survey(known.cursors);
    waits_for = survey.missing;
    const stretch = nextStretch(known, survey);
    if (!stretch) return sampleWhenDue(known);
    try {
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

  /** A short stretch: reading and effects in one commit. */
  async function applyWhole(known: LogState, stretch: Stretch): Promise<Outcome> {
    const everyone = stretch.first_start || stretch.survey.gap !== null;
    return applyPiece(known, stretch, stretch.end, async (lines) => {
      const named = namedUsers(lines);
      for (const name of known.unread) named.add(name);
      const sampled = blockWithoutNotice(known.notice_seen, lines);
      if (!everyone && !sampled) return readUsers(users_directory, [...named]);
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
    return 'progress';
  }

  async function applyPiece(
    known: LogState, stretch: Stretch, reading_position: LogPosition,
    read: (lines: readonly StretchLine[]) => Promise<ReadonlyMap<NameBytes, Reading>>,
    kind: 'all' | 'named' | null,
  ): Promise<Outcome> {
    const { cursor, part, survey } = stretch;
    const noted_ms = clock.now_ms();
    const piece = await readPiece(cursor, part);
    const readings = await read(piece.lines);
    const after = advance(cursor, part, survey, piece.consumed);
    const reached = positionOf(after.at(-1)!) >= reading_position;
    const sampled = isFresh(known, noted_ms);
    const outcome = applyStretch(known, {
      lines: piece.lines, readings, reading_position: reached ? reading_position : null, sampled,
    });
    const full = kind !== null && readings.size > 0 && (kind === 'all' || blockWithoutNotice(known.notice_seen, piece.lines));
    const reading = kind === null || (readings.size === 0 && kind === 'named')
      ? null
      : { position: reading_position, kind: full ? 'all' as const : kind, counts: telling(known, piece.lines, readings) };
    const left = known.cursor && known.cursor.sequence !== cursor.sequence
      ? [{ ...known.cursor, state: 'finished' as const }] : [];
    const ids = await recordStretch(database, lease, {
      before: known.cursor, after: [...left, ...after], reading, outcome, incidents: stretch.incidents, now_ms: noted_ms,
    });
    remember(known, [...left, ...after], outcome, ids, reached);
    if (reading && full) known.last_full_reading = { position: reading_position, at_ms: noted_ms };
    noteUnread(known, readings);
    learn(piece.lines, noted_ms);
    return 'progress';
  }

  async function readPiece(cursor: StoredCursor, part: LogPart): Promise<{ lines: StretchLine[]; consumed: bigint }> {
    const from = cursor.file_offset;
    const left = part.end - from;
    if (left <= 0n) return { lines: [], consumed: 0n };
    const bytes_max = Number(left < BigInt(options.chunk_bytes) ? left : BigInt(options.chunk_bytes));
    const bytes = await log_files.read(part, from, bytes_max);
    const { lines, consumed } = scanLog(bytes);
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
    if (!cursor || known.notice_seen) return 'idle';
    const position = positionOf(cursor);
    const now_ms = clock.now_ms();
    if (last && (position <= last.position || now_ms - last.at_ms < options.sample_period_ms)) return 'idle';
    const readings = await readAllUsers(users_directory);
    const outcome = applyStretch(known, { lines: [], readings, reading_position: position, sampled: true });
    const reading: NewReading = { position, kind: 'sample', counts: telling(known, [], readings) };
    try {
      const ids = await recordStretch(database, lease, {
        before: cursor, after: [cursor], reading, outcome, incidents: [], now_ms,
      });
      remember(known, [cursor], outcome, ids, false);
      known.last_full_reading = { position, at_ms: now_ms };
      return 'progress';
    } catch (failure) {
      memory = null;
      throw failure;
    }
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
    forget: () => { memory = null; },
  };

  function isFresh(known: LogState, noted_ms: number): boolean {
    const last = known.last_full_reading;
    // A reading stored ahead of its stretch says nothing about the time before it.
    return last !== null && last.position <= positionOf(known.cursor) && noted_ms - last.at_ms <= sample_age_max_ms;
  }

  function nextStretch(known: LogState, survey: LogSurvey): Stretch | null {
    const [part] = survey.parts;
    if (!part) return null;
    const before = known.cursor;
    const same = before !== null && part.continues;
    if (same && part.from >= part.end && survey.parts.length === 1) return null;
    const cursor = same ? { ...before, ...identity(part) } : openFile(before, part, positionOf(before));
    const incidents: NewIncident[] = [];
    if (survey.gap !== null) {
      context.log.warn(survey.gap);
      incidents.push({ kind: 'log_gap', position: positionOf(cursor), user: null, occurrences: 1, detail: survey.gap });
    }
    return { cursor, part, survey, first_start: before === null, end: endOf(cursor, survey), incidents };
  }
}

/** The row of a file that is opened behind everything read so far. */
function openFile(before: StoredCursor | null, part: LogPart, log_start: bigint): StoredCursor {
  return {
    sequence: (before?.sequence ?? 0) + 1, log_start, file_offset: part.from, state: 'current', ...identity(part),
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
function advance(cursor: StoredCursor, part: LogPart, survey: LogSurvey, consumed: bigint): StoredCursor[] {
  const file_offset = cursor.file_offset + consumed;
  const next = survey.parts[1];
  if (file_offset < part.end || !part.settled || !next) return [{ ...cursor, file_offset }];
  // A torn last line of a finished file is nobody's; the next file begins behind it.
  const finished: StoredCursor = { ...cursor, file_offset: part.size, state: 'finished' };
  return [finished, openFile(finished, next, positionOf(finished))];
}

/** Only what the lines do not say already: a reading that agrees with them needs no row. */
function telling(
  known: LogState, lines: readonly StretchLine[], readings: ReadonlyMap<NameBytes, Reading>,
): Map<NameBytes, Reading> {
  const said = new Map<NameBytes, bigint>();
  for (const line of lines) if (line.kind === 'shares') said.set(line.user, line.counter);
  return new Map([...readings].filter(([name, reading]) => {
    const expected = said.get(name) ?? known.users.get(name)?.counter;
    return !('counter' in reading) || reading.counter !== expected;
  }));
}

function namedUsers(lines: readonly StretchLine[]): Set<NameBytes> {
  return new Set(lines.flatMap((line) => (line.kind === 'shares' ? [line.user] : [])));
}

/** A block line with no line of log level 5 since the one before: there are no User lines to time it by. */
function blockWithoutNotice(notice_seen: boolean, lines: readonly StretchLine[]): boolean {
  let seen = notice_seen;
  for (const line of lines) {
    if (line.kind !== 'block') seen ||= line.kind !== 'login';
    else if (!seen) return true;
    else seen = false;
  }
  return false;
}

function remember(
  known: LogState, after: readonly StoredCursor[], outcome: ReturnType<typeof applyStretch>,
  ids: ReadonlyMap<NameBytes, number>, reached: boolean,
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
  known.notice_seen = outcome.notice_seen;
  if (reached) known.open_reading = null;
}

function noteUnread(known: LogState, readings: ReadonlyMap<NameBytes, Reading>): void {
  for (const [name, reading] of readings) {
    if ('unreadable' in reading) known.unread.add(name);
    else known.unread.delete(name);
  }
}

