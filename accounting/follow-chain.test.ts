// What the chain follower promises while the chain moves, the node fails and the log lags behind.
import { appendFileSync, renameSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSimulatedNode } from '../lab/simulated-node.js';
import type { ChainNode } from '../shared/bitcoind/node.js';
import { ConfigurationFault, OutsideFailure } from '../shared/errors.js';
import { blockHeight, type BlockHash } from '../shared/units.js';
import { createTestPool, userLine, type TestPool } from './pool.fixture.js';

let pool: TestPool;
beforeEach(async () => {
  pool = await createTestPool();
  pool.chain.mine(10, pool.chain.foreignAddress());
  pool.say('Possible block solve diff 2048.100000 !');
});
afterEach(async () => { await pool.close(); });

const solved = (height: number, by = 'anna.rig'): string => `Solved and confirmed block ${height} by ${by}`;
const changed = (hash: string): string => `Block hash changed to ${hash}`;
const scan = async () => (await pool.rows('chain_scan'))[0]!;
const mineOwn = () => pool.chain.mineBlock({ pays: pool.pool_address });
const active = async (): Promise<Record<string, unknown>> =>
  Object.fromEntries((await pool.rows('blocks')).map((row) => [row['hash'], row['active']]));

/** The node's own answers, with something happening before one of them. */
function before(method: keyof ChainNode, happen: (call: number) => void): ChainNode {
  const { node } = pool.chain;
  let calls = 0;
  return { ...node, [method]: async (...args: never[]) => {
    happen(calls += 1);
    return (node[method] as (...all: never[]) => Promise<unknown>)(...args);
  } };
}

describe('--once', () => {
  test('after a reorg goes on to the new tip before it ends', async () => {
    await pool.untilIdle(await pool.start({ once: true }));
    const lost = mineOwn();
    await pool.untilIdle(await pool.start({ once: true }));
    pool.chain.reorg(1, 2, pool.chain.foreignAddress());
    const kept = mineOwn();
    await pool.untilIdle(await pool.start({ once: true, chain_period_ms: 20_000 }));
    expect(await active()).toEqual({ [lost]: 0n, [kept]: 1n });
    expect(await scan()).toMatchObject({ complete_hash: kept });
  });

  test('does not call it done when the node failed in the middle', async () => {
    await pool.untilIdle(await pool.start({ once: true }));
    const own = mineOwn();
    let failed = false;
    const node = before('blockWithCoinbase', () => {
      if (failed) return;
      failed = true;
      throw new OutsideFailure('retry', 'node', 'no answer');
    });
    const daemon = await pool.start({ once: true, chain_period_ms: 20_000 }, { node });
    await expect(pool.untilIdle(daemon)).rejects.toThrow('no answer');
    await pool.untilIdle(daemon);
    expect(await scan()).toMatchObject({ complete_hash: own });
  });
});

describe('complete-to', () => {
  test('is a tip that was read before the log was: lines written after it wait for the next', async () => {
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    const own = mineOwn();
    pool.pass('anna', 50);
    const seen: unknown[] = [];
    const node = before('chainTips', () => {
      // Written after the tip was read: too late for this look.
      if (seen.length === 0) pool.say(solved(12));
      seen.push(1);
    });
    const second = await pool.start({}, { node });
    let published: unknown = null;
    for (let steps = 0; published !== own && steps < 50; steps++) {
      await second.step();
      published = (await scan())['complete_hash'];
    }
    const [line] = (await pool.rows('snapshots')).filter((row) => row['height'] === 12n);
    expect(line === undefined || line['state'] === 'pending').toBe(true);
  });

  test('is not published while a newer file waits for the renamed one, and no pair is made', async () => {
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    pool.say(solved(11, 'mallory.rig'));
    await pool.untilIdle(daemon);
    const { complete_hash: published } = await scan();
    renameSync(pool.log_file, `${pool.log_file}.1`);
    appendFileSync(`${pool.log_file}.1`, '[2026-11-20 09:00:00.000] Possible block solve diff 2048.1 !\n');
    const own = mineOwn();
    pool.say(solved(11), changed(own));
    for (let second = 0; second < 20; second++) {
      pool.clock.add(1_000);
      await pool.untilIdle(daemon);
    }
    expect(await scan()).toMatchObject({ complete_hash: published });
    expect(await pool.rows('blocks')).toMatchObject([{ hash: own, snapshot_id: null }]);
    for (let second = 0; second < 70; second++) {
      pool.clock.add(1_000);
      await pool.untilIdle(daemon);
    }
    const paired = await pool.rows('blocks');
    const lines = await pool.rows('snapshots');
    expect(String(lines.find((row) => row['id'] === paired[0]!['snapshot_id'])!['finder'])).toBe('anna.rig');
    expect(await scan()).toMatchObject({ complete_hash: own });
  });

  test('is always a block that was looked at, also when the tip changed in between', async () => {
    await pool.untilIdle(await pool.start());
    mineOwn();
    let moved = false;
    const node = before('blockWithCoinbase', () => {
      if (moved) return;
      moved = true;
      pool.chain.invalidate(pool.chain.mineBlock({ pays: pool.pool_address }));
      pool.chain.reorg(1, 2, pool.chain.foreignAddress());
    });
    const daemon = await pool.start({}, { node });
    for (let steps = 0; steps < 60; steps++) {
      await daemon.step();
      const { complete_hash: complete, complete_height: height } = await scan();
      const looked = (await scan())['cursor_hash'];
      if (height === (await scan())['cursor_height']) expect(complete).toBe(looked);
    }
  });

  test('never names a block that came while the tip before it was looked at', async () => {
    await pool.untilIdle(await pool.start());
    mineOwn();
    const node = before('chainTips', (call) => { if (call <= 3) mineOwn(); });
    const daemon = await pool.start({}, { node });
    for (let steps = 0; steps < 80; steps++) {
      await daemon.step();
      const { complete_height, cursor_height } = await scan();
      expect(Number(complete_height)).toBeLessThanOrEqual(Number(cursor_height));
    }
    expect(await scan()).toMatchObject({ complete_height: 14n });
  });

  test('is not moved, and no line judged, by a node that is catching up', async () => {
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    const { complete_hash } = await scan();
    pool.chain.conditions.initial_download = true;
    const own = mineOwn();
    pool.say(solved(11), solved(12));
    await pool.untilIdle(daemon);
    pool.clock.add(60_000);
    await pool.untilIdle(daemon);
    expect(daemon.waitsFor().join()).toMatch(/catching up/);
    expect(await scan()).toMatchObject({ complete_hash });
    expect(await pool.rows('snapshots')).toMatchObject([{ state: 'pending' }, { state: 'pending' }]);
    pool.chain.conditions.initial_download = false;
    pool.clock.add(60_000);
    await pool.untilIdle(daemon);
    expect(await scan()).toMatchObject({ complete_hash: own });
    expect(await pool.rows('snapshots')).toMatchObject([{ state: 'confirmed' }, { state: 'unverified' }]);
  });

  test('is taken back when the floor is lowered, until the older blocks are found', async () => {
    const old = mineOwn();
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    expect(await pool.rows('blocks')).toEqual([]);
    const lowered = await pool.start({}, { config: { scan_from_height: blockHeight(5) } });
    await lowered.step();
    await lowered.step();
    expect(await scan()).toMatchObject({ floor_height: 5n, complete_height: null, complete_hash: null });
    await pool.untilIdle(lowered);
    expect(await active()).toEqual({ [old]: 1n });
    expect(await scan()).toMatchObject({ complete_hash: old });
  });
});

describe('the cursor', () => {
  test('does not run over two branches: a block of ours below a reorganisation in the middle of a look is found', async () => {
    await pool.untilIdle(await pool.start());
    const fork = (await pool.chain.node.chainInfo()).tip_hash;
    pool.chain.mine(4, pool.chain.foreignAddress());
    let ours: BlockHash | null = null;
    const node = before('blockWithCoinbase', (call) => {
      if (call !== 3) return;
      ours = pool.chain.mineBlock({ on: fork, pays: pool.pool_address });
      let on = ours;
      for (let height = 12; height <= 15; height++) on = pool.chain.mineBlock({ on, pays: pool.chain.foreignAddress() });
    });
    await pool.untilIdle(await pool.start({}, { node }));
    expect(ours).not.toBeNull();
    expect(await active()).toEqual({ [ours!]: 1n });
  });

  test('on an orphan that the node has forgotten (a new data directory) goes back to what both know', async () => {
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    const kept = mineOwn();
    const orphan = mineOwn();
    await pool.untilIdle(daemon);
    pool.chain.reorg(1, 3, pool.chain.foreignAddress());
    const { node } = pool.chain;
    const fresh: ChainNode = {
      ...node,
      header: async (hash) => (hash === orphan ? null : node.header(hash)),
      blockWithCoinbase: async (hash) => (hash === orphan ? null : node.blockWithCoinbase(hash)),
      chainTips: async () => (await node.chainTips()).filter((tip) => tip.hash !== orphan),
    };
    await pool.untilIdle(await pool.start({}, { node: fresh }));
    expect(await active()).toEqual({ [kept]: 1n, [orphan]: 0n });
    expect(await scan()).toMatchObject({ cursor_height: 14n, complete_height: 14n });
  });

  test('unknown to a node that is behind waits, and changes nothing', async () => {
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    const own = mineOwn();
    await pool.untilIdle(daemon);
    pool.chain.invalidate(own);
    const { node } = pool.chain;
    const restored: ChainNode = { ...node, header: async (hash) => (hash === own ? null : node.header(hash)), blockWithCoinbase: async (hash) => (hash === own ? null : node.blockWithCoinbase(hash)), chainTips: async () => [] };
    const second = await pool.start({}, { node: restored });
    await pool.untilIdle(second);
    expect(second.waitsFor().join()).toMatch(/may be restoring/);
    expect(await active()).toEqual({ [own]: 1n });
  });

  test('on another chain than before is a fault of the configuration, also when the node changes while we run', async () => {
    const other = createSimulatedNode('another');
    other.mine(20, other.foreignAddress());
    let current: ChainNode = pool.chain.node;
    const node = new Proxy({} as ChainNode, { get: (_, method) => current[method as keyof ChainNode] });
    const daemon = await pool.start({}, { node });
    await pool.untilIdle(daemon);
    current = { ...other.node, address: pool.chain.node.address };
    await expect((async () => {
      for (let steps = 0; steps < 30; steps++) {
        await daemon.step();
        pool.clock.add(10_000);
      }
    })()).rejects.toThrow(ConfigurationFault);
  });
});

describe('side branches', () => {
  test('deeper than one move can look at are looked at to the end, and known ones cost the node nothing', async () => {
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    const first = mineOwn();
    pool.chain.mine(119, pool.chain.foreignAddress());
    await pool.untilIdle(daemon);
    await pool.database.knex('blocks').delete(); // As if they had come while we were down.
    pool.chain.reorg(120, 121, pool.chain.foreignAddress());
    let asked = 0;
    const counting = before('header', () => { asked += 1; });
    const second = await pool.start({}, { node: counting });
    await pool.untilIdle(second);
    expect(await active()).toEqual({ [first]: 0n });
    asked = 0;
    pool.clock.add(60_000);
    await pool.untilIdle(second);
    expect(asked).toBeLessThan(10);
  });
});

describe('pairing', () => {
  test('a sibling that never was the tip takes its own line, not one forged after the next tip', async () => {
    const daemon = await pool.start({ pairing_wait_ms: 2_000 });
    const parent = pool.chain.mine(1, pool.chain.foreignAddress())[0]!;
    pool.say(changed(parent));
    await pool.untilIdle(daemon);
    pool.clock.add(20_000);
    await pool.untilIdle(daemon);
    const won = pool.chain.mineBlock({ on: parent, pays: pool.pool_address });
    const sibling = pool.chain.mineBlock({ on: parent, pays: pool.pool_address });
    pool.say(solved(12, 'anna.rig'));
    await pool.untilIdle(daemon); // The scan finds both before their anchor is read.
    pool.say(changed(won), solved(12, 'mallory.rig'));
    for (let second = 0; second < 20; second++) {
      pool.clock.add(1_000);
      await pool.untilIdle(daemon);
    }
    const anchors = await pool.rows('log_anchors');
    expect(anchors.find((row) => row['hash'] === won)).toMatchObject({ height: 12n });
    expect((await pool.rows('blocks')).map((row) => row['hash']).sort()).toEqual([won, sibling].sort());
  });

  test('a line is not given up while its block may still come to the node', async () => {
    const daemon = await pool.start({ pairing_wait_ms: 2_000 });
    await pool.untilIdle(daemon);
    pool.say(solved(11));
    await pool.untilIdle(daemon);
    pool.clock.add(1_000);
    await pool.untilIdle(daemon);
    expect(await pool.rows('snapshots')).toMatchObject([{ state: 'pending' }]);
    for (let second = 0; second < 15; second++) {
      pool.clock.add(1_000);
      await pool.untilIdle(daemon);
    }
    expect(await pool.rows('snapshots')).toMatchObject([{ state: 'unverified' }]);
  });

  test('a line that no block belonged to is confirmed when its block appears', async () => {
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    pool.say(solved(11));
    await pool.untilIdle(daemon);
    expect(await pool.rows('snapshots')).toMatchObject([{ state: 'unverified' }]);
    mineOwn();
    await pool.untilIdle(daemon);
    expect(await pool.rows('snapshots')).toMatchObject([{ state: 'confirmed' }]);
  });
});

describe('a log whose hour comes twice', () => {
  test('blocks keep their order and their work when the clock goes back, those of one stamp too (D-21, D-29)', async () => {
    const told = (stamp: string, user: string, count: number, height: number, hash: string): void => {
      pool.file(user, count);
      appendFileSync(pool.log_file, [userLine(user, count), solved(height, `${user}.rig`), changed(hash)]
        .map((text) => `[2026-10-25 ${stamp}] ${text}\n`).join(''));
    };
    const daemon = await pool.start();
    await pool.untilIdle(daemon);
    const hashes = [mineOwn(), mineOwn(), mineOwn(), mineOwn()];
    told('02:00:03.500', 'anna', 10, 11, hashes[0]!);
    told('02:59:58.000', 'bert', 7, 12, hashes[1]!);
    told('02:00:03.500', 'anna', 25, 13, hashes[2]!); // The clocks went back: the stamp of the first again.
    told('02:00:03.500', 'bert', 9, 14, hashes[3]!);
    await pool.untilIdle(daemon);
    const snapshots = await pool.rows('snapshots');
    const found = (await pool.rows('blocks')).map(({ hash, snapshot_id }) => {
      const snapshot = snapshots.find(({ id }) => id === snapshot_id);
      return [hash, String(snapshot?.['finder']), snapshot?.['total_difference']];
    });
    expect(found).toEqual([
      [hashes[0], 'anna.rig', 10n], [hashes[1], 'bert.rig', 7n], [hashes[2], 'anna.rig', 15n], [hashes[3], 'bert.rig', 2n],
    ]);
    expect(await pool.counts()).toEqual({ anna: 25n, bert: 9n });
    expect((await pool.replay()).differences).toEqual([]);
  });
});

describe('forged lines', () => {
  test('fault 31: make the node be asked no more often than a few times a second', async () => {
    let asked = 0;
    const daemon = await pool.start({ pairing_wait_ms: 2_000, chain_period_ms: 20_000 }, { node: before('chainInfo', () => { asked += 1; }) });
    await pool.untilIdle(daemon);
    asked = 0;
    for (let line = 0; line < 100; line++) {
      pool.say(changed(line.toString(16).padStart(64, '0')), solved(5));
      pool.clock.add(10);
      await pool.untilIdle(daemon);
    }
    expect(asked).toBeLessThanOrEqual(5);
  });
});
