// The three lines that ckpool writes about the whole pool: as `pool/pool.status` and as `Pool:` lines.
import { createAverages, hashrateText, pool_windows, share_rate_windows } from './hashrates.js';
import { real, toJansson } from './jansson.js';

export interface PoolStatus {
  /** An accepted share of that difficulty. */
  add(difficulty: bigint, now_ms: number): void;
  lines(now_ms: number, members: { users: number; workers: number; idle: number }): string[];
}

export function createPoolStatus(start_ms: number): PoolStatus {
  const work = createAverages(pool_windows, start_ms);
  const share_rate = createAverages(share_rate_windows, start_ms);
  return {
    add: (difficulty, now_ms) => {
      work.add(Number(difficulty), now_ms);
      share_rate.add(1, now_ms);
    },
    lines: (now_ms, { users, workers, idle }) => {
      const rates = work.perSecond(now_ms);
      const share_rates = share_rate.perSecond(now_ms);
      return [
        toJansson([
          ['runtime', BigInt(Math.round((now_ms - start_ms) / 1000))],
          ['lastupdate', BigInt(Math.floor(now_ms / 1000))],
          ['Users', BigInt(users)],
          ['Workers', BigInt(workers)],
          ['Idle', BigInt(idle)],
          ['Disconnected', 0n],
        ]),
        toJansson(
          pool_windows.map(([name], index) => [`hashrate${name}`, hashrateText(rates[index] ?? 0)]),
        ),
        toJansson(
          share_rate_windows.map(([name], index) => [`SPS${name}`, real(share_rates[index] ?? 0, 3)]),
        ),
      ];
    },
  };
}
