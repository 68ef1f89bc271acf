// What do ckpool's counters tell that the share logs do not, and the other way round? Once for each pass of the
// counters. Order: the user files were read and applied (read-log.ts); the share logs were read to their end after
// that, so that they hold every share that those counters count; only then the two are compared, and what comes
// of it is one commit. A crash before it leaves nothing: the next start compares everybody.
// Work that only the counters tell is counted by them and reported; nothing that was counted is taken back.
import type { AccountingContext, Outcome } from './context.js';
import { compareCounter, newShareCount, type ShareCount } from './core/share-counts.js';
import type { SharePlace } from './core/share-order.js';
import { noWork, splitWork, wholeShares, type Work } from './core/share-work.js';
import type { IncidentRow } from './edges/incident-rows.js';
import { positionOf, type LogState } from './edges/log-state.js';
import { poolStartedAt } from './edges/pool-status.js';
import { filesAfter, lastShareSeconds, type ShareState } from './edges/share-state.js';
import { tallyFiles } from './edges/share-log-search.js';
import { recordShares } from './edges/share-store.js';
import type { LogReader } from './read-log.js';
import type { ShareReader } from './read-shares.js';
import { OutsideFailure } from '../shared/errors.js';
import { shares, type Shares } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';

/** A share is counted within a second of its createdate, however busy ckpool is. */
const skew_seconds = 1;
const pass_period_seconds = 60;
const passes_window_seconds = 300;
const step_tolerance_ms = 500;
/** Passes told apart at once: files of users who left long ago carry old times. */
const passes_max = 8;
/** Two readings of ckpool's start differ by no more than this, in seconds. */
const start_tolerance_seconds = 5;

export interface CountComparer {
  move(): Promise<Outcome>;
  /** What the counters told before that time (on the monotonic clock) is compared. */
  isDoneUntil(at_ms: number): Promise<boolean>;
}

/** What was told of users up to a moment. What is told later waits for the next comparison. */
interface Batch {
  readonly users: ReadonlyMap<NameBytes, { readonly counter_count: Shares; readonly pass: number | null }>;
  /** When the first of it was told, and when all of it had been; both on the monotonic clock. */
  readonly since_ms: number;
  readonly at_ms: number;
}

/** Whole work of the shares behind a user's pass. */
interface Behind {
  readonly sure: Shares;
  readonly possible: Shares;
}

export function createCountComparer(
  context: AccountingContext, reader: LogReader, share_reader: ShareReader,
): CountComparer {
  const { config, clock, database, lease, log, options, share_logs } = context;
  let started_at: number | null = null;
  let batch: Batch | null = null;
  /** At the comparison before this one. */
  let clocks: { readonly wall_ms: number; readonly monotonic_ms: number } | null = null;

  async function move(): Promise<Outcome> {
    const known = await reader.state();
    const state = await share_reader.state();
    if (!state || known.open_reading) return 'idle';
    batch ??= takeBatch(known, state);
    if (!batch || !isReady(batch, state)) return 'idle';
    try {
      return await compare(batch, known, state);
    } catch (failure) {
      share_reader.forget();
      reader.forget(); // With the state everybody is told anew.
      throw failure;
    } finally {
      batch = null;
    }
  }

  function takeBatch(known: LogState, state: ShareState): Batch | null {
    const { told } = known;
    const users = new Map<NameBytes, { counter_count: Shares; pass: number | null }>();
    for (const user of told.everybody ? known.users.values() : []) {
      if (user.ledger_count === (state.counts.get(user.name)?.counter_count ?? 0n)) continue;
      users.set(user.name, { counter_count: user.ledger_count, pass: null });
    }
    for (const [name, pass] of told.users) {
      const user = known.users.get(name);
      if (user) users.set(name, { counter_count: user.ledger_count, pass });
    }
    const since_ms = told.everybody ? -Infinity : (told.since_ms ?? -Infinity);
    told.users.clear();
    told.since_ms = null;
    told.everybody = false;
    return users.size === 0 ? null : { users, since_ms, at_ms: clock.monotonic_ms() };
  }

  /** The share logs were read to their end since: what they do not hold by now they never will. */
  function isReady({ at_ms }: Batch, { source }: ShareState): boolean {
    if (source === 'paused') return true;
    const wait_ms = options.once ? 0 : options.pairing_wait_ms;
    return share_reader.complete_at_ms !== null && share_reader.complete_at_ms >= at_ms + wait_ms;
  }

  async function compare({ users }: Batch, known: LogState, state: ShareState): Promise<Outcome> {
    const restarted = await wasRestarted();
    const after = await sharesBehindPasses(users, state);
    const logs_told = await wereLogsWritten(users, state);
    const position = positionOf(known.cursor);
    const changed: ShareCount[] = [];
    const sums = { gap: 0n, gap_users: 0, dropped: 0n, untold: 0n, untold_users: 0 };
    for (const [name, { counter_count }] of users) {
      const before = state.counts.get(name);
      if (!before && counter_count === 0n) continue;
      const { count, gap, dropped, untold } = compareCounter(
        before ?? newShareCount(name, known.users.get(name)?.id ?? null),
        { counter_count, after: after.get(name) ?? null, logs_told, position },
      );
      if (before && isSame(before, count)) continue;
      changed.push(count);
      sums.gap += gap;
      sums.gap_users += gap > 0n ? 1 : 0;
      sums.dropped += dropped;
      sums.untold += untold;
      sums.untold_users += untold > 0n ? 1 : 0;
    }
    if (changed.length === 0) return 'idle';
    // While share logs are not read on purpose, that they tell nothing is no news.
    const incidents = state.source === 'paused' ? [] : tell(sums, restarted, position);
    const ids = await recordShares(database, lease, state, { files: [], changed, incidents, now_ms: clock.now_ms() });
    for (const count of changed) {
      state.counts.set(count.name, { ...count, user_id: count.user_id ?? ids.get(count.name) ?? null });
    }
    for (const { detail } of incidents) log.warn(detail);
    return 'progress';
  }

  /** Whether ckpool began again since the last comparison; what its counters lose then is no fault. */
  async function wasRestarted(): Promise<boolean> {
    const now = await poolStartedAt(config.log_directory);
    const before = started_at;
    started_at = now ?? before;
    return before === null || (now !== null && Math.abs(now - before) > start_tolerance_seconds);
  }

  /** By user, the work of shares so late that the counter may not hold them yet. */
  async function sharesBehindPasses(users: Batch['users'], state: ShareState): Promise<Map<NameBytes, Behind>> {
    const leading = [...users].filter(([name, { pass }]) =>
      pass !== null && (state.counts.get(name)?.surplus_count ?? 0n) > 0n);
    const newest = Math.max(...leading.map(([, { pass }]) => pass!));
    // The file of who left long ago carries an old time: nothing is read again for him, and nothing forgotten.
    const passes = [...new Set(leading.map(([, { pass }]) => pass!))]
      .filter((pass) => pass >= newest - passes_window_seconds).sort((a, b) => a - b).slice(-passes_max);
    const after = new Map<NameBytes, Behind>();
    const trusted = await areClocksTrusted(newest);
    if (passes.length === 0 || state.source === 'paused') return after;
    // A counter holds every share before its second, and none of the second after it.
    const bounds = [...new Set(passes.flatMap((pass) => [pass - skew_seconds, pass + 1]))].sort((a, b) => a - b);
    const places = bounds.map(placeBefore);
    const files = (await filesAfter(database, places[0]!))
      .map(({ height, workinfoid, offset: until }) => ({ height, workinfoid, until }));
    const tally = await tallyFiles(share_logs, files, places).catch(unlessGone);
    const workFrom = (name: NameBytes, second: number): Work => {
      let sum = noWork;
      for (let bucket = bounds.indexOf(second) + 1; bucket <= bounds.length; bucket++) {
        sum = (sum + (tally!.work(bucket).get(name) ?? noWork)) as Work;
      }
      return sum;
    };
    for (const [name, { pass }] of tally ? leading : []) {
      if (!passes.includes(pass!)) continue;
      const possible = workFrom(name, pass! - skew_seconds);
      // A counter in whole numbers may still have to tell what is left of a fraction.
      const rest = splitWork(possible).fraction > 0n ? 1n : 0n;
      const sure = trusted ? wholeShares(workFrom(name, pass! + 1)) : shares(0n);
      after.set(name, { sure, possible: shares(wholeShares(possible) + rest) });
    }
    return after;
  }

  /**
   * What is later than a pass by ckpool's clock is behind it only if that clock ran on: seen by this machine's own,
   * and by no share being further ahead than passes are apart. Else nothing is sure, and nothing is counted twice.
   */
  async function areClocksTrusted(pass: number): Promise<boolean> {
    const now = { wall_ms: clock.now_ms(), monotonic_ms: clock.monotonic_ms() };
    const before = clocks;
    clocks = now;
    if (!before || now.wall_ms - before.wall_ms < now.monotonic_ms - before.monotonic_ms - step_tolerance_ms) return false;
    const last_seconds = await lastShareSeconds(database, null);
    return last_seconds === null || last_seconds <= pass + pass_period_seconds + start_tolerance_seconds;
  }

  /** Whether ckpool wrote share logs in the minute of these passes: then they decide what is disputed. */
  async function wereLogsWritten(users: Batch['users'], state: ShareState): Promise<boolean> {
    if (state.source !== 'active') return false;
    const passes = [...users.values()].flatMap(({ pass }) => (pass === null ? [] : [pass]));
    const last_seconds = await lastShareSeconds(database, Math.floor(clock.now_ms() / 1000) + 1);
    if (last_seconds === null || passes.length === 0) return false;
    return last_seconds >= passes.reduce((latest, pass) => (pass > latest ? pass : latest)) - pass_period_seconds;
  }

  async function isDoneUntil(at_ms: number): Promise<boolean> {
    const { told } = await reader.state();
    const gathered_ms = told.everybody ? -Infinity : (told.since_ms ?? Infinity);
    return gathered_ms >= at_ms && (batch?.since_ms ?? Infinity) >= at_ms;
  }

  return { move, isDoneUntil };
}

function isSame(a: ShareCount, b: ShareCount): boolean {
  return a.surplus_count === b.surplus_count && a.counter_count === b.counter_count
    && a.fallback_count === b.fallback_count && a.disputed_count === b.disputed_count;
}

/** A share log that was taken away tells nothing any more; what must wait for it is cut-rounds.ts's. */
function unlessGone(failure: unknown): null {
  if (failure instanceof OutsideFailure && failure.code === 'ENOENT') return null;
  throw failure;
}

const placeBefore = (second: number): SharePlace =>
  ({ seconds: second, nanoseconds: 0, height: 0, workinfoid: '', offset: 0 });

interface Sums {
  readonly gap: bigint; readonly gap_users: number;
  readonly dropped: bigint;
  readonly untold: bigint; readonly untold_users: number;
}

function tell(sums: Sums, restarted: boolean, position: IncidentRow['position']): IncidentRow[] {
  const incidents: IncidentRow[] = [];
  const say = (kind: IncidentRow['kind'], occurrences: number, detail: string): void => {
    incidents.push({ kind, position, user: null, occurrences, detail });
  };
  if (sums.gap > 0n) {
    say('share_log_gap', sums.gap_users,
      `${sums.gap} shares of ${sums.gap_users} user(s) stand in no share log (disk full, or ckpool without -L?): `
      + 'counted by ckpool\'s counters, to the minute');
  }
  if (sums.dropped > 0n) {
    say('counters_differ', 1, `a disputed rise of ${sums.dropped} shares is not in the share logs: not counted`);
  }
  if (sums.untold > 1n && !restarted) {
    say('counters_differ', sums.untold_users,
      `the share logs hold ${sums.untold} shares of ${sums.untold_users} user(s) that ckpool's counters, more than a `
      + 'pass later, do not: the share logs count');
  }
  return incidents;
}
