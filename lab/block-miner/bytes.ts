// The few things that a block is serialised with: numbers, counts and hashes as Bitcoin lays them out.
import { createHash } from 'node:crypto';

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

export const doubleSha256 = (bytes: Uint8Array): Buffer => sha256(sha256(bytes));

/** A hash as people write it is the reverse of its bytes. */
export const hashBytes = (text: string): Buffer => Buffer.from(text, 'hex').reverse();

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** A count in front of a list: one byte, or 0xfd and two. @throws RangeError above 65535. */
export function compactSize(count: number): Buffer {
  if (count < 0xfd) return Buffer.from([count]);
  const bytes = Buffer.from([0xfd, 0, 0]);
  bytes.writeUInt16LE(count, 1);
  return bytes;
}

/** Over the transactions' ids as bytes; an odd one is paired with itself. */
export function merkleRoot(leaves: readonly Buffer[]): Buffer {
  let level = leaves;
  while (level.length > 1) {
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, pair) => {
      const left = level[2 * pair] as Buffer;
      return doubleSha256(Buffer.concat([left, level[2 * pair + 1] ?? left]));
    });
  }
  return level[0] ?? Buffer.alloc(32);
}
