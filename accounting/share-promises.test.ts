// What miners and an operator are promised where share logs are read beside ckpool's counters, on pools that are
// never quiet, whose clocks jump, whose files fall and whose share logs are switched off.
import { statSync, truncateSync, unlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { integer, smallInteger } from '../shared/database/database.js';
import { logPosition } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import type { AccountingDaemon } from './daemon.js';
import { counterCounts } from './edges/cut-store.js';
import { loadShareState } from './edges/share-state.js';
import { createTestPool, type TestPool } from './pool.fixture.js';
import { countedWork, createProvablePool, incidentsOf, rest, roundsOf, type ProvablePool } from './provable-pool.fixture.js';

const anna = 'anna.rig' as NameBytes;
const bert = 'bert.rig' as NameBytes;
const patient = { pairing_wait_ms: 2_000 };

let pool: TestPool;
let played: ProvablePool;
beforeEach(async () => {
  pool = await createTestPool();
  played = createProvablePool(pool, { share_log: true, workers: [anna, bert] });
  played.pass();
});
afterEach(async () => { await pool.close(); });

const noise = (): void => pool.say('Possible block solve diff 12.3 !');
const scanned = async (): Promise<{ cursor: number; complete: number }> => {
  const [scan] = await pool.rows('chain_scan');
  return {
    cursor: smallInteger(scan!['cursor_height']),
    complete: scan!['complete_height'] === null ? -1 : smallInteger(scan!['complete_height']),
  };
};

describe('on a pool that is never quiet', () => {
  test('work that only the counters tell (-L is off) is counted with its pass, and is in the block that follows', async () => {
    const { ckpool, pass, solve, restart } = played;
    const daemon = await pool.start(patient);
    ckpool.share(anna, 8n);
    pass();
    await rest(pool, daemon);
    restart(false);
    const noisySeconds = async (seconds: number, each: () => void): Promise<void> => {
      for (let half = 0; half < 2 * seconds; half++) {
        each();
        noise();
        pool.clock.add(500);
        for (let step = 0; step < 4; step++) await daemon.step();
      }
    };
    let work = 0;
    for (let minute = 0; minute < 3; minute++) {
      await noisySeconds(30, () => { ckpool.share(bert, 8n); work += 8; });
      pass();
      await noisySeconds(6, () => undefined);
      expect(await countedWork(pool)).toEqual({ anna: 8, bert: work });
    }
    await solve(bert, { counted: false });
    await noisySeconds(20, () => undefined);
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'minute', anna: 8, bert: work } });
  });

  test('fifty shares a second keep neither the chain from being followed nor a block from its cut', async () => {
    const { ckpool, solve } = played;
    const daemon = await pool.start(patient);
    ckpool.share(anna, 8n);
    await rest(pool, daemon);
    ckpool.share(anna, 8n);
    await solve(bert);
    for (let step = 0; step < 1000; step++) {
      ckpool.share(anna, 8n);
      pool.clock.add(20);
      await daemon.step();
    }
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'exact', anna: 16, bert: 8 } });
    expect(await scanned()).toEqual({ cursor: 4, complete: 4 });
  });

  test.each([[1, 0], [1, 50], [20, 0], [20, 50]])('a quiet pool\'s block is complete within seconds (the node takes %i ms, a step %i ms)', async (node_ms, step_ms) => {
    const { ckpool, solve } = played;
    const { chainInfo } = pool.chain.node;
    const node = { ...pool.chain.node, chainInfo: () => { pool.clock.add(node_ms); return chainInfo(); } };
    const daemon = await pool.start({ ...patient, chain_period_ms: 20_000 }, { node });
    ckpool.share(anna, 8n);
    await solve(bert);
    const end_ms = pool.clock.monotonic_ms() + 10_000;
    while (pool.clock.monotonic_ms() < end_ms) {
      pool.clock.add(step_ms);
      if ((await daemon.step()) === 'idle') pool.clock.add(daemon.idle_ms);
    }
    expect(await scanned()).toEqual({ cursor: 4, complete: 4 });
  });

  test('with a block every second, rounds are complete a few blocks behind the tip', async () => {
    const { ckpool, solve } = played;
    const daemon = await pool.start(patient);
    ckpool.share(anna, 8n);
    await rest(pool, daemon);
    for (let second = 0; second < 30; second++) {
      ckpool.share(bert, 8n);
      await solve(anna);
      for (let step = 0; step < 15; step++) {
        await daemon.step();
        pool.clock.add(33);
      }
      if (second < 6) continue;
      const { cursor, complete } = await scanned();
      expect(cursor - complete).toBeLessThanOrEqual(5);
    }
  });

  test('`once` ends beside it, with everything decided that was there', async () => {
    const { ckpool, solve } = played;
    ckpool.share(anna, 8n);
    await solve(bert);
    const daemon = await pool.start({ once: true });
    let steps = 0;
    while ((await daemon.step()) === 'progress') {
      expect(steps += 1).toBeLessThan(100);
      ckpool.share(anna, 8n);
      noise();
      pool.clock.add(5);
    }
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'exact', anna: 8, bert: 8 } });
    expect(await scanned()).toEqual({ cursor: 4, complete: 4 });
  });
});

test('`once` ends without ckpool.log though the share logs prove a block, and says what it misses', async () => {
  await pool.untilIdle(await pool.start({ once: true }));
  await played.solve(anna, { line: false });
  unlinkSync(pool.log_file);
  const daemon = await pool.start({ once: true });
  let steps = 0;
  while ((await daemon.step()) === 'progress') expect(steps += 1).toBeLessThan(50);
  expect(daemon.waitsFor()).toEqual([expect.stringContaining('ckpool.log (key "logfile") does not exist')]);
});

describe('complete-to', () => {
  test('waits for shares that were written since they were read last: a block without a line is proved by them', async () => {
    const { ckpool, solve } = played;
    let armed = false;
    let found = false;
    // Just before the node names its tip: after the latest look at the share logs, and before the next is due.
    const chainInfo = async (): ReturnType<typeof pool.chain.node.chainInfo> => {
      if (armed && !found) {
        found = true;
        const { size } = statSync(pool.log_file);
        await solve(anna);
        truncateSync(pool.log_file, size); // Its line never reaches the log.
        pool.clock.add(-450);
      }
      return pool.chain.node.chainInfo();
    };
    const daemon = await pool.start({}, { node: { ...pool.chain.node, chainInfo } });
    ckpool.share(anna, 50n);
    await rest(pool, daemon);
    await pool.untilIdle(daemon);
    armed = true;
    for (let steps = 0; steps < 40; steps++) {
      await daemon.step();
      const decided = (await roundsOf(pool))[4] ?? null;
      if ((await scanned()).complete >= 4) expect(decided).not.toBeNull();
    }
    expect(found).toBe(true);
    await rest(pool, daemon);
    expect((await scanned()).complete).toBe(4);
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'exact', anna: 58 } });
  });
});

describe('fault 39: whatever the clocks say', () => {
  test('ckpool\'s clock stepping back two minutes counts nothing twice, and hides nothing that comes then', async () => {
    const { ckpool, pass, solve, restart } = played;
    const daemon = await pool.start(patient);
    ckpool.share(anna, 8n);
    pass();
    await rest(pool, daemon);
    for (let second = 0; second < 10; second++) {
      ckpool.share(anna, 50n, 'accepted', { arrived_ms: pool.clock.now_ms() + 120_000 });
      pool.clock.add(1_000);
      await daemon.step();
    }
    pass();
    await rest(pool, daemon);
    expect(await countedWork(pool)).toEqual({ anna: 508 });
    restart(false);
    ckpool.share(anna, 300n);
    pass();
    await rest(pool, daemon);
    expect(await countedWork(pool)).toEqual({ anna: 808 });
    expect(await incidentsOf(pool, 'share_log_gap')).toEqual([expect.stringMatching(/^300 shares/)]);
    restart(true);
    pool.clock.add(120_000);
    await solve(bert);
    pass();
    await rest(pool, daemon);
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'minute', anna: 808, bert: 8 } });
  });

  test('after a block whose share came with a time still to come, later blocks get all later work', async () => {
    const { ckpool, pass, solve } = played;
    const daemon = await pool.start();
    const future_ms = pool.clock.now_ms() + 8 * 3_600_000;
    ckpool.share(anna, 500n, 'accepted', { arrived_ms: future_ms });
    await solve(anna, { arrived_ms: future_ms + 1_000 });
    await rest(pool, daemon);
    for (let block = 0; block < 3; block++) {
      ckpool.share(anna, 100n);
      ckpool.share(bert, 100n);
      pool.clock.add(5_000);
      await solve(bert);
      pass();
      await rest(pool, daemon);
      pool.clock.add(60_000);
    }
    // Their shares seem to lie before the cut made last: their work is whole, and not called exact.
    const later = { quality: 'late', anna: 100, bert: 108 };
    expect(await roundsOf(pool)).toEqual({ 4: { quality: 'exact', anna: 508 }, 5: later, 6: later, 7: later });
  });

  describe('a log in another time zone than this process', () => {
    const zone = process.env['TZ'];
    afterEach(() => {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    });

    test.each(['Asia/Tokyo', 'America/New_York'])('a block without a share log line gets its work (%s)', async (other_zone) => {
      process.env['TZ'] = other_zone;
      expect(new Date(pool.clock.now_ms()).getTimezoneOffset()).not.toBe(0);
      const { ckpool, pass, solve } = played;
      const daemon = await pool.start();
      ckpool.share(anna, 1000n);
      await solve(anna);
      pass();
      await rest(pool, daemon);
      pool.clock.add(60_000);
      ckpool.share(bert, 1000n);
      pool.clock.add(10_000);
      await solve(anna, { counted: false });
      ckpool.share(anna, 5n);
      pass();
      await rest(pool, daemon);
      pool.clock.add(60_000);
      ckpool.share(anna, 10n);
      await solve(anna);
      pass();
      await rest(pool, daemon);
      expect(await roundsOf(pool)).toEqual({
        4: { quality: 'exact', anna: 1008 },
        5: { quality: 'minute', bert: 1000 },
        6: { quality: 'exact', anna: 23 },
      });
    });
  });
});

describe('a rise that a falling counter disputes', () => {
  async function counted(): Promise<AccountingDaemon> {
    const daemon = await pool.start(patient);
    played.ckpool.share(anna, 8n);
    played.pass();
    pool.pass('carl', 1000);
    await rest(pool, daemon);
    return daemon;
  }
  const fall = (): void => {
    pool.pass('carl', 6000);
    pool.pass('carl', 10);
  };

  test('is dropped, and told, where share logs were written in that minute', async () => {
    const daemon = await counted();
    played.ckpool.share(anna, 8n);
    fall();
    await rest(pool, daemon);
    expect(await countedWork(pool)).toMatchObject({ carl: 1000 });
    expect(await incidentsOf(pool, 'counters_differ')).toEqual([expect.stringContaining('5000')]);
    await played.solve(anna);
    await rest(pool, daemon);
    expect((await pool.rows('snapshots')).map((row) => row['dispute'])).toEqual(['none']);
  });

  test('is left to the operator where no share log was written in that minute', async () => {
    const daemon = await counted();
    played.restart(false);
    pool.clock.add(120_000);
    fall();
    await rest(pool, daemon);
    expect(await countedWork(pool)).toMatchObject({ carl: 6000 });
    await played.solve(anna, { counted: false });
    await rest(pool, daemon);
    expect((await pool.rows('snapshots')).map((row) => row['dispute'])).toEqual(['open']);
    expect((await pool.rows('snapshot_shares')).map((row) => integer(row['disputed_difference'])).filter((sum) => sum > 0n))
      .toEqual([5000n]);
  });

  test.each([0, 2_000])('does not stop the daemon while shares arrive (pairing after %i ms)', async (pairing_wait_ms) => {
    await counted();
    const daemon = await pool.start({ pairing_wait_ms });
    await rest(pool, daemon);
    fall();
    for (let step = 0; step < 200; step++) {
      if (step % 5 === 0) played.ckpool.share(anna, 8n);
      await daemon.step();
      pool.clock.add(20);
    }
    await rest(pool, daemon);
    expect(await countedWork(pool)).toEqual({ anna: 8 + 40 * 8, carl: 1000 });
  });
});

test('what the counters told at a line is looked up for those users only, as of the latest line up to it', async () => {
  const { ckpool, pass, solve } = played;
  const daemon = await pool.start();
  for (let block = 0; block < 3; block++) {
    ckpool.share(anna, 100n);
    if (block !== 1) ckpool.share(bert, 10n);
    pass();
    await solve(anna, { counted: false });
    await rest(pool, daemon);
    pool.clock.add(60_000);
  }
  const { counts } = (await loadShareState(pool.database))!;
  const lines = (await pool.rows('snapshots')).map((row) => integer(row['log_position'])).sort((a, b) => (a < b ? -1 : 1));
  const told = async (at: bigint, ...users: string[]): Promise<Record<string, number>> => {
    const asked = users.map((user) => counts.get(user as NameBytes)!);
    return Object.fromEntries([...await counterCounts(pool.database, logPosition(at), asked)]
      .map(([name, count]) => [name, Number(count)]));
  };
  expect(await told(lines[1]!, 'anna', 'bert')).toEqual({ anna: 200, bert: 10 });
  expect(await told(lines[1]!, 'bert')).toEqual({ bert: 10 });
  expect(await told(lines[2]! - 1n, 'anna')).toEqual({ anna: 200 });
  expect(await told(lines[2]!, 'anna', 'bert')).toEqual({ anna: 300, bert: 20 });
  expect(await told(lines[0]! - 1n, 'anna', 'bert')).toEqual({});
  expect(await told(lines[2]!)).toEqual({});
});
