// `replay` promises that the log and the stored readings give the rows that were written live, whatever
// happened in between.
import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openAccounting } from '../lab/accounting.js';
import { serveRecordedChain } from '../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../lab/recordings.js';
import { systemClock } from '../shared/clock.js';
import type { Database } from '../shared/database/database.js';
import { recordRequest } from '../shared/database/requests.js';
import { openLogFiles } from './edges/log-files.js';
import { loadLogState } from './edges/log-state.js';
import { openShareLogs } from './edges/share-log-files.js';
import { createTestPool, userLine, type TestPool } from './pool.fixture.js';
import { replayShares } from './replay-shares.js';
import { replayLog } from './replay.js';

let pool: TestPool;
beforeEach(async () => { pool = await createTestPool(); });
afterEach(async () => { await pool.close(); });

const solved = (height: number): string => `Solved and confirmed block ${height} by anna.rig`;
const baseline = () => recordRequest(pool.database, { daemon: 'accounting', action: 'baseline', arguments: {}, requested_by: 'test' });

describe('live and replay agree', () => {
  test('after a baseline, also with work before and after it', async () => {
    pool.pass('anna', 100);
    pool.say(solved(7));
    pool.pass('anna', 130);
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    await baseline();
    pool.clock.add(2_001);
    await pool.untilIdle(daemon);
    pool.pass('anna', 170);
    pool.say(solved(8));
    await pool.untilIdle(daemon);
    const snapshots = await pool.rows('snapshots');
    expect(snapshots.map((row) => [row['kind'], row['total_difference']])).toEqual([['block', 100n], ['baseline', 30n], ['block', 40n]]);
    expect((await pool.replay()).differences).toEqual([]);
  });

  test('where two readings stand at one place of the log: no line is lost between them', async () => {
    pool.file('anna', 100);
    pool.say('Possible block solve diff 2048.100000 !', userLine('bert', 5));
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    pool.file('anna', 120);
    await pool.database.knex('share_readings').insert({
      log_position: (await pool.rows('share_readings'))[0]!['log_position'], kind: 'sample', read_at: '2026-11-20 09:00:00.000',
    });
    pool.say(solved(7));
    await pool.untilIdle(daemon);
    expect((await pool.replay()).differences).toEqual([]);
  });

  test('where lines named a user without a file, who logs in later', async () => {
    pool.pass('anna', 100);
    pool.say(userLine('bert', 9_000), solved(7));
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    pool.pass('bert', 40);
    pool.say(solved(8));
    await pool.untilIdle(daemon);
    expect(await pool.counts()).toEqual({ anna: 100n, bert: 40n });
    expect((await pool.replay()).differences).toEqual([]);
  });

  test('where more lines than one look takes hold one that does not rise: it is judged with the same others', async () => {
    const lines = (from: number, count: number): string[] =>
      Array.from({ length: count }, (_, index) => userLine('bea', from + index));
    pool.pass('anna', 100);
    pool.pass('bea', 5);
    pool.say('Solved and confirmed block 7 by anna.rig');
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    pool.clock.add(61_000);
    pool.say(...lines(6, 9_700), userLine('anna', 110), userLine('anna', 400), ...lines(9_706, 600));
    pool.say(...[120, 130, 140, 150].map((counter) => userLine('anna', counter)));
    pool.say('Solved and confirmed block 8 by anna.rig');
    pool.pass('anna', 500);
    pool.pass('bea', 20_000);
    await pool.untilIdle(daemon);
    expect(await pool.replay()).toMatchObject({ snapshots: 2, differences: [] });
  });

  test('over files that were rotated and compressed since', async () => {
    pool.pass('anna', 100);
    pool.say(solved(7));
    await pool.untilIdle(await pool.start({ once: true }));
    renameSync(pool.log_file, `${pool.log_file}.1`);
    pool.clock.add(60_000);
    pool.pass('anna', 150);
    pool.say(solved(8));
    await pool.untilIdle(await pool.start({ once: true }));
    writeFileSync(`${pool.log_file}.1.gz`, gzipSync(readFileSync(`${pool.log_file}.1`)));
    rmSync(`${pool.log_file}.1`);
    const result = await pool.replay();
    expect(result).toMatchObject({ snapshots: 2, rows: 2, differences: [] });
  });
});

describe('a baseline', () => {
  test('does not stand in the way of a block line that follows at once', async () => {
    pool.pass('anna', 100);
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    await baseline();
    pool.clock.add(2_001);
    await pool.untilIdle(daemon);
    pool.say(solved(7));
    await pool.untilIdle(daemon);
    expect((await pool.rows('snapshots')).map((row) => row['kind'])).toEqual(['baseline', 'block']);
    expect((await pool.replay()).differences).toEqual([]);
  });
});

interface StoredRow {
  readonly snapshot_id: number;
  readonly user_id: number;
}

/** The busy pool with its share logs, read through once into the test pool's database. */
describe('the rounds of a recorded pool, rebuilt from its share logs', () => {
  let busy: Recording;
  let database: Database;
  beforeEach(async () => {
    busy = await unpackRecording('busy');
    database = pool.database;
    const node = await serveRecordedChain(busy.chain_directory);
    const { log_directory, log_file } = busy;
    const run = await openAccounting({
      database, log_directory, log_file, login: node.login, pool_address: 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru',
    });
    expect(await run.untilIdle()).toBe(true);
    await run.close();
    await node.close();
  });
  afterEach(() => busy.remove());

  const shareLogFiles = (): string[] => readdirSync(busy.log_directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sharelog')).sort().map((name) => path.join(busy.log_directory, name));

  async function replay(limits?: { rows_max: number; rounds_max: number }) {
    const { log_directory, log_file } = busy;
    const { cursors } = await loadLogState(database);
    const log_files = openLogFiles({ log_file, quiet_ms: 0, once: true, clock: systemClock });
    const share_logs = openShareLogs({ log_directory, clock: systemClock });
    const log = await replayLog(database, cursors, log_files, () => undefined);
    const shares = (await replayShares(database, share_logs, () => undefined, limits))!;
    await log_files.close();
    share_logs.close();
    return { ...shares, log_differences: log.differences };
  }

  const agreed = { rounds: 44, solving_shares: 44, differences: [], notes: [], log_differences: [] };

  test('are those of the database, however many are held in memory at a time', async () => {
    expect(await replay()).toMatchObject(agreed);
    expect(await replay({ rows_max: 1, rounds_max: 1 })).toMatchObject(agreed);
    expect(await replay({ rows_max: 1_000, rounds_max: 3 })).toMatchObject(agreed);
  });

  test('also from share logs that were compressed, and that have grown since', async () => {
    for (const file of shareLogFiles()) {
      if (file.includes('0000007')) execFileSync('gzip', [file]);
      else appendFileSync(file, readFileSync(file));
    }
    expect(await replay()).toMatchObject(agreed);
  });

  test('a row that was changed is found, on both sides of the work that was moved', async () => {
    const [row] = await database.knex<StoredRow>('snapshot_shares').where('difference', '>', 50).orderBy('snapshot_id');
    const next = await database.knex<StoredRow>('snapshot_shares').where('user_id', row!.user_id).where('snapshot_id', '>', row!.snapshot_id)
      .orderBy('snapshot_id').first();
    await database.knex('snapshot_shares').where({ snapshot_id: row!.snapshot_id, user_id: row!.user_id }).decrement({ difference: 7, share_count: 7 });
    const { differences } = await replay();
    expect(differences).toHaveLength(2);
    expect(differences[0]).toMatch(new RegExp(`^snapshot ${next!.snapshot_id}, .*: count \\d+, the differences behind it|^snapshot ${row!.snapshot_id}, `));
    expect(differences.some((sentence) => / difference \d+, the share logs give \d+$/.test(sentence))).toBe(true);
    // Moved as a whole: the sums agree, the work of the two rounds does not.
    await database.knex('snapshot_shares').where({ snapshot_id: next!.snapshot_id, user_id: row!.user_id }).increment({ difference: 7 });
    const moved = (await replay()).differences;
    expect(moved).toHaveLength(2);
    for (const sentence of moved) expect(sentence).toMatch(/: difference \d+, the share logs give \d+$/);
  });

  test('a row that is missing is found', async () => {
    const [row] = await database.knex<StoredRow>('snapshot_shares').orderBy('snapshot_id', 'desc');
    await database.knex('snapshot_shares').where({ snapshot_id: row!.snapshot_id, user_id: row!.user_id }).delete();
    expect((await replay()).differences.join('\n')).toMatch(/difference none, the share logs give \d+/);
  });

  test('a changed finder, and a line that was rewritten in the share log, are found', async () => {
    const [row] = await database.knex<{ block_hash: string; height: number; workinfoid: string; file_offset: number }>('solving_shares').orderBy('height');
    await database.knex('solving_shares').where('block_hash', row!.block_hash).update({ worker: Buffer.from('mallory.rig') });
    expect((await replay()).differences).toEqual([expect.stringMatching(/^block \d+: .*, the block is proven to be mallory\.rig's$/)]);
    const file = path.join(busy.log_directory, row!.height.toString(16).padStart(8, '0'), `${row!.workinfoid}.sharelog`);
    const bytes = readFileSync(file);
    bytes[Number(row!.file_offset)] = 0x20;
    writeFileSync(file, bytes);
    expect((await replay()).differences.join('\n')).toContain('no share begins there');
  });

  test('what the counters gave at a line is compared as well', async () => {
    const [row] = await database.knex<StoredRow>('counter_shares');
    await database.knex('counter_shares').where({ snapshot_id: row!.snapshot_id, user_id: row!.user_id }).decrement({ difference: 1 });
    const { differences, log_differences } = await replay();
    expect(differences).toEqual([]);
    expect(log_differences).toEqual([expect.stringMatching(/ by the counters: difference \d+, replay finds \d+$/)]);
  });

  test('share logs that were pruned are no difference: how many rounds they cost is told', async () => {
    const heights = [...new Set(shareLogFiles().map((file) => path.dirname(file)))];
    for (const directory of heights.slice(0, 10)) rmSync(directory, { recursive: true });
    const result = await replay();
    expect(result.differences).toEqual([]);
    expect(result.rounds).toBeGreaterThan(20);
    const gone = 44 - result.rounds;
    expect(result.notes).toEqual([
      expect.stringMatching(new RegExp(`^${gone} round\\(s\\) cannot be rebuilt from share logs: share logs that they were counted from are gone \\(\\d+ in all\\)$`)),
      expect.stringMatching(/^\d+ solving share\(s\) cannot be looked up/),
    ]);
  });

  test('a share log that became shorter is a difference', async () => {
    const [file] = shareLogFiles().filter((one) => readFileSync(one).length > 1_000);
    writeFileSync(file!, readFileSync(file!).subarray(0, 900));
    expect((await replay()).differences[0]).toMatch(/ends after 900 bytes, \d+ were counted$/);
  });

  test('a share that was slipped into a share log afterwards is found', async () => {
    const file = shareLogFiles().find((one) => readFileSync(one, 'latin1').includes('"result": false'))!;
    const text = readFileSync(file, 'latin1');
    const [rejected] = /[^\n]*"result": false[^\n]*/.exec(text)!;
    // Of the same length, so that no offset moves.
    const accepted = rejected.replace(/"diff": (\d)/, '"diff": 9').replace('"result": false', '"result": true ');
    writeFileSync(file, Buffer.from(text.replace(rejected, accepted), 'latin1'));
    const { differences } = await replay();
    expect(differences.length).toBeGreaterThan(0);
  });
});
