// Everything that was written while a recording ran, in the order in which it was written.
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readLogFiles, stampOf, stampTime, type RecordedLogFile } from '../recorded-log.js';
import type { Recording } from '../recordings.js';

export type RecordedEvent = { at_ms: number } & (
  | { kind: 'user-file'; user: string; content: Buffer }
  | { kind: 'rename'; to: string }
  | { kind: 'copytruncate'; to: string }
  /** `file` is the name that the log has at that moment. */
  | { kind: 'line'; file: string; bytes: Buffer }
  | { kind: 'share'; file: string; bytes: Buffer }
);

/** What was done to the log of `busy` (events.txt). Lines went on into the renamed file for 40 s. */
const renamed_at_ms = stampTime('2026-11-20 09:26:41.800');
/** The log was copied and cut at 09:32:01.375, this long after the last line before. */
const cut_after_ms = 50;
/** At one time: files before the log, the log before the share log (a share is logged after its lines). */
const order_at_one_time: Record<RecordedEvent['kind'], number> =
  { 'user-file': 0, rename: 1, copytruncate: 1, line: 1, share: 2 };

export async function timelineOf(recording: Recording): Promise<RecordedEvent[]> {
  const files = await readLogFiles(recording.log_file);
  const events = [
    ...logEvents(files, basename(recording.log_file)),
    // Stamps are cut to milliseconds, so the files' times are too: else a pass's lines would seem to
    // come first.
    ...recording.users_history.map(({ written_at_ms, user, content }): RecordedEvent =>
      ({ at_ms: Math.floor(written_at_ms + 0.01), kind: 'user-file', user, content })),
    ...await shareEvents(recording.log_directory),
  ];
  // The sort is stable: lines of one millisecond stay in the order of the log.
  return events.sort(
    (one, other) =>
      one.at_ms - other.at_ms || order_at_one_time[one.kind] - order_at_one_time[other.kind],
  );
}

/**
 * The oldest file was renamed while lines still went into it, the next was copied and cut, the last was left.
 * Recordings with one file have no rotation.
 */
function logEvents(files: readonly RecordedLogFile[], log_name: string): RecordedEvent[] {
  const events: RecordedEvent[] = [];
  let at_ms = 0;
  for (const [index, file] of files.entries()) {
    const is_renamed = index === 0 && files.length > 1;
    let name = log_name;
    for (const { text, stamp_ms } of timedLines(file)) {
      at_ms = Math.max(at_ms, stamp_ms);
      if (is_renamed && name === log_name && at_ms > renamed_at_ms) {
        name = file.name;
        events.push({ at_ms: renamed_at_ms, kind: 'rename', to: file.name });
      }
      events.push({ at_ms, kind: 'line', file: name, bytes: Buffer.from(text, 'latin1') });
    }
    if (index > 0 && index < files.length - 1) {
      events.push({ at_ms: at_ms + cut_after_ms, kind: 'copytruncate', to: file.name });
    }
  }
  return events;
}

/** A stamp after which nothing follows is believed if it is not later than this. */
const quiet_ms_max = 60_000;

/** A stamp counts when it lies between its neighbours': a forger's own stamps do not turn the clock. */
function timedLines(file: RecordedLogFile): { text: string; stamp_ms: number }[] {
  const whole = file.lines.slice(0, -1);
  const rest = file.lines.at(-1) ?? '';
  const texts = [...whole.map((line) => `${line}\n`), ...(rest === '' ? [] : [rest])];
  const stamps = texts.map(stampOf);
  let present_ms = stamps.find((stamp) => stamp !== null) ?? 0;
  return texts.map((text, index) => {
    const stamp = stamps[index] ?? null;
    const following =
      stamps.slice(index + 1, index + 40).find((later) => later !== null && later >= present_ms)
      ?? present_ms + quiet_ms_max;
    if (stamp !== null && stamp >= present_ms && stamp <= following + 1) present_ms = stamp;
    return { text, stamp_ms: present_ms };
  });
}

async function shareEvents(log_directory: string): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  const files = await readdir(log_directory, { recursive: true });
  for (const file of files.filter((name) => name.endsWith('.sharelog')).sort()) {
    const text = await readFile(join(log_directory, file), 'latin1');
    let at_ms = 0;
    for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
      at_ms = Math.max(at_ms, createdAt(line) ?? 0);
      events.push({ at_ms, kind: 'share', file, bytes: Buffer.from(line, 'latin1') });
    }
  }
  return events;
}

/** "1795166709,74462045": seconds and nanoseconds that are not padded. */
function createdAt(line: string): number | null {
  const [, seconds, nanoseconds] = /"createdate": "(\d+),(\d+)"/.exec(line) ?? [];
  return seconds === undefined ? null : Number(seconds) * 1000 + Math.floor(Number(nanoseconds) / 1_000_000);
}
