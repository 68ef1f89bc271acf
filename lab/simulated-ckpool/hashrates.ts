// Decaying averages of work, and the text that ckpool makes of them: three significant digits and a suffix.
// They are decoration (no money hangs on them), so floating point is at home here.
import { significant } from './jansson.js';

const minute_ms = 60_000;
/** Name of the average and the time over which work fades from it. */
export const user_windows = [
  ['1m', minute_ms],
  ['5m', 5 * minute_ms],
  ['1hr', 60 * minute_ms],
  ['1d', 1440 * minute_ms],
  ['7d', 10_080 * minute_ms],
] as const;
export const pool_windows = [
  ['1m', minute_ms],
  ['5m', 5 * minute_ms],
  ['15m', 15 * minute_ms],
  ['1hr', 60 * minute_ms],
  ['6hr', 360 * minute_ms],
  ['1d', 1440 * minute_ms],
  ['7d', 10_080 * minute_ms],
] as const;
export const share_rate_windows = [
  ['1m', minute_ms], ['5m', 5 * minute_ms], ['15m', 15 * minute_ms], ['1h', 60 * minute_ms],
] as const;
export type Windows = readonly (readonly [name: string, window_ms: number])[];

export interface Averages {
  /** Work arrived at that time. */
  add(work: number, now_ms: number): void;
  /** Work per second in each window, in the order of the windows. */
  perSecond(now_ms: number): number[];
}

export function createAverages(windows: Windows, start_ms: number): Averages {
  const averages = windows.map(() => 0);
  let last_ms = start_ms;

  function fade(now_ms: number): void {
    const elapsed_ms = Math.max(0, now_ms - last_ms);
    windows.forEach(([, window_ms], index) => {
      averages[index] = (averages[index] ?? 0) * Math.exp(-elapsed_ms / window_ms);
    });
    last_ms = Math.max(last_ms, now_ms);
  }

  return {
    add: (work, now_ms) => {
      fade(now_ms);
      windows.forEach(([, window_ms], index) => {
        averages[index] = (averages[index] ?? 0) + (work * 1000) / window_ms;
      });
    },
    perSecond: (now_ms) => {
      fade(now_ms);
      return [...averages];
    },
  };
}

const hashes_per_difficulty = 2 ** 32;
const suffixes = ['', 'K', 'M', 'G', 'T', 'P', 'E'];

/** "1.27T", "15G"; under 1000 hashes a second a whole number without a suffix. */
export function hashrateText(difficulty_per_second: number): string {
  let value = difficulty_per_second * hashes_per_difficulty;
  if (value < 999.5) return String(Math.floor(value));
  let suffix = 0;
  while (value >= 999.5 && suffix < suffixes.length - 1) {
    value /= 1000;
    suffix += 1;
  }
  return `${significant(value, 3)}${suffixes[suffix] ?? ''}`;
}
