// What is in memory after a commit and what is in the database must be the same, or work would be counted twice.
// Only differences are written, so this is held for stretches of every kind.
import { expect, test } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { createRandom, type Random } from '../../lab/random.js';
import { systemClock } from '../../shared/clock.js';
import { integer, smallInteger, type Database } from '../../shared/database/database.js';
import { createLease } from '../../shared/database/lease.js';
import { blockHeight, logPosition, shares } from '../../shared/units.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import type { Reading } from '../core/counter-lines.js';
import { applyStretch, type SnapshotRow, type StretchLine } from '../core/stretch.js';
import { telling } from '../core/what-to-read.js';
import { remember } from '../log-memory.js';
import type { StoredCursor } from './log-files.js';
import { loadLogState } from './log-state.js';
import { recordStretch } from './log-store.js';

const names = Array.from({ length: 40 }, (_, user) => `user ${user}\xff` as NameBytes);
const logged_at = '2026-11-20 09:00:00.000';

const cursorAt = (offset: bigint): StoredCursor => ({
  sequence: 1, path: 'ckpool.log', device: '1', inode: '1', log_start: 0n, file_offset: offset,
  fingerprint_length: 1, fingerprint: 'f'.repeat(64), state: 'current',
});

interface Drawn { readonly lines: StretchLine[]; readonly readings: Map<NameBytes, Reading> }

/** Users rise, one falls now and then, some are named for the first time, blocks come in between and at the ends. */
function drawStretch(random: Random, from: bigint, counters: Map<NameBytes, bigint>): Drawn {
  const lines: StretchLine[] = [];
  const readings = new Map<NameBytes, Reading>();
  const busy = names.filter(() => random.chance(random.pick([0, 0.1, 0.9])));
  for (const user of busy) {
    const before = counters.get(user) ?? 0n;
    const counter = random.chance(0.05) ? before / 2n : before + BigInt(random.integer(0, 9));
    counters.set(user, counter);
    if (random.chance(0.9)) readings.set(user, { counter: shares(counter) });
    lines.push({ kind: 'shares', user, counter: shares(counter), position: logPosition(from + BigInt(lines.length)) });
    if (random.chance(0.05)) lines.push(blockLine(from + BigInt(lines.length)));
  }
  if (random.chance(0.5)) lines.push(blockLine(from + BigInt(lines.length)));
  return { lines, readings };
}

const blockLine = (position: bigint): StretchLine =>
  ({ kind: 'block', height: blockHeight(7), finder: names[0]!, logged_at, position: logPosition(position) });

async function storedShares(database: Database): Promise<Map<string, SnapshotRow[]>> {
  const rows = await database.knex<Record<string, unknown>>('snapshot_shares')
    .join('snapshots', 'snapshots.id', 'snapshot_shares.snapshot_id').join('users', 'users.id', 'snapshot_shares.user_id')
    .orderBy(['snapshots.log_position', 'users.id']).select('log_position', 'name', 'share_count', 'difference', 'disputed_difference');
  const stored = new Map<string, SnapshotRow[]>();
  for (const row of rows) {
    const position = String(row['log_position']);
    stored.set(position, [...(stored.get(position) ?? []), {
      user: nameFromBuffer(row['name'] as Buffer), share_count: shares(integer(row['share_count'])),
      difference: shares(integer(row['difference'])), disputed_difference: shares(integer(row['disputed_difference'])),
    }]);
  }
  return stored;
}

forEachDatabase('a stretch of the log', (open) => {
  test('leaves the users in the database exactly as they are in memory, and the snapshot rows as they were judged', async () => {
    const database = await open();
    const lease = createLease(database, 'accounting_lease', 'test');
    await lease.tryTake();
    const random = createRandom('stretches');
    const known = await loadLogState(database);
    const counters = new Map<NameBytes, bigint>();
    const expected = new Map<string, SnapshotRow[]>();
    let settled_twice = 0;
    for (let round = 0; round < 80; round += 1) {
      const from = BigInt(round) * 1_000n;
      const { lines, readings } = drawStretch(random, from, counters);
      const reading_position = logPosition(from + 999n);
      const outcome = applyStretch(known, { lines, readings, reading_position, sampled: true });
      const ids = await recordStretch(database, lease, {
        users: known.users, before: known.cursor, after: [cursorAt(from + 999n)], outcome, incidents: [], deferred: false, now_ms: 0,
        reading: { position: reading_position, kind: 'named', counts: telling(known.users, lines, readings) },
      });
      remember(known, [cursorAt(from + 999n)], outcome, ids, systemClock);
      for (const { position, rows } of outcome.snapshots) if (rows.length > 0) expected.set(position.toString(), [...rows]);
      if (outcome.snapshots.length > 1) settled_twice += 1;
      const stored = await loadLogState(database);
      expect(new Map(stored.users)).toEqual(new Map(known.users));
      expect(new Set(stored.risen)).toEqual(new Set(known.risen));
    }
    const byUser = (rows: SnapshotRow[]) => [...rows].sort((one, other) => (one.user < other.user ? -1 : 1));
    const stored = await storedShares(database);
    expect(new Map([...stored].map(([position, rows]) => [position, byUser(rows)])))
      .toEqual(new Map([...expected].map(([position, rows]) => [position, byUser(rows)])));
    expect([expected.size > 20, settled_twice > 5]).toEqual([true, true]);
  });

  test('changes nothing when the database says of other users that they rose than memory does', async () => {
    const database = await open();
    const lease = createLease(database, 'accounting_lease', 'test');
    await lease.tryTake();
    const known = await loadLogState(database);
    const line = (user: NameBytes, counter: bigint, position: bigint): StretchLine =>
      ({ kind: 'shares', user, counter: shares(counter), position: logPosition(position) });
    const commit = async (lines: StretchLine[], end: bigint): Promise<void> => {
      const readings = new Map(names.slice(0, 3).map((name) => [name, { counter: shares(5n) }]));
      const outcome = applyStretch(known, { lines, readings, reading_position: null, sampled: true });
      const ids = await recordStretch(database, lease, {
        users: known.users, before: known.cursor, after: [cursorAt(end)], outcome, reading: null, incidents: [], deferred: false, now_ms: 0,
      });
      remember(known, [cursorAt(end)], outcome, ids, systemClock);
    };
    await commit([line(names[0]!, 5n, 1n), line(names[1]!, 5n, 2n), line(names[2]!, 5n, 3n)], 10n);
    await database.knex('users').where({ name: Buffer.from(names[1]!, 'latin1') }).update({ snapshot_count: 5 });
    await expect(commit([blockLine(11n)], 20n)).rejects.toThrow(/3 users rose since the latest snapshot, but 2 by the database/);
    expect(await database.knex('snapshots').select('id')).toEqual([]);
    expect(smallInteger((await database.knex('log_cursors').first()).file_offset)).toBe(10);
  });
});
