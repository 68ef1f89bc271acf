// The content of a share log from end to end, plain or compressed: how long it is, where its last whole line ends,
// and its sha256. Reads only, in memory that does not grow with the file.
import { createHash } from 'node:crypto';
import { closeSync, constants, createReadStream, openSync, readSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { codeOf, filesFailure } from './log-failure.js';

export interface Content {
  /** Uncompressed. */
  readonly bytes: number;
  /** The offset behind the last newline; 0 when there is none. */
  readonly lines_end: number;
  readonly sha256: string;
}

/** Takes blocks as they pass. */
export function createContentMeter(): { take(block: Buffer): void; content(): Content } {
  const hash = createHash('sha256');
  let bytes = 0;
  let lines_end = 0;
  return {
    take(block) {
      const newline = block.lastIndexOf(0x0a);
      if (newline >= 0) lines_end = bytes + newline + 1;
      bytes += block.length;
      hash.update(block);
    },
    content: () => ({ bytes, lines_end, sha256: hash.digest('hex') }),
  };
}

/** Null when a compressed file is damaged or cut off. No link is followed. @throws OutsideFailure 'files' */
export async function contentOf(file: string, compressed: boolean): Promise<Content | null> {
  const meter = createContentMeter();
  const source = createReadStream(file, { flags: read_flags as unknown as string, highWaterMark: 1 << 18 });
  const measure = async (blocks: AsyncIterable<Buffer>) => {
    for await (const block of blocks) meter.take(block);
  };
  try {
    if (compressed) await pipeline(source, createGunzip({ chunkSize: 1 << 18 }), measure);
    else await pipeline(source, measure);
    return meter.content();
  } catch (error) {
    if (codeOf(error).startsWith('Z_')) return null;
    throw filesFailure(error, file, 'logdir');
  }
}

/**
 * What the end of a compressed file names as the length of its content, modulo 2^32, without inflating it.
 * @throws OutsideFailure 'files'
 */
export function namedLength({ path, bytes }: { readonly path: string; readonly bytes: number }): number {
  try {
    const descriptor = openSync(path, read_flags);
    try {
      const trailer = Buffer.alloc(4);
      return readSync(descriptor, trailer, 0, 4, Math.max(0, bytes - 4)) === 4 ? trailer.readUInt32LE(0) : 0;
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw filesFailure(error, path, 'logdir');
  }
}

/** Node takes numbers here as well; its types know text only. */
const read_flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
