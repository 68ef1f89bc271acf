// Which rows of the database make up a round for `compare`, on both engines: rows laid down by hand.
import { expect, test } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { timeText, type Database } from '../../shared/database/database.js';
import { printable } from '../../shared/username.js';
import type { WorkByUser } from '../core/compare-rounds.js';
import { readRounds, readWork } from './compare-reader.js';

interface Line {
  /** Its position in the log; below zero: the log has no line of it. */
  readonly position: number;
  readonly kind?: 'block' | 'baseline';
  /** Null: not decided. */
  readonly place: number | null;
  readonly height?: number;
  readonly is_ours?: boolean;
  readonly quality?: 'exact' | 'minute';
  readonly dispute?: 'none' | 'dropped';
  /** [difference, disputed part] of the one user. */
  readonly decided?: readonly [number, number];
  readonly counters?: number;
}

const now = timeText(0);

async function layDown(database: Database, lines: readonly Line[]): Promise<void> {
  const { knex } = database;
  await knex('log_cursors').insert({
    sequence: 1, path: 'ckpool.log', device: '1', inode: '1', log_start: 0, file_offset: 9999, fingerprint_length: 0,
    fingerprint: '', state: 'current', login_seen: 1, notice_seen: 1, updated_at: now,
  });
  const user = { name: Buffer.from('alice'), counter: 0, ledger_count: 0, snapshot_count: 0, disputed_count: 0 };
  const [user_id] = await knex('users').insert(user);
  for (const line of lines) await layLine(database, line, user_id!);
}

async function layLine({ knex }: Database, line: Line, user_id: number): Promise<void> {
  const { position, kind = 'block', place, height = position, is_ours = true, decided, counters } = line;
  const { quality = 'exact', dispute = 'none' } = line;
  const is_block = kind === 'block';
  const [snapshot_id] = await knex('snapshots').insert({
    kind, log_position: position, log_sequence: 1, log_offset: 0, height: is_block ? height : null,
    finder: is_block ? Buffer.from('alice.rig') : null, logged_at: is_block ? now : null, quality,
    state: is_ours ? 'confirmed' : 'unverified', dispute, changed_users: 0, total_difference: 0, taken_at: now,
  });
  const is_moment = place !== null && place !== position && is_block;
  if (place !== null) {
    await knex('cuts').insert({
      snapshot_id, place, cut_seconds: is_moment ? 1 : null, cut_nanoseconds: is_moment ? 0 : null, decided_at: now,
    });
  }
  if (decided) {
    const [difference, disputed_difference] = decided;
    await knex('snapshot_shares').insert({ snapshot_id, user_id, share_count: 1_000_000, difference, disputed_difference });
  }
  if (counters) {
    await knex('counter_shares').insert({
      snapshot_id, user_id, share_count: 1_000_000, difference: counters, disputed_difference: 0,
    });
  }
  if (!is_block || !is_ours) return;
  await knex('blocks').insert({
    hash: height.toString(16).padStart(64, '0'), height, previous_hash: '0'.repeat(64), header_at: now,
    coinbase_txid: '0'.repeat(64), reward_sats: 100, active: 1, snapshot_id, discovered_at: now,
  });
}

const alice = (work: WorkByUser | null) => work && ([...work].map(([user, count]) => `${printable(user)} ${count}`)[0] ?? 'nobody');

const readAll = (database: Database) => database.snapshot(async (transaction) => {
  const rounds = [];
  for (const fact of await readRounds(transaction)) {
    const { height, counters, share_logs, nothing_because, is_paid } = await readWork(transaction, fact);
    rounds.push([height, alice(counters), alice(share_logs), nothing_because, is_paid]);
  }
  return rounds;
});

forEachDatabase('the rounds to compare', (open) => {
  test('have what the counters gave at their lines beside what the share logs gave', async () => {
    const database = await open();
    await layDown(database, [
      { position: 10, place: 100, decided: [7, 0], counters: 5 },
      { position: 20, place: 101, decided: [3, 0] },
    ]);
    expect(await readAll(database)).toEqual([
      [10, 'alice 5', 'alice 7', null, true], [20, 'nobody', 'alice 3', null, true],
    ]);
  });

  test('come in the order of their cuts, which need not be that of their lines', async () => {
    const database = await open();
    await layDown(database, [
      { position: 10, place: 101, decided: [7, 0], counters: 5 },
      { position: 20, place: 100, decided: [3, 0], counters: 4 },
    ]);
    expect(await readAll(database)).toEqual([
      [20, 'alice 4', 'alice 3', null, true], [10, 'alice 5', 'alice 7', null, true],
    ]);
  });

  test('hold what the counters gave at forged lines before their own', async () => {
    const database = await open();
    await layDown(database, [
      { position: 10, place: null, is_ours: false, counters: 2 },
      { position: 20, place: null, is_ours: false, counters: 3 },
      { position: 30, place: 100, decided: [7, 0], counters: 1 },
    ]);
    expect(await readAll(database)).toEqual([[30, 'alice 6', 'alice 7', null, true]]);
  });

  test('of a block that the log never named hold nothing by the counters', async () => {
    const database = await open();
    await layDown(database, [
      { position: -1, height: 5, place: 100, decided: [7, 0] },
      { position: 30, place: 101, decided: [1, 0], counters: 8 },
    ]);
    expect(await readAll(database)).toEqual([[5, 'nobody', 'alice 7', null, true], [30, 'alice 8', 'alice 1', null, true]]);
  });

  test('have no second count where the counters decided, and hold the work before a line that was no block of ours', async () => {
    const database = await open();
    await layDown(database, [
      { position: 10, place: 10, quality: 'minute', is_ours: false, decided: [2, 0] },
      { position: 20, place: 20, quality: 'minute', decided: [7, 0] },
      { position: 30, place: 30, quality: 'minute', decided: [4, 1], dispute: 'dropped' },
    ]);
    expect(await readAll(database)).toEqual([[20, 'alice 9', null, 'counters', true], [30, 'alice 3', null, 'counters', true]]);
  });

  test('have no second count where the counters filled a gap, or work of theirs reaches in', async () => {
    const database = await open();
    await layDown(database, [
      { position: 10, place: 10, quality: 'minute', is_ours: false, decided: [2, 0] },
      { position: 20, place: 100, decided: [7, 0], counters: 5 },
      { position: 30, place: 101, quality: 'minute', decided: [7, 0], counters: 6 },
    ]);
    expect(await readAll(database)).toEqual([[20, 'alice 7', null, 'gap', true], [30, 'alice 6', null, 'gap', true]]);
  });

  test('begin behind a baseline, and the first has no second count', async () => {
    const database = await open();
    await layDown(database, [
      { position: 10, place: 100, decided: [7, 0], counters: 5 },
      { position: 15, place: 101, kind: 'baseline', decided: [9, 0] },
      { position: 20, place: 102, decided: [3, 0], counters: 12 },
      { position: 30, place: 103, decided: [4, 0], counters: 4 },
    ]);
    expect(await readAll(database)).toEqual([
      [10, 'alice 5', 'alice 7', null, false], [20, 'alice 12', null, 'baseline', true], [30, 'alice 4', 'alice 4', null, true],
    ]);
  });
});
