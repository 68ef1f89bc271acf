// Which source counts work: whether share logs are read, and where their reading begins. Decided here and
// nowhere else; every change is an incident, so that it is seen.
//
// A database that has counted nothing yet begins with the first share. One that has counted by ckpool's counters
// begins at a boundary, now: what the counters have told is theirs, shares after the latest pass are the share
// logs'. Order: the user files are read; share logs last written before that pass are passed over (commits that
// mean nothing until the last one); those written since are read; one commit then writes the source, the counts
// and the cursors together. A crash before it leaves the source as it was, and the next start does it all again.
// Once share logs were read, block lines are decided with their blocks for good: with `counters` the reading
// only pauses, and everything is what the counters tell.
import path from 'node:path';
import type { AccountingContext, Outcome } from './context.js';
import { compareCounter, addWork, newShareCount, type ShareCount } from './core/share-counts.js';
import { parseShareLine } from './core/share-line.js';
import type { UserCount } from './core/stretch.js';
import type { IncidentRow } from './edges/incident-rows.js';
import { positionOf, type LogState } from './edges/log-state.js';
import { files_max, type ShareLogFile } from './edges/share-log-files.js';
import type { ReadShareLog, ShareState } from './edges/share-state.js';
import { recordSource, skipFiles } from './edges/share-store.js';
import { readAllUsers } from './edges/users-directory.js';
import type { LogReader } from './read-log.js';
import { earlier, later, type ShareReader } from './read-shares.js';
import { shares } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';

const chunk_bytes = 16 * 1024 * 1024;
/** Files of one pass are no further apart than this, and share logs older than that are wholly counted. */
const pass_tolerance_seconds = 120;

export interface ShareSource {
  /** Turns to the source that the configuration asks for. To be called before the log is read. */
  move(): Promise<Outcome>;
}

export function createShareSource(
  context: AccountingContext, reader: LogReader, share_reader: ShareReader,
): ShareSource {
  const { config, clock, database, lease, log, share_logs } = context;

  async function move(): Promise<Outcome> {
    const state = await share_reader.state();
    const wanted = config.share_source !== 'counters';
    if (state?.source === 'active') return wanted ? 'idle' : pause(state);
    if (!wanted) return 'idle';
    if (state === null && config.share_source === 'auto' && !share_logs.present()) return 'idle';
    const log_state = await reader.state();
    const counted = [...log_state.users.values()].some((user) => user.ledger_count > 0n);
    if (state === null && !counted) return begin(null, null, [], [], 'share logs are read from their beginning');
    // What was logged until now is decided as before: the boundary is behind it.
    return reader.complete_at_ms === null ? 'idle' : beginAtBoundary(state, log_state);
  }

  async function pause(state: ShareState): Promise<Outcome> {
    return turn(state, 'paused', state.boundary_seconds, [], [],
      'share logs are not read any more (share_source is "counters")');
  }

  const begin = (
    state: ShareState | null, boundary_seconds: number | null, files: readonly ReadShareLog[],
    changed: readonly ShareCount[], detail: string,
  ): Promise<Outcome> => turn(state, 'active', boundary_seconds, files, changed, detail);

  async function turn(
    state: ShareState | null, source: 'active' | 'paused', boundary_seconds: number | null,
    files: readonly ReadShareLog[], changed: readonly ShareCount[], detail: string,
  ): Promise<Outcome> {
    const incident: IncidentRow = { kind: 'share_source', position: null, user: null, occurrences: 1, detail };
    try {
      await recordSource(database, lease, state, source, boundary_seconds, {
        files, changed, incidents: [incident], now_ms: clock.now_ms(),
      });
    } finally {
      share_reader.forget();
      reader.forget();
    }
    log.info(detail);
    return 'progress';
  }

  async function beginAtBoundary(state: ShareState | null, known: LogState): Promise<Outcome> {
    const passes = await lastPasses(known);
    const counts = new Map(state?.counts ?? []);
    for (const user of passes.counted) counts.set(user.name, atBoundary(state, user, known));
    const files: ReadShareLog[] = [];
    const seen = new Map<string, ReadShareLog>();
    const read_to = async (height: number): Promise<Map<string, number>> => {
      const stored = new Map([...(await share_reader.readTo(height))].map(([id, { offset }]) => [id, offset]));
      for (const file of seen.values()) if (file.height === height) stored.set(file.workinfoid, file.offset);
      return stored;
    };
    // Each file once, as far as it goes now: what is written meanwhile is the ordinary reader's.
    for (let pages_without_new = 0; pages_without_new < 2;) {
      const found = await share_logs.survey(read_to, true);
      const fresh = found.filter((file) => !seen.has(`${file.height}/${file.workinfoid}`));
      pages_without_new = fresh.length === 0 ? pages_without_new + (found.length < files_max ? 2 : 1) : 0;
      const passed: ReadShareLog[] = [];
      for (const file of fresh) {
        const key = `${file.height}/${file.workinfoid}`;
        const young = file.changed_ms >= passes.earliest_seconds * 1000;
        if (!young) passed.push({ ...(await knownOf(file)), offset: file.size });
        seen.set(key, young ? await countFrom(file, passes, counts) : passed.at(-1)!);
        if (young) files.push(seen.get(key)!);
      }
      await skipFiles(database, lease, passed);
    }
    share_reader.forget();
    return begin(state, passes.latest_seconds, files, [...counts.values()],
      'share logs are read from here on: what ckpool\'s counters told before is counted by them');
  }

  const knownOf = async (file: ShareLogFile): Promise<ReadShareLog> =>
    (await share_reader.readTo(file.height)).get(file.workinfoid)
    ?? { height: file.height, workinfoid: file.workinfoid, offset: 0, first: null, last: null };

  interface Passes {
    /** Users with the rise that their files tell beyond what was counted. */
    readonly counted: readonly UserCount[];
    /** From this second on a user's shares are not in his counter. */
    readonly from_seconds: ReadonlyMap<NameBytes, number>;
    readonly earliest_seconds: number;
    readonly latest_seconds: number;
  }

  async function lastPasses(known: LogState): Promise<Passes> {
    const readings = await readAllUsers(path.join(config.log_directory, 'users'), clock);
    const from_seconds = new Map<NameBytes, number>();
    for (const [name, reading] of readings) {
      if ('counter' in reading && reading.updated_seconds !== undefined) from_seconds.set(name, reading.updated_seconds + 1);
    }
    const counted = [...known.users.values()].map((user) => {
      const reading = readings.get(user.name);
      const counter = reading && 'counter' in reading && reading.counter > user.counter ? reading.counter : user.counter;
      return { ...user, ledger_count: shares(user.ledger_count + counter - user.counter) };
    });
    const now_seconds = Math.floor(clock.now_ms() / 1000);
    const latest_seconds = [...from_seconds.values()].reduce((latest, time) => (time > latest ? time : latest), 0) || now_seconds;
    const earliest_seconds = latest_seconds - pass_tolerance_seconds;
    // Who left long ago has a file of long ago; what he does now begins behind the latest pass.
    for (const [name, from] of from_seconds) if (from < earliest_seconds) from_seconds.set(name, latest_seconds);
    return { counted, from_seconds, earliest_seconds, latest_seconds };
  }

  async function countFrom(
    file: ShareLogFile, passes: Passes, counts: Map<NameBytes, ShareCount>,
  ): Promise<ReadShareLog> {
    let read = await knownOf(file);
    while (read.offset < file.size) {
      const bytes = await share_logs.read(file, read.offset, chunk_bytes);
      const end = bytes.lastIndexOf(0x0a) + 1;
      if (end === 0) break;
      for (let at = 0; at < end;) {
        const next = bytes.indexOf(0x0a, at) + 1;
        const share = parseShareLine(bytes.subarray(at, next - 1));
        at = next;
        if ('fault' in share) continue;
        read = { ...read, first: earlier(read.first, share.created), last: later(read.last, share.created) };
        const from = passes.from_seconds.get(share.user) ?? (counts.has(share.user) ? passes.latest_seconds : 0);
        if (!share.accepted || share.created.seconds < from) continue;
        counts.set(share.user, addWork(counts.get(share.user) ?? newShareCount(share.user, null), share.work));
      }
      read = { ...read, offset: read.offset + end };
    }
    return read;
  }

  return { move };
}

/** What the counters told up to now is counted; from here on a rise is new. */
function atBoundary(state: ShareState | null, user: UserCount, known: LogState): ShareCount {
  const before = state?.counts.get(user.name)
    ?? { ...newShareCount(user.name, user.id), snapshot_count: user.snapshot_count, counter_count: user.snapshot_count,
      disputed_count: user.disputed_count };
  return compareCounter(before, {
    counter_count: user.ledger_count, after: null, logs_told: false, position: positionOf(known.cursor),
  }).count;
}
