// ckpool.log read as the daemon reads it when it catches up: its own windows and its own counting, over the user
// files' last word. Only the database is left out.
import { systemClock } from '../shared/clock.js';
import { shares, type Shares } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import { defaultOptions } from '../accounting/context.js';
import { boundsOf, createCounterFold } from '../accounting/core/counter-fold.js';
import { noShares, type Reading } from '../accounting/core/counter-lines.js';
import { applyStretch, type UserCount } from '../accounting/core/stretch.js';
import { openLogFiles, type StoredCursor } from '../accounting/edges/log-files.js';
import { piece_limits, readWindow } from '../accounting/log-piece.js';
import type { PoolLog } from './pool-log.js';

/** The number of blocks. @throws Error when a user's count is not what was written, if that is to be seen */
export async function readPoolLog(log: PoolLog, checks = false): Promise<number> {
  const log_files = openLogFiles({ log_file: log.path, quiet_ms: 0, once: true, clock: systemClock });
  const source = { log_files, fold: createCounterFold(), clock: systemClock, limits: piece_limits };
  const readings = readingsOf(log);
  const users = new Map<NameBytes, UserCount>();
  let state = { users, risen: new Set<NameBytes>() as ReadonlySet<NameBytes>, login_seen: false, notice_seen: false };
  let blocks = 0;
  let log_start = 0n;
  try {
    // Nothing grows any more: all files are listed, the live one last.
    for (const part of (await log_files.survey([])).parts) {
      for (let file_offset = 0n; file_offset < part.end;) {
        const { login_seen, notice_seen } = state;
        const { lines, consumed } = await readWindow(source, {
          goes_on: file_offset > 0n, single: false,
          cursor: { log_start, file_offset } as StoredCursor, part, until: part.end,
          bytes_max: defaultOptions.chunk_bytes, login_seen, notice_seen,
          boundsOf: (user) => boundsOf(users.get(user)?.counter ?? noShares, readings.get(user)),
        });
        const outcome = applyStretch(state, { lines, readings, reading_position: null, sampled: true });
        for (const user of outcome.changed) users.set(user.name, user);
        state = { ...outcome, users };
        blocks += outcome.snapshots.length;
        file_offset += consumed;
      }
      log_start += part.size;
    }
  } finally {
    await log_files.close();
  }
  if (checks) requireCounts(users, readings);
  return blocks;
}

const readings_of = new WeakMap<PoolLog, Map<NameBytes, { readonly counter: Shares }>>();

function readingsOf(log: PoolLog): ReadonlyMap<NameBytes, Reading & { readonly counter: Shares }> {
  const known = readings_of.get(log) ?? new Map([...log.counters].map(([name, counter]) =>
    [name as NameBytes, { counter: shares(BigInt(counter)) }]));
  readings_of.set(log, known);
  return known;
}

function requireCounts(
  users: ReadonlyMap<NameBytes, UserCount>, readings: ReadonlyMap<NameBytes, { readonly counter: Shares }>,
): void {
  for (const [name, { counter }] of readings) {
    const count = users.get(name)?.ledger_count;
    if (count !== counter) throw new Error(`${name} has ${count} shares and not ${counter}: no speed counts`);
  }
}
