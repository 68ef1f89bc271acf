// Plays a recording again as it happened: log lines, user files and share logs come to a directory at their
// recorded times, time compressed by a factor; the log is renamed and cut where it was. What has one time is
// written in the order ckpool keeps: a pass's user files before its User lines. When it falls behind it
// does not skip: what is due is written at once, still in order. A stop leaves the directory as it was
// at that moment.
import { appendFileSync, copyFileSync, mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { systemClock, type Clock } from '../shared/clock.js';
import { timelineOf, type RecordedEvent } from './live-play/timeline.js';
import type { Recording } from './recordings.js';

/** A line that tells of a block is about to be written. A solve line of no true solve has no hash. */
export type BlockEvent =
  | { kind: 'solved'; height: number; worker: string; hash: string | null }
  | { kind: 'changed'; hash: string };

export interface PlayOptions {
  /** 60: a minute of the recording in a second. Above 0. */
  factor: number;
  /** Ends the play early. */
  signal?: AbortSignal;
  /** Awaited before the line is written, so that a node can learn of the block first. */
  onBlock?: (event: BlockEvent) => void | Promise<void>;
  clock?: Clock;
}

/**
 * Writes into `log_directory`, which is made when absent and should be empty. Resolves when everything is
 * written or the signal aborts.
 * @throws RangeError for a factor that is not above 0; errors of the file system as they are.
 */
export async function playRecording(
  recording: Recording,
  log_directory: string,
  options: PlayOptions,
): Promise<void> {
  const { factor, signal, onBlock, clock = systemClock } = options;
  if (!(factor > 0)) throw new RangeError(`the factor must be above 0, not ${factor}`);
  for (const folder of ['users', 'workers', 'pool']) {
    mkdirSync(join(log_directory, folder), { recursive: true });
  }
  const events = await timelineOf(recording);
  const start_ms = events[0]?.at_ms ?? 0;
  const started_ms = clock.monotonic_ms();
  const hashes = new Map(recording.truth.solves.map((solve) =>
    [`[${solve.time}] Solved and confirmed block ${solve.height} by ${solve.worker}\n`, solve.hash]));
  const elapsed_ms = (): number => (clock.monotonic_ms() - started_ms) * factor;

  for (let next = 0; next < events.length;) {
    if (signal?.aborted) return;
    const event = events[next];
    if (!event) return;
    const wait_ms = (event.at_ms - start_ms - elapsed_ms()) / factor;
    if (wait_ms > 0) await clock.sleep(wait_ms, signal);
    if (signal?.aborted) return;
    const due = dueTogether(events, next, start_ms + elapsed_ms());
    const told = onBlock ? blockEvent(event, hashes) : null;
    if (told) await onBlock?.(told);
    write(log_directory, basename(recording.log_file), due);
    next += due.length;
  }
}

/**
 * Lines of one file that are due by now and follow each other go out in one write, but each block line
 * begins one.
 */
function dueTogether(events: readonly RecordedEvent[], from: number, present_ms: number): RecordedEvent[] {
  const first = events[from];
  if (first?.kind !== 'line') return first ? [first] : [];
  let to = from + 1;
  for (let event = events[to]; event?.kind === 'line'; event = events[to]) {
    if (
      event.file !== first.file
      || event.at_ms > present_ms
      || tells_of_block.test(event.bytes.toString('latin1'))
    ) {
      break;
    }
    to += 1;
  }
  return events.slice(from, to);
}

const tells_of_block = /Solved and confirmed block \d|Block hash changed to /;

function blockEvent(event: RecordedEvent, hashes: ReadonlyMap<string, string>): BlockEvent | null {
  if (event.kind !== 'line') return null;
  const text = event.bytes.toString('latin1');
  const solved = /Solved and confirmed block (\d+) by (.*)\n/.exec(text);
  if (solved) {
    return {
      kind: 'solved',
      height: Number(solved[1]),
      worker: solved[2] ?? '',
      hash: hashes.get(text) ?? null,
    };
  }
  const hash = /Block hash changed to ([0-9a-f]{64})\n/.exec(text)?.[1];
  return hash === undefined ? null : { kind: 'changed', hash };
}

/** Synchronous: thousands of small writes that must keep their order. */
function write(log_directory: string, log_name: string, due: readonly RecordedEvent[]): void {
  const [event] = due;
  if (!event) return;
  switch (event.kind) {
    case 'line': {
      const bytes = Buffer.concat(due.flatMap((line) => (line.kind === 'line' ? [line.bytes] : [])));
      appendFileSync(join(log_directory, event.file), bytes);
      return;
    }
    case 'user-file':
      // Truncates in place and then writes, as ckpool does: a reader may see the file empty.
      writeFileSync(Buffer.from(join(log_directory, 'users', event.user), 'latin1'), event.content);
      return;
    case 'share':
      mkdirSync(join(log_directory, event.file, '..'), { recursive: true });
      appendFileSync(join(log_directory, event.file), event.bytes);
      return;
    case 'rename':
      renameSync(join(log_directory, log_name), join(log_directory, event.to));
      return;
    case 'copytruncate':
      copyFileSync(join(log_directory, log_name), join(log_directory, event.to));
      truncateSync(join(log_directory, log_name), 0);
      return;
  }
}
