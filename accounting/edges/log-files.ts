// ckpool's log as one stream of bytes, over all rotations. Reads only: the log is ckpool's, and it is the
// operator's evidence. `survey` says which files hold bytes that the cursors have not accounted for, in
// order, and where the last whole line of each ends; `read` gives the bytes. Which files these are is
// decided in core/log-files.ts; where reading has got to is the caller's, in the database. So a crash
// anywhere here loses nothing, and nothing here is remembered that a restart would miss.
//
// A file is read through a descriptor, and its head is compared again after each read: bytes of another
// file, renamed or truncated into its place in between, are never taken for its own.
import type { Clock } from '../../shared/clock.js';
import { OutsideFailure } from '../../shared/errors.js';
import {
  fingerprintOf, fingerprint_bytes_max, isCutInPlace, isSettled, planReading,
  type LogFile, type PlannedFile, type ReadingPlan, type StoredCursor,
} from '../core/log-files.js';
import { codeOf, filesFailure } from './log-failure.js';
import { measureGzip, openGzip, type GzipReader } from './log-gzip.js';
import { createObserver, type Observation } from './log-observe.js';
import { lastLineEnd, nextLineStart, readNow, wholeLines } from './log-plain.js';

export type { StoredCursor } from '../core/log-files.js';

export interface LogPart {
  path: string;
  compressed: boolean;
  device: string;
  inode: string;
  /** Where reading starts, in the (decompressed) file. */
  from: bigint;
  /** The offset after the last whole line that is there now. */
  end: bigint;
  /** Of the (decompressed) content. */
  size: bigint;
  /** It will not grow any more. */
  settled: boolean;
  /** The log of the last cursor goes on here: keep its sequence. Otherwise a new sequence begins. */
  continues: boolean;
  /** To be stored with the cursor whenever it moves. */
  fingerprint_length: number;
  fingerprint: string;
}

export interface LogSurvey {
  /** In reading order. Parts after one that may still grow are not listed: drain it first. */
  parts: LogPart[];
  /** What was lost between the last cursor and the first part: a sentence. */
  gap: string | null;
  /** There is no log to read yet: a sentence. */
  missing: string | null;
  /** Bytes are there that may not be read before an older file is finished: a sentence. */
  behind: string | null;
}

export interface LogFiles {
  /** @throws OutsideFailure 'files' */
  survey(cursors: readonly StoredCursor[]): Promise<LogSurvey>;
  /**
   * Whole lines from that offset on, at most `bytes_max` bytes and never beyond the part's end. Without any
   * newline when a single line is longer than that: then `skipLine`. The buffer is used again by the next read.
   * @throws OutsideFailure 'files', kind retry, when the file was rotated or cut since the survey
   */
  read(part: LogPart, from: bigint, bytes_max: number): Promise<Buffer>;
  /** The offset after the next newline. Holds no more than a block of the line. */
  skipLine(part: LogPart, from: bigint): Promise<bigint>;
  close(): Promise<void>;
}

const keyOf = (file: { device: string; inode: string }): string => `${file.device}:${file.inode}`;

interface Measure {
  size: bigint;
  end: bigint;
}

export function openLogFiles(options: {
  log_file: string;
  /** How long a renamed file must have been still: ckpool keeps it open for up to 60 s. */
  quiet_ms: number;
  /** Reads what is there and waits for nothing: one newer line settles an older file. */
  once: boolean;
  clock: Clock;
}): LogFiles {
  const { once } = options;
  const observer = createObserver(options);
  const inflated = new Map<string, Measure | null>();
  const ends = new Map<string, Measure & { head: Uint8Array }>();
  const reported = new Set<string>();
  let gzip: { key: string; reader: GzipReader } | null = null;
  /** As long as the longest read so far: a new one for each would be let go of much later. */
  let buffer = Buffer.alloc(0);

  async function survey(cursors: readonly StoredCursor[]): Promise<LogSurvey> {
    let observation = await observer.observe();
    let plan = planReading(observation.files, cursors);
    if (plan.gap !== null) {
      // Nothing is called lost on one look: it may have been renamed between listing and opening.
      observation = await observer.observe();
      plan = planReading(observation.files, cursors);
    }
    refuseUnreadable(observation, cursors, plan.files);
    const gaps = [plan.gap];
    const last = cursors.reduce<StoredCursor | null>((a, b) => (a && a.sequence > b.sequence ? a : b), null);
    const cut = isCutInPlace(last, observation.live);
    const parts: LogPart[] = [];
    let waiting: string | null = null;
    let behind: string | null = null;
    for (const [index, planned] of plan.files.entries()) {
      const { file } = planned;
      const measured = await measure(planned);
      if (measured === null) {
        waiting = `${file.path} ends early: it is still being compressed, or it is torn.`;
        if (!once && !file.quiet) {
          behind = waiting;
          break;
        }
        gaps.push(`${waiting} What it held is lost to the log.`);
        continue;
      }
      const part = partOf(planned, measured, isSettled(plan.files, index, observation.live, once, cut));
      parts.push(part);
      if (part.settled) continue;
      const next = plan.files[index + 1];
      if (next) behind = `${next.file.path} is read when ${file.path} has been still for a minute.`;
      break;
    }
    if (parts.length > 0) gaps.push(...plan.grown.map(grownOnce));
    if (!parts.some((part) => keyOf(part) === gzip?.key)) await closeGzip();
    await observer.keepOnly(parts);
    const gap = gaps.filter((sentence) => sentence !== null).join(' ');
    const missing = parts.length > 0 ? null : waiting ?? observation.missing;
    return { parts, gap: gap === '' ? null : gap, missing, behind };
  }

  /** A file that may not be read stops us only when what we look for may be in it. */
  function refuseUnreadable(
    { unreadable }: Observation, cursors: readonly StoredCursor[], planned: readonly PlannedFile[],
  ): void {
    const [failure] = unreadable;
    if (failure && (cursors.length === 0 || !planned[0]?.continues)) throw failure;
  }

  function grownOnce({ path, size, file_offset }: ReadingPlan['grown'][number]): string | null {
    const key = `${path}:${size}`;
    if (reported.has(key)) return null;
    reported.add(key);
    return `${path} grew after it had been read to its end (${file_offset} bytes, now ${size}): `
      + 'these lines are not read.';
  }

  async function measure({ file, from }: PlannedFile): Promise<Measure | null> {
    return file.compressed ? measureCompressed(file) : measurePlain(file, from === 'end' ? 0n : from);
  }

  async function measureCompressed(file: LogFile): Promise<Measure | null> {
    const key = `${file.device}:${file.inode}:${file.size}:${file.mtime_ms}`;
    if (!inflated.has(key)) inflated.set(key, await guarded(file.path, async () =>
      measureGzip(await observer.handleOf(file))));
    return inflated.get(key) ?? null;
  }

  /** Only what was added since the last look is searched: a long line without end costs nothing twice. */
  async function measurePlain(file: LogFile, from: bigint): Promise<Measure> {
    const key = keyOf(file);
    const known = ends.get(key);
    const valid = known && known.size <= file.size && known.end >= from
      && Buffer.compare(known.head, file.head.subarray(0, known.head.length)) === 0;
    const end = await guarded(file.path, async () =>
      lastLineEnd(await observer.handleOf(file), valid ? known.size : from, file.size));
    const measured = { size: file.size, end: end ?? (valid ? known.end : from) };
    ends.set(key, { ...measured, head: file.head });
    return measured;
  }

  function partOf({ file, from, continues }: PlannedFile, { size, end }: Measure, settled: boolean): LogPart {
    const start = from === 'end' || from > end ? end : from;
    const length = Math.min(fingerprint_bytes_max, file.head.length, Number(end));
    return {
      path: file.path, compressed: file.compressed, device: file.device, inode: file.inode,
      from: start, end, size, settled, continues,
      fingerprint_length: length, fingerprint: fingerprintOf(file.head, length),
    };
  }

  async function read(part: LogPart, from: bigint, bytes_max: number): Promise<Buffer> {
    const left = part.end - from;
    if (left <= 0n) return Buffer.alloc(0);
    const length = left < BigInt(bytes_max) ? Number(left) : bytes_max;
    return guarded(part.path, async () => {
      if (part.compressed) return (await gzipOf(part)).read(from, length);
      const handle = await observer.handleOf(part);
      if (buffer.length < length) buffer = Buffer.allocUnsafeSlow(length);
      const bytes = readNow(handle, from, length, buffer);
      const head = readNow(handle, 0n, part.fingerprint_length);
      if (bytes.length < length || fingerprintOf(head, head.length) !== part.fingerprint) {
        throw new OutsideFailure('retry', 'files',
          `${part.path} was cut while it was being read: it is looked at again.`);
      }
      return wholeLines(bytes);
    });
  }

  async function skipLine(part: LogPart, from: bigint): Promise<bigint> {
    return guarded(part.path, async () => {
      if (part.compressed) return (await gzipOf(part)).skipLine(from);
      return nextLineStart(await observer.handleOf(part), from, part.end);
    });
  }

  async function gzipOf(part: LogPart): Promise<GzipReader> {
    if (gzip?.key !== keyOf(part)) {
      await closeGzip();
      gzip = { key: keyOf(part), reader: openGzip(await observer.handleOf(part)) };
    }
    return gzip.reader;
  }

  async function closeGzip(): Promise<void> {
    await gzip?.reader.close();
    gzip = null;
  }

  async function close(): Promise<void> {
    await closeGzip();
    await observer.keepOnly([]);
  }

  return { survey, read, skipLine, close };
}

/** A file that is gone or torn by now was rotated since the survey: the next survey sees it as it is. */
async function guarded<T>(path: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof OutsideFailure) throw error;
    if (codeOf(error) !== 'ENOENT' && !codeOf(error).startsWith('Z_')) {
      throw filesFailure(error, path, 'logfile');
    }
    throw new OutsideFailure('retry', 'files',
      `${path} was rotated while it was being read: it is looked at again.`,
      codeOf(error), { cause: error });
  }
}
