// Says how far accounting has come along a log that takes a while: after days of downtime, or at a first start. It
// decides nothing, and is silent where a stretch is read at once.
import type { LogPosition } from '../shared/units.js';
import type { Progress } from '../shared/progress.js';

export interface CatchUp {
  /** So far was committed, of what ends there; with so many block lines. */
  passed(from: LogPosition, to: LogPosition, end: LogPosition, blocks: number): void;
  /** Everything that is there was read. */
  end(): void;
}

export function createCatchUp(progress: Progress | null): CatchUp {
  let began: LogPosition | null = null;
  let found = 0;
  return {
    passed(from, to, end, blocks) {
      if (began === null) progress?.report(0, Number(end - from));
      began ??= from;
      found += blocks;
      progress?.report(Number(to - began), Number(end - began), `${found} ${found === 1 ? 'block' : 'blocks'} found`);
    },
    end() {
      if (began !== null) progress?.end();
      began = null;
      found = 0;
    },
  };
}
