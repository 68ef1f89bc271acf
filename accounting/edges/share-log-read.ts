// The bytes of share logs, plain or compressed, by their place in the uncompressed file. Reads only, and only
// regular files: no link is followed, no pipe waited for. A file is opened, read and closed each time: that
// costs 7 µs, serves any number of files, and bytes of a file that was replaced are never taken for its own.
// Of compressed files one stays open, since they can only be read forwards.
//
// What is remembered here saves time and decides nothing: after a restart a torn end is looked at once more.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { codeOf, filesFailure } from './log-failure.js';
import { contentSizeOf, inflateFrom, type Inflating } from './share-log-gzip.js';

/** The largest piece that one read gives. */
export const piece_bytes_max = 16_777_216;
const newline = 0x0a;

/** A file that was listed; `size` is of the uncompressed content. */
export interface ReadableFile {
  readonly path: string;
  readonly size: number;
  readonly compressed: boolean;
}

export interface ShareLogReader {
  /**
   * At most `bytes_max` bytes (and never more than `piece_bytes_max`) from the offset on; none when the file is
   * gone or ends there. The buffer is used again by the next read.
   * @throws OutsideFailure 'files'
   */
  read(file: ReadableFile, offset: number, bytes_max: number): Promise<Buffer>;
  /** Uncompressed size. `bytes` is what the disk says of the file. @throws OutsideFailure 'files' */
  sizeOf(file: Omit<ReadableFile, 'size'>, bytes: number): number;
  /** From `offset` to the end `size` there is only the beginning of a line, and it was read before. */
  isTornAt(path: string, offset: number, size: number): boolean;
  /** Sentences about compressed files that are damaged, each once. */
  complaints(): string[];
  close(): void;
}

/** A descriptor of a regular file, or null: gone, or something that ckpool did not make. */
export function openRegular(file: string): number | null {
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    // ELOOP: a symbolic link. ENXIO: a socket. ENOTDIR: its directory was replaced.
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(codeOf(error))) return null;
    throw filesFailure(error, file, 'logdir');
  }
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  return null;
}

export function createShareLogReader(): ShareLogReader {
  const torn = new Map<string, { offset: number; size: number }>();
  const ends = new Map<string, { bytes: number; size: number }>();
  let complaints: string[] = [];
  let buffer: Buffer | null = null;
  let inflating: (Inflating & { path: string }) | null = null;

  async function read(file: ReadableFile, offset: number, bytes_max: number): Promise<Buffer> {
    buffer ??= Buffer.allocUnsafeSlow(piece_bytes_max);
    const piece = buffer.subarray(0, Math.min(bytes_max, piece_bytes_max));
    const length = file.compressed
      ? await readCompressed(file.path, piece, offset)
      : readPlain(file.path, piece, offset);
    const bytes = piece.subarray(0, length);
    if (length < piece.length || offset + length >= file.size) rememberEnd(file.path, bytes, offset);
    return bytes;
  }

  /** The file ends with this piece: what follows its last newline waits for the rest of its line. */
  function rememberEnd(path: string, bytes: Buffer, offset: number): void {
    const tail = bytes.lastIndexOf(newline) + 1;
    if (tail < bytes.length) torn.set(path, { offset: offset + tail, size: offset + bytes.length });
  }

  async function readCompressed(path: string, piece: Buffer, offset: number): Promise<number> {
    if (inflating?.path !== path || inflating.position() > offset) {
      inflating?.close();
      const descriptor = openRegular(path);
      inflating = descriptor === null ? null : { path, ...inflateFrom(descriptor) };
      if (inflating === null) return 0;
    }
    const stream = inflating;
    try {
      const length = await stream.read(piece, offset);
      const end = stream.end();
      if (end?.damaged && ends.get(path)?.size !== end.size) {
        ends.set(path, { bytes: stream.bytes, size: end.size });
        complaints.push(`${path} is damaged after ${end.size} bytes of its content: what followed is lost to `
          + 'the share logs, restore it from a copy if there is one.');
      }
      return length;
    } catch (error) {
      stream.close();
      // A read that was left behind at the end of the daemon closes its own stream, never one opened since.
      if (inflating === stream) inflating = null;
      throw filesFailure(error, path, 'logdir');
    }
  }

  function sizeOf(file: Omit<ReadableFile, 'size'>, bytes: number): number {
    if (!file.compressed) return bytes;
    const end = ends.get(file.path);
    if (end?.bytes === bytes) return end.size;
    const descriptor = openRegular(file.path);
    return descriptor === null ? 0 : guarded(file.path, descriptor, () => contentSizeOf(descriptor, bytes));
  }

  function isTornAt(path: string, offset: number, size: number): boolean {
    const tail = torn.get(path);
    if (!tail) return false;
    if (tail.size !== size) torn.delete(path);
    return tail.size === size && tail.offset === offset;
  }

  function takeComplaints(): string[] {
    const taken = complaints;
    complaints = [];
    return taken;
  }

  function close(): void {
    inflating?.close();
    inflating = null;
    buffer = null;
  }

  return { read, sizeOf, isTornAt, complaints: takeComplaints, close };
}

function readPlain(path: string, piece: Buffer, offset: number): number {
  const descriptor = openRegular(path);
  if (descriptor === null) return 0;
  return guarded(path, descriptor, () => readSync(descriptor, piece, 0, piece.length, offset));
}

function guarded<T>(path: string, descriptor: number, look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw filesFailure(error, path, 'logdir');
  } finally {
    closeSync(descriptor);
  }
}
