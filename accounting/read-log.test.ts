// What the log reader promises when files, lines and processes come and go. Each test writes as ckpool does.
import { appendFileSync, readFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestPool, userLine, type TestPool } from './pool.fixture.js';

let pool: TestPool;
beforeEach(async () => { pool = await createTestPool(); });
afterEach(async () => { await pool.close(); });

const noise = (count: number): string[] => Array.from({ length: count }, () => 'Possible block solve diff 2048.100000 !');
const ofKind = async (kind: string) => (await pool.rows('incidents')).filter((row) => row['kind'] === kind);

describe('a reading stored ahead of a long stretch', () => {
  test('bounds only the lines that it was read after: later true lines are counted in full', async () => {
    pool.pass('anna', 100);
    pool.say(...noise(100));
    const daemon = await pool.start({ chunk_bytes: 2_000 });
    await daemon.step(); // The reading is stored; nothing is applied yet.
    pool.pass('anna', 250);
    pool.say('Solved and confirmed block 7 by anna.rig');
    await pool.untilIdle(daemon);
    expect(await pool.counts()).toEqual({ anna: 250n });
    expect(await pool.rows('snapshots')).toMatchObject([{ total_difference: 250n }]);
    expect(await ofKind('line_dropped')).toEqual([]);
    expect((await pool.replay()).differences).toEqual([]);
  });

  test('is given up when the stretch is lost: the next log is not judged by it', async () => {
    pool.pass('anna', 100);
    pool.say(...noise(200));
    const first = await pool.start({ chunk_bytes: 2_000 });
    await first.step();
    await first.step();
    truncateSync(pool.log_file, 0);
    pool.pass('anna', 400);
    pool.say('Solved and confirmed block 7 by anna.rig');
    const second = await pool.start({ chunk_bytes: 2_000 });
    await pool.untilIdle(second);
    expect(await pool.counts()).toEqual({ anna: 400n });
    expect(await ofKind('line_dropped')).toEqual([]);
    const third = await pool.start();
    pool.pass('anna', 450);
    await pool.untilIdle(third);
    expect(await pool.counts()).toEqual({ anna: 450n });
  });
});

describe('a rotation', () => {
  test('that compresses a log which was read half has every line of it read once', async () => {
    pool.pass('anna', 100);
    pool.say('Solved and confirmed block 7 by anna.rig');
    await pool.untilIdle(await pool.start());
    pool.pass('anna', 130);
    pool.say('Solved and confirmed block 8 by anna.rig');
    writeFileSync(`${pool.log_file}.1.gz`, gzipSync(readFileSync(pool.log_file)));
    unlinkSync(pool.log_file);
    pool.pass('anna', 150);
    pool.say('Solved and confirmed block 9 by anna.rig');
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    pool.clock.add(120_000);
    await pool.untilIdle(daemon);
    expect((await pool.rows('snapshots')).map((row) => [row['height'], row['total_difference']])).toEqual([[7n, 100n], [8n, 30n], [9n, 20n]]);
    expect(await ofKind('log_gap')).toEqual([]);
  });
});

describe('work that no line tells of', () => {
  test('a file that was unreadable is caught up after a restart, though its user is idle by then', async () => {
    pool.pass('anna', 100);
    await pool.untilIdle(await pool.start());
    pool.file('anna', '');
    pool.say(userLine('anna', 180));
    await pool.untilIdle(await pool.start());
    expect(await pool.counts()).toEqual({ anna: 100n });
    pool.file('anna', 180);
    pool.say(...noise(1));
    await pool.untilIdle(await pool.start());
    expect(await pool.counts()).toEqual({ anna: 180n });
  });

  test('a user whose lines were all lost while the disk was full is counted within the hour', async () => {
    pool.pass('anna', 100);
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    pool.file('bert', 77);
    pool.clock.add(3_600_001);
    pool.pass('anna', 101);
    await pool.untilIdle(daemon);
    expect(await pool.counts()).toEqual({ anna: 101n, bert: 77n });
  });

  test('a file that stays empty for ever costs one look a minute and no rows', async () => {
    pool.pass('anna', 100);
    pool.file('ghost', '');
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    const before = (await pool.rows('share_readings')).length;
    const started_ms = Date.now();
    for (let line = 0; line < 20; line++) {
      pool.clock.add(1_100);
      pool.say(...noise(1));
      await pool.untilIdle(daemon);
    }
    expect(Date.now() - started_ms).toBeLessThan(2_500);
    expect((await pool.rows('share_readings')).length).toBe(before);
  });
});

describe('a gap in the log', () => {
  test('is one incident and one warning, and all files are read, those of users without a line too', async () => {
    pool.pass('anna', 100);
    pool.say(...noise(50));
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    truncateSync(pool.log_file, 0);
    pool.file('bert', 5);
    pool.say(...noise(3));
    await pool.untilIdle(daemon);
    pool.say(...noise(3));
    await pool.untilIdle(daemon);
    expect(await ofKind('log_gap')).toHaveLength(1);
    expect(pool.warnings).toHaveLength(1);
    expect(await pool.counts()).toEqual({ anna: 100n, bert: 5n });
  });

  test('before a long stretch is one incident and one warning too', async () => {
    pool.pass('anna', 100);
    pool.say(...noise(50));
    await pool.untilIdle(await pool.start());
    truncateSync(pool.log_file, 0);
    pool.say(...noise(20));
    pool.pass('anna', 130);
    pool.say(...noise(20));
    await pool.untilIdle(await pool.start({ chunk_bytes: 400 }));
    expect(await ofKind('log_gap')).toHaveLength(1);
    expect(pool.warnings).toHaveLength(1);
    expect(await pool.counts()).toEqual({ anna: 130n });
  });

  test('that is lines in a finished file is told once, also on a quiet log and after a restart', async () => {
    pool.pass('anna', 100);
    const rotated = path.join(pool.directory, 'ckpool.log.1');
    const daemon = await pool.start({ once: true });
    await pool.untilIdle(daemon);
    renameSync(pool.log_file, rotated);
    pool.pass('anna', 110);
    await pool.untilIdle(await pool.start({ once: true }));
    const { appendFileSync } = await import('node:fs');
    appendFileSync(rotated, '[2026-11-20 09:00:00.000] late\n');
    await pool.untilIdle(await pool.start({ once: true }));
    await pool.untilIdle(await pool.start({ once: true }));
    expect(await ofKind('log_gap')).toHaveLength(1);
  });
});

describe('hearsay', () => {
  test('the largest count there is, forged before a counter falls, does not stop accounting', async () => {
    pool.pass('anna', 100);
    pool.pass('bert', 100);
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    for (const user of ['anna', 'bert']) {
      pool.say(userLine(user, 9_223_372_036_854_775_807n));
      pool.pass(user, 40);
    }
    pool.say('Solved and confirmed block 7 by anna.rig');
    await pool.untilIdle(daemon);
    expect(await pool.counts()).toEqual({ anna: 100n, bert: 100n });
    expect(await pool.rows('snapshots')).toHaveLength(1);
  });
});

describe('commits', () => {
  test('noise alone moves the cursor at most once a second', async () => {
    pool.pass('anna', 100);
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    let commits = 0;
    const counting = { ...pool.database, transaction: async <T>(work: Parameters<typeof pool.database.transaction<T>>[0]) => { commits += 1; return pool.database.transaction(work); } };
    const counted = await pool.start({ chain_period_ms: 60_000 }, { database: counting });
    pool.say(...noise(1));
    await pool.untilIdle(counted);
    const before = commits;
    for (let line = 0; line < 50; line++) {
      pool.clock.add(20);
      pool.say(...noise(1));
      await pool.untilIdle(counted);
    }
    expect(commits - before).toBeLessThanOrEqual(2);
    pool.clock.add(1_000);
    await pool.untilIdle(counted);
    const [cursor] = await pool.rows('log_cursors');
    const { statSync } = await import('node:fs');
    expect(cursor).toMatchObject({ file_offset: BigInt(statSync(pool.log_file).size) });
  });
});

describe('names', () => {
  test('that are no UTF-8, and would look the same as text, are users of their own from their first line on (D-28)', async () => {
    const names = [Buffer.from([0x31, 0xff]), Buffer.from([0x31, 0xfe])];
    const pass = (...counts: number[]): void => counts.forEach((count, index) => {
      const file = Buffer.concat([Buffer.from(path.join(pool.directory, 'users/')), names[index]!]);
      writeFileSync(file, `{"lastupdate": 1, "shares": ${count}}\n`);
      appendFileSync(pool.log_file, Buffer.from(`[2026-11-20 09:00:00.000] User ${names[index]!.toString('latin1')}:{"shares": ${count}}\n`, 'latin1'));
    });
    const daemon = await pool.start();
    pass(10, 3);
    pool.say('Solved and confirmed block 7 by x');
    await pool.untilIdle(daemon);
    pass(15, 4);
    pool.say('Solved and confirmed block 8 by x');
    await pool.untilIdle(daemon);
    expect(await pool.counts()).toEqual({ '1\xff': 15n, '1\xfe': 4n });
    const rows = await pool.database.knex('snapshot_shares').join('users', 'users.id', 'user_id')
      .orderBy(['snapshot_id', 'name']).select<{ name: Buffer; difference: bigint }[]>('name', 'difference');
    expect(rows.map(({ name, difference }) => [name.toString('latin1'), difference]))
      .toEqual([['1\xfe', 3n], ['1\xff', 10n], ['1\xfe', 1n], ['1\xff', 5n]]);
  });
});

describe('at log level 4', () => {
  test('live, a block counts as timed to the minute, also while the log never pauses; after a downtime it is late', async () => {
    pool.file('anna', 100);
    pool.say(...noise(3));
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    for (let minute = 1; minute <= 5; minute++) {
      pool.clock.add(60_000);
      pool.file('anna', 100 + minute * 10);
      pool.say(...noise(3));
      await daemon.step(); // Never idle: the log grows between any two moves.
    }
    pool.clock.add(30_000);
    pool.say('Solved and confirmed block 7 by anna.rig');
    await pool.untilIdle(daemon);
    pool.clock.add(600_000);
    pool.say('Solved and confirmed block 8 by anna.rig');
    pool.file('anna', 900);
    await pool.untilIdle(await pool.start());
    const snapshots = await pool.rows('snapshots');
    expect(snapshots.map((row) => [row['height'], row['quality'], row['total_difference']])).toEqual([[7n, 'minute', 150n], [8n, 'late', 0n]]);
    expect((await pool.replay()).differences).toEqual([]);
  });
});

test('a flood of forged lines is gone through in small commits, and true lines among them count', async () => {
  const forged = (count: number) => Array.from({ length: count }, (_, index) => userLine(`ghost${index}`, index));
  pool.pass('anna', 100);
  pool.say(...forged(25_000));
  pool.pass('anna', 250);
  pool.say('Solved and confirmed block 7 by anna.rig', ...forged(25_000));
  pool.pass('anna', 300);
  const daemon = await pool.start();
  await daemon.step();
  expect(await pool.counts()).toEqual({ anna: 0n }); // The reading is stored; nothing is applied yet.
  await pool.untilIdle(daemon);
  expect(await pool.counts()).toEqual({ anna: 300n });
  expect(await pool.rows('snapshots')).toMatchObject([{ total_difference: 250n }]);
  const dropped = await ofKind('line_dropped');
  expect(dropped.length).toBeLessThan(10);
  expect(dropped.reduce((sum, row) => sum + Number(row['occurrences']), 0)).toBe(50_000);
  expect((await pool.replay()).differences).toEqual([]);
});
