// What an operator and miners are promised where share logs begin, pause, are taken away, and where a baseline is
// drawn: no work is lost, paid twice or given to a later block's round.
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../shared/database/database.js';
import { OutsideFailure } from '../shared/errors.js';
import type { NameBytes } from '../shared/username.js';
import type { AccountingDaemon } from './daemon.js';
import { createTestPool, type TestPool } from './pool.fixture.js';
import {
  askForBaseline, countedWork, createProvablePool, rest, roundsOf, type ProvablePool,
} from './provable-pool.fixture.js';

const anna = 'anna.rig' as NameBytes;
const bert = 'bert.rig' as NameBytes;

let pool: TestPool;
beforeEach(async () => { pool = await createTestPool(); });
afterEach(async () => { await pool.close(); });

const provable = (share_log: boolean): ProvablePool => createProvablePool(pool, { share_log, workers: [anna, bert] });
const steps = async (daemon: AccountingDaemon, count: number): Promise<void> => {
  for (let step = 0; step < count; step++) await daemon.step();
};

/** The pool's database; `happen` is called after each commit. */
const afterCommits = (happen: () => Promise<void>): Database => ({
  ...pool.database,
  knex: pool.database.knex,
  async transaction<T>(work: Parameters<Database['transaction']>[0]) {
    const result = await pool.database.transaction(work);
    await happen();
    return result as T;
  },
});

describe('when share logs begin', () => {
  test.each(['auto', 'counters'] as const)('blocks found while accounting was down each have their own work (share_source %s)', async (share_source) => {
    const { ckpool, pass, solve, restart } = provable(false);
    pass();
    ckpool.share(anna, 8n);
    ckpool.share(bert, 8n);
    pass();
    await rest(pool, await pool.start());
    pool.clock.add(60_000);
    restart(true);
    ckpool.share(anna, 1000n);
    pass();
    await solve(anna);
    pass();
    pool.clock.add(60_000);
    ckpool.share(bert, 1000n);
    pass();
    await solve(bert);
    pass();
    pool.clock.add(60_000);
    pass();
    const daemon = await pool.start({}, { config: { share_source } });
    await rest(pool, daemon);
    // By the counters a solving share belongs to the round that it begins.
    const by_counters = { 4: { quality: 'minute', anna: 1008, bert: 8 }, 5: { quality: 'minute', anna: 8, bert: 1000 } };
    expect(await roundsOf(pool)).toEqual(by_counters);
    pool.clock.add(60_000);
    ckpool.share(anna, 50n);
    pass();
    await solve(anna);
    pass();
    await rest(pool, daemon);
    const solving = share_source === 'auto' ? 8 : 0;
    expect(await roundsOf(pool)).toEqual({
      ...by_counters, 6: { quality: 'minute', anna: 50 + solving, bert: 8 },
    });
  });

  test('one step is enough beside a pool whose shares never pause, and each of them is counted once', async () => {
    const { ckpool, pass, solve, restart } = provable(false);
    pass();
    ckpool.share(anna, 8n);
    ckpool.share(bert, 8n);
    pass();
    await rest(pool, await pool.start());
    restart(true);
    ckpool.share(anna, 8n);
    let commits = 0;
    let added = 0;
    const database = afterCommits(async () => {
      commits += 1;
      if (commits >= 200) return;
      ckpool.share(anna, 1n);
      added += 1;
    });
    const daemon = await pool.start({}, { database });
    for (let step = 0; step < 5; step++) {
      const before = commits;
      await daemon.step();
      expect(commits - before).toBeLessThan(5);
    }
    expect(await pool.rows('share_log_source')).toMatchObject([{ state: 'active' }]);
    const again = await pool.start();
    await solve(bert);
    pass();
    await rest(pool, again);
    expect(await roundsOf(pool)).toMatchObject({ 4: { anna: 16 + added, bert: 16 } });
  });
});

describe('when a share log is compressed', () => {
  test('what was read of it counts once, and what it has grown since is counted too', async () => {
    const { ckpool, pass, solve } = provable(true);
    pass();
    ckpool.share(anna, 100n);
    pass();
    await rest(pool, await pool.start());
    expect(await countedWork(pool)).toMatchObject({ anna: 100 });
    ckpool.share(bert, 30n);
    const plain = readdirSync(pool.directory, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.sharelog')).map((file) => path.join(pool.directory, file));
    expect(plain).not.toEqual([]);
    ckpool.refresh(); // Shares go to another file from here on.
    for (const file of plain) {
      writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
      rmSync(file);
    }
    const daemon = await pool.start();
    await rest(pool, daemon);
    expect(await countedWork(pool)).toEqual({ anna: 100, bert: 30 });
    await solve(anna);
    pass();
    await rest(pool, daemon);
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'exact', anna: 108, bert: 30 } });
  });
});

describe('a baseline', () => {
  test.each([['before', 0], ['after', 6]])('covers what the counters told %s it was compared with share logs', async (_when, looks) => {
    const { ckpool, pass, solve, restart } = provable(true);
    pool.pass('anna', 1_000_000);
    restart(true);
    const daemon = await pool.start({ pairing_wait_ms: 2_000 });
    if (looks > 0) await rest(pool, daemon);
    await askForBaseline(pool);
    for (let step = 0; step < 60; step++) {
      await daemon.step();
      pool.clock.add(100);
    }
    expect(await pool.rows('snapshots')).toMatchObject([{ kind: 'baseline', total_difference: 1_000_000n }]);
    ckpool.share(bert, 8n);
    await solve(bert);
    pass();
    await rest(pool, daemon);
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'exact', bert: 16 } });
    expect(await countedWork(pool)).toEqual({ anna: 1_000_000, bert: 16 });
  });

  test.each([[true, 16], [false, 8]])('is paid to nobody though the answer to its COMMIT is lost (share logs: %s)', async (share_log, work) => {
    const { ckpool, pass, solve } = provable(share_log);
    pass();
    ckpool.share(anna, 1000n);
    pass();
    await rest(pool, await pool.start());
    let lost = false;
    const database = afterCommits(async () => {
      if (lost || (await pool.rows('snapshots')).length === 0) return;
      lost = true;
      throw new OutsideFailure('unknown', 'database', 'connection lost at commit');
    });
    const daemon = await pool.start({}, { database });
    await rest(pool, daemon);
    await askForBaseline(pool);
    pool.clock.add(3_000);
    await expect(rest(pool, daemon)).rejects.toThrow('connection lost at commit');
    await rest(pool, daemon);
    ckpool.share(bert, 8n);
    pass();
    await solve(bert);
    pass();
    await rest(pool, daemon);
    expect(await pool.rows('accounting_outcomes')).toMatchObject([{ outcome: 'done' }]);
    expect((await pool.rows('snapshots')).map((row) => [row['kind'], row['total_difference']]))
      .toEqual([['baseline', 1000n], ['block', BigInt(work)]]);
    expect(await roundsOf(pool)).toEqual({ 4: { quality: share_log ? 'exact' : 'minute', bert: work } });
  });
});

describe('when share logs pause or go away', () => {
  /** A block is found and not decided yet; a share came after it. */
  async function undecided(): Promise<ProvablePool & { daemon: AccountingDaemon }> {
    const provable_pool = provable(true);
    const { ckpool, pass, solve } = provable_pool;
    pass();
    const daemon = await pool.start({ pairing_wait_ms: 2_000 });
    ckpool.share(anna, 1000n);
    pass();
    await rest(pool, daemon);
    await solve(anna);
    ckpool.share(bert, 50n);
    await steps(daemon, 5);
    expect(await roundsOf(pool)).toEqual({ 4: null });
    return { ...provable_pool, daemon };
  }

  test('a block that waits for its cut gets no work that came after it, and the next one does', async () => {
    const { pass, solve } = await undecided();
    const daemon = await pool.start({ pairing_wait_ms: 2_000 }, { config: { share_source: 'counters' } });
    await rest(pool, daemon);
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'minute', anna: 1008 } });
    pass();
    await solve(anna);
    pass();
    await rest(pool, daemon);
    expect(await roundsOf(pool)).toMatchObject({ 4: { anna: 1008 }, 5: { quality: 'minute', bert: 50 } });
  });

  /** The share logs as they were, and out of the daemon's sight. */
  function takeAway(): () => void {
    const heights = readdirSync(pool.directory).filter((name) => /^[0-9a-f]{8}$/.test(name));
    const kept = heights.flatMap((height) => readdirSync(path.join(pool.directory, height)).map((name) => {
      const file = path.join(pool.directory, height, name);
      return { file, bytes: readFileSync(file) };
    }));
    for (const height of heights) rmSync(path.join(pool.directory, height), { recursive: true });
    return () => {
      for (const height of heights) mkdirSync(path.join(pool.directory, height));
      for (const { file, bytes } of kept) writeFileSync(file, bytes);
    };
  }

  /** A share log that is still needed is taken away: the daemon complains, and reads the log nevertheless. */
  async function complaint(daemon: AccountingDaemon): Promise<string> {
    let said = '';
    for (let look = 0; look < 20; look++) {
      pool.clock.add(500);
      await daemon.step().catch((failure: unknown) => { said = String(failure); });
    }
    const lines = (await pool.rows('snapshots')).length;
    pool.say('Solved and confirmed block 99 by mallory');
    for (let look = 0; look < 5; look++) await daemon.step().catch(() => undefined);
    expect(await pool.rows('snapshots')).toHaveLength(lines + 1);
    return said;
  }

  test('a share log that is still needed is named, and its block waits until it is put back: then it is exact', async () => {
    const { daemon } = await undecided();
    const putBack = takeAway();
    expect(await complaint(daemon)).toMatch(/0000000\d\/[0-9a-f]{16}\.sharelog .*is gone.*put it back/);
    expect(await roundsOf(pool)).toEqual({ 4: null });
    putBack();
    await rest(pool, daemon);
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'exact', anna: 1008 } });
  });

  test('a share log that nobody can put back holds up no block for ever: share_source "counters" decides it', async () => {
    const { daemon } = await undecided();
    takeAway();
    expect(await complaint(daemon)).toContain('set parser.share_source to "counters"');
    await rest(pool, await pool.start({ pairing_wait_ms: 2_000 }, { config: { share_source: 'counters' } }));
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'minute', anna: 1008, bert: 50 } });
  });
});

/** The test's clock is ahead of the disk's: its files look as old as they are. */
function writtenJustNow(): void {
  const now_seconds = pool.clock.now_ms() / 1000;
  for (const height of readdirSync(pool.directory).filter((name) => /^[0-9a-f]{8}$/.test(name))) {
    for (const file of readdirSync(path.join(pool.directory, height))) {
      utimesSync(path.join(pool.directory, height, file), now_seconds, now_seconds);
    }
  }
}

test('a block of the pause that is decided after it has all that was counted before it', async () => {
  const { ckpool, pass, solve } = provable(true);
  const patient = { pairing_wait_ms: 2_000 };
  pass();
  let daemon = await pool.start(patient);
  ckpool.share(anna, 8n);
  pass();
  await solve(anna);
  await rest(pool, daemon);
  ckpool.share(anna, 500n); // Counted by its share log, in no round yet.
  pass();
  await rest(pool, daemon);
  daemon = await pool.start(patient, { config: { share_source: 'counters' } });
  await rest(pool, daemon);
  pool.clock.add(60_000);
  ckpool.share(anna, 1_000n);
  pass();
  await rest(pool, daemon);
  await solve(bert);
  ckpool.share(anna, 700n);
  pass();
  pool.clock.add(20_000);
  writtenJustNow();
  daemon = await pool.start(patient, { config: { share_source: 'auto' } });
  await rest(pool, daemon);
  expect((await roundsOf(pool))[5]).toMatchObject({ anna: 1_500 });
});
