// Reading a plain log file by position. Nothing here depends on a file's name once it is open, so a rename
// or a deletion between two reads loses nothing. No call holds more than the bytes asked for.
import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { newline } from '../core/log-stamp.js';

const block_bytes = 65_536;

/**
 * Up to `length` bytes from there; fewer only at the end of the file.
 * @param buffer to put them into, at least as long
 */
export async function readAt(
  handle: FileHandle, from: bigint, length: number, buffer = Buffer.allocUnsafe(length),
): Promise<Buffer> {
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, Number(from) + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/**
 * The same without waiting: where a file is read from end to end, in pieces that fit a processor's cache, handing each
 * to another thread would take longer than the reading, and put it into that one's cache.
 */
export function readNow(handle: FileHandle, from: bigint, length: number, buffer = Buffer.allocUnsafe(length)): Buffer {
  let filled = 0;
  while (filled < length) {
    const bytes_read = readSync(handle.fd, buffer, filled, length - filled, Number(from) + filled);
    if (bytes_read === 0) break;
    filled += bytes_read;
  }
  return buffer.subarray(0, filled);
}

/** The offset after the last newline in [floor, size), or null: searched backwards, a block at a time. */
export async function lastLineEnd(handle: FileHandle, floor: bigint, size: bigint): Promise<bigint | null> {
  for (let to = size; to > floor;) {
    const from = to - BigInt(block_bytes) > floor ? to - BigInt(block_bytes) : floor;
    const at = (await readAt(handle, from, Number(to - from))).lastIndexOf(newline);
    if (at >= 0) return from + BigInt(at) + 1n;
    to = from;
  }
  return null;
}

/** The offset after the first newline in [from, end), or `end`. */
export async function nextLineStart(handle: FileHandle, from: bigint, end: bigint): Promise<bigint> {
  for (let at = from; at < end;) {
    const left = end - at;
    const block = await readAt(handle, at, left < BigInt(block_bytes) ? Number(left) : block_bytes);
    if (block.length === 0) break;
    const found = block.indexOf(newline);
    if (found >= 0) return at + BigInt(found) + 1n;
    at += BigInt(block.length);
  }
  return end;
}

/** Cut after the last newline; the whole when there is none (a line longer than what was asked for). */
export function wholeLines(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.lastIndexOf(newline) + 1 || bytes.length);
}
