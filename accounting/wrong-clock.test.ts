// What miners and operators are promised when the wall clock of the machine was wrong and is set right: nothing waits
// for the time that the wrong clock named, and no work is left uncounted until then.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestPool, type TestPool } from './pool.fixture.js';

const ten_years_ms = 315_000_000_000;

let pool: TestPool;
beforeEach(async () => {
  pool = await createTestPool();
  pool.chain.mine(10, pool.chain.foreignAddress());
});
afterEach(async () => { await pool.close(); });

describe.each([['the same process', false], ['the next process', true]])('after a clock that was ten years ahead, in %s', (_, restarted) => {
  test('a block found meanwhile is paired, and complete, within seconds', async () => {
    pool.say('Possible block solve diff 2048.100000 !');
    let daemon = await pool.start({ pairing_wait_ms: 2_000 });
    await pool.untilIdle(daemon);
    pool.clock.jump(ten_years_ms);
    const hash = pool.chain.mineBlock({ pays: pool.pool_address });
    pool.say('Solved and confirmed block 11 by anna.rig', `Block hash changed to ${hash}`);
    await pool.untilIdle(daemon);
    pool.clock.jump(-ten_years_ms);
    if (restarted) daemon = await pool.start({ pairing_wait_ms: 2_000 });
    for (let looks = 0; looks < 5; looks += 1) {
      await pool.untilIdle(daemon);
      pool.clock.add(2_000);
    }
    expect((await pool.rows('chain_scan'))[0]).toMatchObject({ complete_hash: hash });
    expect((await pool.rows('snapshots')).map(({ state }) => state)).toEqual(['confirmed']);
  });

  test('a line that no block bears out is unverified, and nothing waits for it', async () => {
    pool.say('Possible block solve diff 2048.100000 !');
    let daemon = await pool.start({ pairing_wait_ms: 2_000 });
    pool.clock.jump(ten_years_ms);
    pool.say('Solved and confirmed block 11 by mallory');
    await pool.untilIdle(daemon);
    pool.clock.jump(-ten_years_ms);
    if (restarted) daemon = await pool.start({ pairing_wait_ms: 2_000 });
    for (let looks = 0; looks < 5; looks += 1) {
      await pool.untilIdle(daemon);
      pool.clock.add(2_000);
    }
    expect((await pool.rows('snapshots')).map(({ state }) => state)).toEqual(['unverified']);
    expect(daemon.waitsFor()).toEqual([]);
  });

  test('below log level 5 the user files are read every minute as before', async () => {
    const line = 'Possible block solve diff 2048.100000 !';
    pool.file('anna', 100);
    pool.say(line);
    pool.clock.jump(ten_years_ms);
    let daemon = await pool.start();
    await pool.untilIdle(daemon);
    pool.clock.jump(-ten_years_ms);
    if (restarted) daemon = await pool.start();
    pool.clock.add(60_000);
    pool.file('anna', 150);
    pool.say(line);
    await pool.untilIdle(daemon);
    expect(await pool.counts()).toEqual({ anna: 150n });
  });
});
