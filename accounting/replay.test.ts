// `replay` promises that the log and the stored readings give the rows that were written live, whatever
// happened in between.
import { gzipSync } from 'node:zlib';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { recordRequest } from '../shared/database/requests.js';
import { createTestPool, userLine, type TestPool } from './pool.fixture.js';

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
