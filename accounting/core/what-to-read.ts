// Which user files a stretch of the log asks for, and what of a reading must be stored. The files of the
// users that the lines name are enough to bound those lines; everybody's are read where lines may be missing.
import type { NameBytes } from '../../shared/username.js';
import type { Reading } from './counter-lines.js';
import type { StretchLine, UserCount } from './stretch.js';

/** Lines are lost without a trace (full disk, gap): within this time every file has been looked at. */
const everyone_period_ms = 60 * 60 * 1000;
/** How fresh the last reading of all files must be for a block to count as timed to the minute. */
const sample_age_max_ms = 120_000;

export interface ReadingClock {
  readonly now_ms: number;
  /** When all files were last read; null: never. */
  readonly everyone_read_ms: number | null;
  /** When a line of log level 5 was last seen by this process; null: not yet. */
  readonly noticed_ms: number | null;
  readonly sample_period_ms: number;
}

export const isFresh = ({ now_ms, everyone_read_ms }: ReadingClock): boolean =>
  everyone_read_ms !== null && now_ms - everyone_read_ms <= sample_age_max_ms;

export const isEveryoneDue = ({ now_ms, everyone_read_ms }: ReadingClock): boolean =>
  everyone_read_ms === null || now_ms - everyone_read_ms >= everyone_period_ms;

/** Below log level 5 no line says what a user's count is: the files are sampled every minute. */
export function isSampleDue(notice_seen: boolean, clock: ReadingClock): boolean {
  const last_ms = Math.max(clock.everyone_read_ms ?? -Infinity, clock.noticed_ms ?? -Infinity);
  return !notice_seen && clock.now_ms - last_ms >= clock.sample_period_ms;
}

export function namedUsers(lines: readonly StretchLine[]): Set<NameBytes> {
  return new Set(lines.flatMap((line) => (line.kind === 'shares' ? [line.user] : [])));
}

/** A block line with no line of log level 5 since the one before: there are no User lines to time it by. */
export function blockWithoutNotice(notice_seen: boolean, lines: readonly StretchLine[]): boolean {
  let seen = notice_seen;
  for (const line of lines) {
    if (line.kind !== 'block') seen ||= line.kind !== 'login';
    else if (!seen) return true;
    else seen = false;
  }
  return false;
}

/** Whether these lines change nothing that is stored. */
export function isNoise(
  known: { login_seen: boolean; notice_seen: boolean },
  lines: readonly StretchLine[],
): boolean {
  return lines.every(
    (line) => (line.kind === 'login' && known.login_seen) || (line.kind === 'notice' && known.notice_seen),
  );
}

/** Whether anything was ever counted for this user. */
export const isCounted = (user: UserCount | undefined): boolean =>
  user !== undefined && user.ledger_count > 0n;

/**
 * Only what the lines do not say already: a reading that agrees with them needs no row. A user's first
 * count always has a row: so a replay knows whose lines had no file behind them.
 */
export function telling(
  users: ReadonlyMap<NameBytes, UserCount>,
  lines: readonly StretchLine[],
  readings: ReadonlyMap<NameBytes, Reading>,
): Map<NameBytes, Reading> {
  const said = new Map<NameBytes, bigint>();
  for (const line of lines) if (line.kind === 'shares') said.set(line.user, line.counter);
  return new Map(
    [...readings].filter(([name, reading]) => {
      const user = users.get(name);
      const expected = said.get(name) ?? user?.counter;
      if (!('counter' in reading)) return true;
      return isCounted(user) ? reading.counter !== expected : reading.counter > 0n;
    }),
  );
}
