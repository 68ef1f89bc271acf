// Reading a rotated log that was compressed. A gzip file has no positions, so the stream stays open between
// reads and goes on where it was; going back starts it again. A file without its end is still being written
// (or was torn): that is an answer, not an error. At most one read's bytes are held in memory.
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { newline } from '../core/log-stamp.js';
import { codeOf } from './log-failure.js';
import { readAt, wholeLines } from './log-plain.js';

const block_bytes = 262_144;
/** Of content: every block costs a way to another thread and back. */
const inflated_bytes = 1_048_576;
const head_bytes = 65_536;
/** As much as the log is judged in at once, and a read more. */
const given_bytes_max = 17 * 1_048_576;
/** What zlib says of a file that ends early or is none. */
const torn_codes = ['Z_BUF_ERROR', 'Z_DATA_ERROR', 'ERR_STREAM_PREMATURE_CLOSE'];
const isTorn = (error: unknown): boolean => torn_codes.includes(codeOf(error));

/** The handle stays open, and is read by position: several of these do not disturb each other. */
async function* inflate(handle: FileHandle, chunkSize = inflated_bytes): AsyncGenerator<Buffer> {
  const file = Readable.from(contentOf(handle), { objectMode: false });
  const gunzip = createGunzip({ chunkSize });
  file.on('error', (error) => gunzip.destroy(error));
  try {
    yield* file.pipe(gunzip) as AsyncIterable<Buffer>;
  } finally {
    file.destroy();
    gunzip.destroy();
  }
}

/** Not `handle.createReadStream`, which closes the handle when it is destroyed. */
async function* contentOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0n; ;) {
    const block = await readAt(handle, at, block_bytes);
    if (block.length === 0) return;
    yield block;
    at += BigInt(block.length);
  }
}

/** The first bytes of the content, at most `length`, as far as they are there. */
export async function gzipHead(handle: FileHandle, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of inflate(handle, head_bytes)) {
      chunks.push(chunk);
      if ((bytes += chunk.length) >= length) break;
    }
  } catch (error) {
    if (!isTorn(error)) throw error;
  }
  return Buffer.concat(chunks).subarray(0, length);
}

/** Size of the content and the offset after its last newline; null while the file is not whole. */
export async function measureGzip(handle: FileHandle): Promise<{ size: bigint; end: bigint } | null> {
  let size = 0n;
  let end = 0n;
  try {
    for await (const chunk of inflate(handle)) {
      const at = chunk.lastIndexOf(newline);
      if (at >= 0) end = size + BigInt(at) + 1n;
      size += BigInt(chunk.length);
    }
  } catch (error) {
    if (!isTorn(error)) throw error;
    return null;
  }
  // An empty file is not a gzip file yet, though zlib does not mind it.
  return size === 0n && (await handle.stat()).size === 0 ? null : { size, end };
}

export interface GzipReader {
  /** Whole lines from that offset, at most `bytes_max`; without a newline when one line is longer. */
  read(from: bigint, bytes_max: number): Promise<Buffer>;
  /** The offset after the next newline, or the content's end. */
  skipLine(from: bigint): Promise<bigint>;
  close(): Promise<void>;
}

export function openGzip(handle: FileHandle): GzipReader {
  let stream: AsyncGenerator<Buffer> | null = null;
  let position = 0n;
  /** Content from `position` on that was taken from the stream and not yet given away. */
  let held: Buffer[] = [];
  /** What was given last, up to `position`: a piece may be asked for twice. */
  let given: Buffer[] = [];
  let given_bytes = 0;

  async function take(): Promise<Buffer | null> {
    const buffer = held.shift();
    if (buffer) return buffer;
    const next = await stream!.next();
    return next.done ? null : next.value;
  }

  async function close(): Promise<void> {
    await stream?.return(undefined);
    stream = null;
    held = [];
    given = [];
    given_bytes = 0;
    position = 0n;
  }

  function remember(lines: Buffer): void {
    given.push(lines);
    given_bytes += lines.length;
    while (given_bytes > given_bytes_max) given_bytes -= given.shift()!.length;
  }

  function takeBack(from: bigint): void {
    while (position > from && given.length > 0) {
      const last = given.pop()!;
      given_bytes -= last.length;
      held.unshift(last);
      position -= BigInt(last.length);
    }
  }

  async function seek(from: bigint): Promise<void> {
    if (stream !== null) takeBack(from);
    if (stream === null || position > from) await close();
    stream ??= inflate(handle);
    while (position < from) {
      const chunk = await take();
      if (chunk === null) return;
      const skipped = from - position < BigInt(chunk.length) ? Number(from - position) : chunk.length;
      if (skipped < chunk.length) held.unshift(chunk.subarray(skipped));
      position += BigInt(skipped);
    }
  }

  async function read(from: bigint, bytes_max: number): Promise<Buffer> {
    await seek(from);
    const chunks: Buffer[] = [];
    let bytes = 0;
    while (bytes < bytes_max) {
      const chunk = await take();
      if (chunk === null) break;
      const part = chunk.subarray(0, bytes_max - bytes);
      if (part.length < chunk.length) held.unshift(chunk.subarray(part.length));
      chunks.push(part);
      bytes += part.length;
    }
    const all = Buffer.concat(chunks);
    const lines = wholeLines(all);
    // A line without its end stays held: it is either asked for again or stepped over.
    const length = lines.includes(newline) ? lines.length : 0;
    if (length < all.length) held.unshift(all.subarray(length));
    position += BigInt(length);
    remember(all.subarray(0, length));
    return lines;
  }

  async function skipLine(from: bigint): Promise<bigint> {
    await seek(from);
    for (let chunk = await take(); chunk !== null; chunk = await take()) {
      const at = chunk.indexOf(newline);
      const skipped = at < 0 ? chunk.length : at + 1;
      if (skipped < chunk.length) held.unshift(chunk.subarray(skipped));
      position += BigInt(skipped);
      if (at >= 0) return position;
    }
    return position;
  }

  return { read, skipLine, close };
}
