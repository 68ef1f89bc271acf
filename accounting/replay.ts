// Rebuilds the facts of a log from nothing but its bytes and the stored readings of the user files, and
// compares them with the rows that were written live. The same rules run over the same input, so every
// row must agree; one that does not is damage, or a defect. Writes nothing anywhere.
// Where share logs are read, the log gives no more than what the counters told; replay-shares.ts rebuilds the rest.
import type { Database } from '../shared/database/database.js';
import { ConfigurationFault } from '../shared/errors.js';
import { logPosition } from '../shared/units.js';
import { printable, type NameBytes } from '../shared/username.js';
import { noShares, type Reading } from './core/counter-lines.js';
import { scanLog } from './core/log-line.js';
import { applyStretch, type NewSnapshot, type StretchLine, type UserCount } from './core/stretch.js';
import { isCounted } from './core/what-to-read.js';
import type { LogFiles, LogPart, StoredCursor } from './edges/log-files.js';
import {
  baselineEnds, storedCounterView, storedReadings, storedSnapshots, type StoredReading, type StoredSnapshot,
} from './edges/replay-reader.js';

const chunk_bytes = 16 * 1024 * 1024;

export interface ReplayResult {
  readonly snapshots: number;
  readonly rows: number;
  /** One sentence for each row that differs; empty when live and replay agree. */
  readonly differences: readonly string[];
}

export async function replayLog(
  database: Database, cursors: readonly StoredCursor[], log_files: LogFiles,
  progress: (done: bigint, total: bigint) => void,
): Promise<ReplayResult> {
  const survey = await log_files.survey([]);
  if (survey.parts.length === 0) {
    throw new ConfigurationFault([survey.missing ?? 'There is no log to replay.']);
  }
  const placed = place(survey.parts, cursors);
  const readings = await storedReadings(database);
  const rebuilt = await rebuild(placed, readings, await baselineEnds(database), log_files, progress);
  return compare(database, rebuilt, placed[0]!.log_start);
}

/** Where each file stood in the log when it was read live, found by its fingerprint. */
function place(
  parts: readonly LogPart[],
  cursors: readonly StoredCursor[],
): (LogPart & { log_start: bigint })[] {
  return parts.map((part) => {
    const cursor = cursors.find(
      (one) => one.fingerprint === part.fingerprint && one.fingerprint_length === part.fingerprint_length,
    );
    if (!cursor) {
      throw new ConfigurationFault([
        `${part.path} was never read by accounting (its first bytes are in no row of `
        + 'log_cursors): nothing to compare it with.',
      ]);
    }
    return { ...part, log_start: cursor.log_start };
  });
}

async function rebuild(
  parts: readonly (LogPart & { log_start: bigint })[], readings: StoredReading[], baselines: bigint[],
  log_files: LogFiles, progress: (done: bigint, total: bigint) => void,
): Promise<NewSnapshot[]> {
  const users = new Map<NameBytes, UserCount>();
  let state = {
    users,
    risen: new Set<NameBytes>() as ReadonlySet<NameBytes>,
    login_seen: false,
    notice_seen: false,
  };
  const snapshots: NewSnapshot[] = [];
  const whole = parts[0]!.log_start === 0n;
  const total = parts.reduce((sum, part) => sum + part.end, 0n);
  let done = 0n;
  const queue = readings.filter((reading) => reading.position > parts[0]!.log_start);
  const settled = baselines.filter((position) => position > parts[0]!.log_start);
  for (const part of parts) {
    let from = 0n;
    while (from < part.end) {
      if (settled[0] !== undefined && part.log_start + from >= settled[0]) {
        settled.shift();
        settleAll(users);
        state = { ...state, risen: new Set() };
      }
      const next = queue[0] ?? null;
      const bound = [next?.position, settled[0]].reduce<bigint>(
        (least, position) =>
          position !== undefined && position - part.log_start < least ? position - part.log_start : least,
        part.end,
      );
      const wanted = bound - from < BigInt(chunk_bytes) ? bound - from : BigInt(chunk_bytes);
      // A second reading at one place: nothing is read before it.
      const piece =
        wanted > 0n ? await readLines(log_files, part, from, Number(wanted)) : { lines: [], consumed: 0n };
      from += piece.consumed;
      done += piece.consumed;
      const reached = next !== null && part.log_start + from >= next.position;
      const outcome = applyStretch(state, {
        lines: piece.lines,
        readings: bounds(next, piece.lines, users, whole),
        reading_position: reached ? next.position : null,
        sampled: true,
      });
      for (const user of outcome.changed) users.set(user.name, user);
      state = {
        users,
        risen: outcome.risen,
        login_seen: outcome.login_seen,
        notice_seen: outcome.notice_seen,
      };
      snapshots.push(...outcome.snapshots);
      if (reached) queue.shift();
      progress(done, total);
    }
  }
  return snapshots;
}

/** What a baseline does: the work so far is nobody's. */
function settleAll(users: Map<NameBytes, UserCount>): void {
  for (const user of users.values()) {
    users.set(user.name, { ...user, snapshot_count: user.ledger_count, disputed_count: noShares });
  }
}

async function readLines(
  log_files: LogFiles,
  part: LogPart & { log_start: bigint },
  from: bigint,
  bytes_max: number,
) {
  const { lines, consumed } = scanLog(await log_files.read(part, from, bytes_max));
  if (consumed === 0) return { lines: [], consumed: (await log_files.skipLine(part, from)) - from };
  return {
    lines: lines.map((line): StretchLine => ({
      ...line,
      position: logPosition(part.log_start + from + BigInt(line.offset)),
    })),
    consumed: BigInt(consumed),
  };
}

/**
 * What was not stored agreed with the lines: the last line about a user is what his file said. A user of whom
 * nothing was counted yet is always stored, so one who is not had no file; where the log does not begin at
 * the beginning nobody knows that.
 */
function bounds(
  next: StoredReading | null,
  lines: readonly StretchLine[],
  users: ReadonlyMap<NameBytes, UserCount>,
  whole: boolean,
): Map<NameBytes, Reading> {
  const readings = new Map<NameBytes, Reading>();
  if (next?.all) for (const user of users.values()) readings.set(user.name, { counter: user.counter });
  for (const line of lines) {
    if (line.kind === 'shares' && (!whole || isCounted(users.get(line.user)))) {
      readings.set(line.user, { counter: line.counter });
    }
  }
  for (const [name, reading] of next?.counts ?? []) readings.set(name, reading);
  return readings;
}

async function compare(
  database: Database,
  rebuilt: readonly NewSnapshot[],
  from: bigint,
): Promise<ReplayResult> {
  const differences: string[] = [];
  const live = await storedSnapshots(database, from);
  let rows = 0;
  for (const snapshot of rebuilt) {
    const stored = live.get(snapshot.position);
    live.delete(snapshot.position);
    if (stored === undefined) {
      differences.push(
        `block line of height ${snapshot.height} at position ${snapshot.position} is in the log, `
        + 'not in snapshots',
      );
      continue;
    }
    rows += snapshot.rows.length;
    differences.push(...(await compareShares(database, stored, snapshot, from === 0n)));
  }
  for (const [position, { id }] of live) {
    differences.push(`snapshot ${id} (position ${position}) is not in the log`);
  }
  return { snapshots: rebuilt.length, rows, differences };
}

/** Where the log does not begin at the beginning, only the differences can be rebuilt, not the sums. */
async function compareShares(
  database: Database,
  stored: StoredSnapshot,
  snapshot: NewSnapshot,
  whole: boolean,
): Promise<string[]> {
  const live = await storedCounterView(database, stored);
  const differences: string[] = [];
  const counters = stored.deferred ? ' by the counters' : '';
  const say = (user: NameBytes, what: string): void => {
    differences.push(
      `snapshot ${stored.id}, height ${snapshot.height}, ${printable(user)}${counters}: ${what}`,
    );
  };
  for (const row of snapshot.rows) {
    const other = live.get(row.user);
    live.delete(row.user);
    if (!other) say(row.user, `replay finds a difference of ${row.difference}, the database holds none`);
    else if (other.difference !== row.difference) {
      say(row.user, `difference ${other.difference}, replay finds ${row.difference}`);
    } else if (whole && other.share_count !== row.share_count) {
      say(row.user, `count ${other.share_count}, replay finds ${row.share_count}`);
    }
  }
  for (const [user, row] of live) say(user, `difference ${row.difference}, replay finds none`);
  return differences;
}
