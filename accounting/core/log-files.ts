// Which files make up ckpool's log, and in what order they are to be read. Pure: the edge looks at the
// directory, this decides. ckpool's log may be renamed, copied and truncated, compressed or deleted between
// two looks, or while nobody looks; a file is known again by device, inode and the hash of its first bytes.
//
// Files with the same beginning are one log (a copy of it), read once. Stamps order whole files and nothing
// else; the file at the configured path is always the newest.
import { createHash } from 'node:crypto';
import { newline, stamp_bytes } from './log-stamp.js';

/** At most this many bytes at the head of a file make its fingerprint. */
export const fingerprint_bytes_max = 1024;
/** A shorter beginning than a stamp and its newline proves nothing about another file. */
const telling_bytes_min = stamp_bytes + 1;

/** A row of `log_cursors`. */
export interface StoredCursor {
  sequence: number;
  path: string;
  device: string;
  inode: string;
  log_start: bigint;
  file_offset: bigint;
  fingerprint_length: number;
  fingerprint: string;
  state: 'current' | 'finished';
}

/** A file as it was found in the directory. */
export interface LogFile {
  path: string;
  /** The file at the configured path: the one that ckpool opens. */
  live: boolean;
  compressed: boolean;
  device: string;
  inode: string;
  /** Bytes on disk. */
  size: bigint;
  mtime_ms: number;
  /** Unchanged for longer than ckpool keeps an old file open. */
  quiet: boolean;
  /** The first bytes, decompressed, at most `fingerprint_bytes_max`. */
  head: Uint8Array;
  /** Without brackets; null when none was found near the start. */
  first_stamp: string | null;
  has_whole_line: boolean;
}

export interface PlannedFile {
  file: LogFile;
  /** Where reading starts; 'end' for a log that lost its tail after we had read it. */
  from: bigint | 'end';
  /** The log of the last cursor goes on here. */
  continues: boolean;
}

export interface ReadingPlan {
  files: PlannedFile[];
  /** What was lost between the last cursor and the first file here: a sentence. */
  gap: string | null;
  /** Files that grew after they had been finished. */
  grown: { path: string; size: bigint; file_offset: bigint }[];
}

/** sha256 over the first `length` bytes, as hex. */
export function fingerprintOf(head: Uint8Array, length: number): string {
  return createHash('sha256').update(head.subarray(0, length)).digest('hex');
}

/** What is to be read, in order, after what the cursors say was read. */
export function planReading(files: readonly LogFile[], cursors: readonly StoredCursor[]): ReadingPlan {
  const logs = orderLogs(files);
  const unread = (log: readonly LogFile[]): boolean =>
    log.some((file) => file.has_whole_line)
    && !log.some((file) => cursors.some((cursor) => isTellingly(cursor, file)));
  const fresh = (candidates: LogFile[][]): PlannedFile[] =>
    candidates.filter(unread).map((log) => ({ file: fullest(log), from: 0n, continues: false }));
  const grown = grownFiles(files, cursors);

  const last = cursors.reduce<StoredCursor | null>((a, b) => (a && a.sequence > b.sequence ? a : b), null);
  if (last === null) return { files: fresh(logs), gap: null, grown };
  const index = logs.findIndex((log) => log.some((file) => isFileOf(last, file)));
  const rest = fresh(index < 0 ? logs : logs.slice(index + 1));
  if (last.state === 'finished') return { files: rest, gap: null, grown };
  const same = (logs[index] ?? []).filter((file) => isFileOf(last, file));
  const whole = same.filter((file) => file.compressed || file.size >= last.file_offset);
  if (whole.length > 0) {
    const file =
      whole.find((one) => one.live) ?? whole.find((one) => isIdentical(last, one)) ?? fullest(whole);
    return { files: [{ file, from: last.file_offset, continues: true }, ...rest], gap: null, grown };
  }
  const shortened = same.find((file) => file.live);
  if (shortened) {
    const gap =
      `${last.path} is shorter than what was read of it (${shortened.size} of ${last.file_offset} bytes): `
      + 'lines written since may be lost, and blocks of that time are found in the chain.';
    return { files: [{ file: shortened, from: 'end', continues: false }], gap, grown };
  }
  const gap =
    `${last.path} was cut or removed after its byte ${last.file_offset}, and no whole copy of it is `
    + 'beside it: lines written after that are lost, and their blocks are found in the chain.';
  return { files: rest, gap, grown };
}

/**
 * Whether a planned file will not grow any more. ckpool re-opens its log by name once a minute, so a renamed
 * file still receives lines until a newer one does.
 * @param cut_in_place the cursor's own file was truncated where it stands: the copy beside it is complete
 */
export function isSettled(
  plan: readonly PlannedFile[], index: number, live: LogFile | null, once: boolean, cut_in_place: boolean,
): boolean {
  const { file, continues } = plan[index]!;
  if (file.live) return false;
  if (file.compressed || (continues && cut_in_place)) return true;
  const newer = plan.length - index - 1;
  if (newer >= (once ? 1 : 2)) return true;
  return file.quiet && (newer > 0 || live !== null);
}

/** Whether the path of the cursor's file now holds another log in the same file. */
export function isCutInPlace(cursor: StoredCursor | null, live: LogFile | null): boolean {
  return cursor !== null && live !== null && isIdentical(cursor, live) && !isFileOf(cursor, live);
}

/** Files grouped into logs, oldest first; in a group are the copies of one log. */
function orderLogs(files: readonly LogFile[]): LogFile[][] {
  const logs: LogFile[][] = [];
  for (const file of files) {
    const log = logs.find((others) => others.some((other) => isSameLog(other, file)));
    if (log) log.push(file);
    else logs.push([file]);
  }
  const key = (log: LogFile[]) => {
    const file = fullest(log);
    return { live: log.some((one) => one.live), stamp: file.first_stamp, mtime_ms: file.mtime_ms };
  };
  return logs.map((log) => ({ log, key: key(log) })).sort((a, b) => {
    if (a.key.live !== b.key.live) return a.key.live ? 1 : -1;
    const [stamp, other] = [a.key.stamp, b.key.stamp];
    if (stamp !== null && other !== null && stamp !== other) return stamp < other ? -1 : 1;
    return a.key.mtime_ms - b.key.mtime_ms;
  }).map(({ log }) => log);
}

function isSameLog(a: LogFile, b: LogFile): boolean {
  if (a.device === b.device && a.inode === b.inode) return true;
  const length = Math.min(a.head.length, b.head.length);
  if (length < telling_bytes_min) return false;
  const beginning = a.head.subarray(0, length);
  return beginning.includes(newline) && Buffer.compare(beginning, b.head.subarray(0, length)) === 0;
}

/** Of copies: the live file, else the longest plain one, else the longest compressed one. */
function fullest(log: readonly LogFile[]): LogFile {
  const rank = (file: LogFile): number => (file.live ? 2 : file.compressed ? 0 : 1);
  return log.reduce((a, b) => {
    if (rank(a) !== rank(b)) return rank(a) > rank(b) ? a : b;
    return a.size >= b.size ? a : b;
  });
}

const isIdentical = (cursor: StoredCursor, file: LogFile): boolean =>
  cursor.device === file.device && cursor.inode === file.inode;

/** The same bytes at the head, and enough of them, or the same file on disk. */
function isFileOf(cursor: StoredCursor, file: LogFile): boolean {
  const length = cursor.fingerprint_length;
  if (file.head.length < length || fingerprintOf(file.head, length) !== cursor.fingerprint) return false;
  return length >= telling_bytes_min || isIdentical(cursor, file);
}

/** As `isFileOf`, but an inode alone says nothing: it is used again for the next file. */
const isTellingly = (cursor: StoredCursor, file: LogFile): boolean =>
  cursor.fingerprint_length >= telling_bytes_min && isFileOf(cursor, file);

function grownFiles(files: readonly LogFile[], cursors: readonly StoredCursor[]): ReadingPlan['grown'] {
  return files.filter((file) => !file.live && !file.compressed).flatMap((file) => {
    const readers = cursors.filter((cursor) => isTellingly(cursor, file));
    if (readers.length === 0 || readers.some((cursor) => cursor.state === 'current')) return [];
    const file_offset = readers.reduce((most, { file_offset: read }) => (read > most ? read : most), 0n);
    return file.size > file_offset ? [{ path: file.path, size: file.size, file_offset }] : [];
  });
}
