// A disk that can be full, in front of another one: as recorded, what is appended is cut where the space ends
// and later lines are lost without a word, a file that is opened is there but empty, and what is written after
// the space has come back is glued to the half line.
import type { PoolDisk } from './disk.js';

export interface FillableDisk {
  readonly disk: PoolDisk;
  /** From now on this many bytes fit, and then none. */
  fill(bytes_left?: number): void;
  free(): void;
}

export function fillableDisk(disk: PoolDisk): FillableDisk {
  let left = Infinity;
  const fitting = (bytes: Buffer): Buffer => {
    const fits = bytes.subarray(0, Math.min(bytes.length, left));
    left -= fits.length;
    return fits;
  };
  return {
    disk: {
      ...disk,
      append: (path, bytes) => { disk.append(path, fitting(bytes)); },
      overwrite: (path, bytes) => {
        disk.overwrite(path, left < bytes.length ? Buffer.alloc(0) : fitting(bytes));
      },
      copy: (from, to) => { disk.append(to, fitting(disk.read(from) ?? Buffer.alloc(0))); },
    },
    fill: (bytes_left = 0) => { left = bytes_left; },
    free: () => { left = Infinity; },
  };
}
