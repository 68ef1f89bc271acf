// A share log that our prune command compressed: one gzip stream. It has no positions, so it is read forwards,
// and going back means to begin again (share-log-read.ts does). A file that is cut off or damaged gives what
// there is up to there and then says so; that is an answer, not an error.
import { createReadStream, fstatSync, readSync } from 'node:fs';
import { constants, createGunzip } from 'node:zlib';
import { codeOf } from './log-failure.js';

/** Head and trailer of a gzip file without content. */
const gzip_bytes_min = 18;

/**
 * The size that the trailer names, without inflating. It is kept modulo 2^32: ckpool begins a new file every
 * 30 s, so that one of 4 GB would take 300,000 shares a second.
 */
export function contentSizeOf(descriptor: number, bytes: number): number {
  if (bytes < gzip_bytes_min) return 0;
  const trailer = Buffer.alloc(4);
  return readSync(descriptor, trailer, 0, 4, bytes - 4) === 4 ? trailer.readUInt32LE(0) : 0;
}

export interface Inflating {
  /** Where in the content the next byte of the stream is. */
  position(): number;
  /** Fills the piece from that offset on, which must not be before `position`; less only at the end. */
  read(piece: Buffer, offset: number): Promise<number>;
  /** Known once it was read to the end. */
  end(): { size: number; damaged: boolean } | null;
  /** Of the compressed file, when it was opened. */
  readonly bytes: number;
  close(): void;
}

/** Closes the descriptor when it is closed itself. */
export function inflateFrom(descriptor: number): Inflating {
  const bytes = fstatSync(descriptor).size;
  const file = createReadStream('', { fd: descriptor, start: 0 });
  // With a soft flush at the end a file that is cut off is inflated to its last byte.
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH, chunkSize: 65_536 });
  file.on('error', (error) => gunzip.destroy(error));
  const blocks = file.pipe(gunzip)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let trailer = Buffer.alloc(0);
  file.on('data', (block) => { trailer = Buffer.concat([trailer, block as Buffer]).subarray(-4); });
  let position = 0;
  let held: Buffer = Buffer.alloc(0);
  let end: { size: number; damaged: boolean } | null = null;

  /** False at the end. */
  async function fill(): Promise<boolean> {
    if (held.length > 0) return true;
    if (end !== null) return false;
    try {
      const block = await blocks.next();
      if (!block.done) {
        held = block.value;
        return true;
      }
      end = { size: position, damaged: !isWhole() };
    } catch (error) {
      if (!codeOf(error).startsWith('Z_')) throw error;
      end = { size: position, damaged: true };
    }
    return false;
  }

  const isWhole = (): boolean => trailer.length === 4 && trailer.readUInt32LE(0) === position % 2 ** 32;

  async function read(piece: Buffer, offset: number): Promise<number> {
    let filled = 0;
    while (filled < piece.length && await fill()) {
      const skipped = Math.min(held.length, Math.max(0, offset - position));
      const copied = held.copy(piece, filled, skipped);
      held = held.subarray(skipped + copied);
      position += skipped + copied;
      filled += copied;
    }
    return filled;
  }

  function close(): void {
    file.destroy();
    gunzip.destroy();
  }

  return { position: () => position, read, end: () => end, bytes, close };
}
