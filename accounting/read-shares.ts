// One move along the share logs. Order, and what a crash leaves:
//   1. survey: which share logs hold lines that were not counted (reads only);
//   2. read them, oldest first, at most so many bytes, and sum the accepted work of each user;
//   3. commit: the cursors of those files and the sums, in one transaction.
// A crash before the commit leaves nothing; after it no line is read again. A torn last line waits for its end.
// Single shares are never stored; where work must be cut later, the files are read once more (cut-rounds.ts).
// This module never asks the node anything and never writes to a file.
import { loadHeight, loadShareState, type ReadShareLog, type ShareState } from './edges/share-state.js';
import type { AccountingContext, Outcome } from './context.js';
import { addWork, newShareCount, type ShareCount } from './core/share-counts.js';
import { compareMoments, type ShareMoment } from './core/share-order.js';
import { createShareTally } from './core/share-tally.js';
import type { IncidentRow } from './edges/incident-rows.js';
import { files_max, type ShareLogFile } from './edges/share-log-files.js';
import { recordShares } from './edges/share-store.js';

const bytes_per_move = 64 * 1024 * 1024;
const chunk_bytes = 16 * 1024 * 1024;
const move_ms = 100;
/** So long a rest between two looks, so that shares come in batches; all directories, however old, once an hour. */
const look_period_ms = 100;
const everything_period_ms = 60 * 60 * 1000;
const heights_kept = 256;

export interface ShareReader {
  /** Reads what there is, at most one commit, or says that there is nothing to read. */
  move(): Promise<Outcome>;
  /** All that was written before this time is read (on the monotonic clock); null: not that far yet. */
  readonly complete_at_ms: number | null;
  /** Share logs are being read, as far as is known in memory. */
  readonly is_active: boolean;
  /** How far the share logs of a height were read. */
  readTo(height: number): Promise<ReadonlyMap<string, ReadShareLog>>;
  /** Null: share logs play no part in this database. */
  state(): Promise<ShareState | null>;
  /** What is in memory is forgotten: the next move reads it from the database again. */
  forget(): void;
}

export function createShareReader(context: AccountingContext): ShareReader {
  const { clock, database, lease, log, share_logs } = context;
  const tally = createShareTally();
  /** Undefined: to be read from the database. That share logs play no part is remembered as well. */
  let memory: ShareState | null | undefined;
  let heights = new Map<number, Map<string, ReadShareLog>>();
  /** Share logs that end in a torn line, and their size then: not read again before they grow. */
  const torn = new Map<string, number>();
  let complete_at_ms: number | null = null;
  /** What the last survey found and is not read yet: a page is finished before the next is asked for. */
  let page: ShareLogFile[] = [];
  let is_last_page = true;
  let looked_at_ms: number | null = null;
  let look_began_ms: number | null = null;
  let everything_at_ms: number | null = null;

  async function state(): Promise<ShareState | null> {
    if (memory === undefined) memory = await loadShareState(database);
    return memory;
  }

  async function readTo(height: number): Promise<Map<string, ReadShareLog>> {
    const known = heights.get(height);
    if (known) return known;
    const loaded = await loadHeight(database, height);
    heights.set(height, loaded);
    if (heights.size > heights_kept) heights.delete(Math.min(...heights.keys()));
    return loaded;
  }

  async function move(): Promise<Outcome> {
    const known = await state();
    if (known?.source !== 'active') return 'idle';
    const began_ms = clock.monotonic_ms();
    // A look that is begun is finished first, page by page.
    const rested = look_began_ms !== null || looked_at_ms === null || began_ms - looked_at_ms >= look_period_ms;
    if (!rested && complete_at_ms !== null) return 'idle';
    looked_at_ms = began_ms;
    const everything = everything_at_ms === null || began_ms - everything_at_ms >= everything_period_ms;
    // A look may take several pages: what it finds is as of its first.
    look_began_ms ??= began_ms;
    if (page.length === 0) {
      const found = await share_logs.survey(offsetsOf, everything);
      for (const complaint of share_logs.complaints()) log.warn(complaint);
      page = found.filter((file) => torn.get(keyOf(file)) !== file.size);
      is_last_page = found.length < files_max;
    }
    if (page.length === 0) {
      if (everything) everything_at_ms = began_ms;
      if (!is_last_page) return 'progress';
      endLook();
      return 'idle';
    }
    const outcome = await readSome(known);
    // Shares may come without end: what was there when the look began is what counts.
    if (page.length === 0 && is_last_page) endLook();
    return outcome;
  }

  function endLook(): void {
    complete_at_ms = look_began_ms;
    look_began_ms = null;
  }

  const offsetsOf = async (height: number): Promise<ReadonlyMap<string, number>> =>
    new Map([...(await readTo(height))].map(([workinfoid, { offset }]) => [workinfoid, offset]));

  async function readSome(known: ShareState): Promise<Outcome> {
    const began_ms = clock.monotonic_ms();
    const files: ReadShareLog[] = [];
    const incidents: IncidentRow[] = [];
    let bytes_left = bytes_per_move;
    const left: ShareLogFile[] = [];
    tally.clear();
    for (const file of page) {
      if (bytes_left <= 0 || (files.length > 0 && clock.monotonic_ms() - began_ms > move_ms)) {
        left.push(file);
        continue;
      }
      const before = (await readTo(file.height)).get(file.workinfoid) ?? unread(file);
      const read = await readFile(file, before, bytes_left, incidents);
      bytes_left -= read.offset - before.offset;
      if (read.offset > before.offset) files.push(read);
      if (read.offset < file.size && !torn.has(keyOf(file))) left.push(file);
    }
    page = left;
    if (files.length === 0) return 'progress'; // All of them end in a torn line: the next look passes them over.
    const changed = countWork(known);
    try {
      const ids = await recordShares(database, lease, known, { files, changed, incidents, now_ms: clock.now_ms() });
      for (const count of changed) {
        known.counts.set(count.name, { ...count, user_id: count.user_id ?? ids.get(count.name) ?? null });
      }
      for (const file of files) (await readTo(file.height)).set(file.workinfoid, file);
    } catch (failure) {
      forget(); // The commit may have happened: look at what is there.
      throw failure;
    }
    return 'progress';
  }

  /** As far as its whole lines go. */
  async function readFile(
    file: ShareLogFile, before: ReadShareLog, bytes_max: number, incidents: IncidentRow[],
  ): Promise<ReadShareLog> {
    let read = before;
    torn.delete(keyOf(file));
    let faults = 0;
    let first_fault: string | null = null;
    const end = Math.min(file.size, before.offset + bytes_max);
    while (read.offset < end) {
      const bytes = await share_logs.read(file, read.offset, chunk_bytes);
      const taken = tally.take(bytes, file, read.offset);
      faults += taken.fault_count;
      first_fault ??= taken.faults[0] ? `byte ${taken.faults[0].offset}: ${taken.faults[0].fault}` : null;
      // A line longer than a whole chunk is no line of ckpool's: what of it is at its end is recovered.
      const passed = taken.consumed === 0 && bytes.length >= chunk_bytes ? bytes.length : taken.consumed;
      if (passed === 0) {
        torn.set(keyOf(file), file.size);
        break;
      }
      read = {
        ...read, offset: read.offset + passed,
        first: earlier(read.first, taken.first), last: later(read.last, taken.last),
      };
    }
    if (first_fault !== null) {
      incidents.push({
        kind: 'share_log_torn', position: null, user: null, occurrences: faults,
        detail: `${file.path}, ${first_fault}; what is whole in it is counted, ckpool's counters tell the rest`,
      });
    }
    return read;
  }

  function countWork(known: ShareState): ShareCount[] {
    return [...tally.work(0)].map(([name, work]) =>
      addWork(known.counts.get(name) ?? newShareCount(name, null), work));
  }

  function forget(): void {
    memory = undefined;
    heights = new Map();
    complete_at_ms = null;
    look_began_ms = null;
    page = [];
  }

  return {
    move, readTo, state, forget,
    get complete_at_ms() { return complete_at_ms; },
    get is_active() { return memory?.source === 'active'; },
  };
}

const keyOf = ({ height, workinfoid }: { height: number; workinfoid: string }): string => `${height}/${workinfoid}`;

const unread = ({ height, workinfoid }: ShareLogFile): ReadShareLog =>
  ({ height, workinfoid, offset: 0, first: null, last: null });

export const earlier = (a: ShareMoment | null, b: ShareMoment | null): ShareMoment | null =>
  (a === null || (b !== null && compareMoments(b, a) < 0) ? b ?? a : a);
export const later = (a: ShareMoment | null, b: ShareMoment | null): ShareMoment | null =>
  (a === null || (b !== null && compareMoments(b, a) > 0) ? b ?? a : a);
