// Row 39 of the fault matrix: clocks that jump, stand still or live through an hour twice. Nothing that was counted, cut
// or paid depends on them: the same story gives the same rows, whatever the clocks say. The clock is a port; here the
// test turns it, also in the middle of a story. (The lease goes by the database's clock: shared/database/lease.test.ts.)
import { appendFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { payUntilIdle } from '../../lab/payable-pool.js';
import { earnedWorld, expectBooksAndChainAgree, stateOf, type PayingWorld } from '../../lab/paying-world.js';
import { minerBalances } from '../../payments/edges/ledger-store.js';
import { expectEveryBlockOnce, openFaultPool, startAtFloor, type FaultPool } from './log-pool.js';

const minute_ms = 60_000;
const hour_ms = 60 * minute_ms;
const year_ms = 365 * 24 * hour_ms;

let pool: FaultPool;
beforeEach(async () => { pool = await openFaultPool(); });
afterEach(() => pool.close());

/** What the clock does between two blocks, and what it does after the next. */
const jumps: readonly (readonly [what: string, first_ms: number, then_ms: number])[] = [
  ['an hour ahead, and back', hour_ms, -hour_ms], ['an hour back (the end of daylight saving), and on', -hour_ms, hour_ms],
  ['ten years ahead, and back', 10 * year_ms, -10 * year_ms], ['ten years back, and ahead', -10 * year_ms, 10 * year_ms],
  ['to 1970, and on from there', -Date.now(), minute_ms], ['a second back, again and again', -1_000, -1_000],
];

/** Five blocks with work between them; the same for every clock. */
async function tellStory(between: (block: number) => Promise<void> | void) {
  let daemon = await startAtFloor(pool);
  const counts: Record<string, bigint> = {};
  for (let block = 0; block < 5; block += 1) {
    const user = ['anna', 'bert'][block % 2]!;
    counts[user] = BigInt(100 * (block + 1));
    pool.block(user, 100 * (block + 1));
    if (block === 2) daemon = await pool.start();
    await pool.untilIdle(daemon);
    await between(block);
    pool.clock.add(minute_ms);
  }
  await pool.settle(daemon);
  await expectEveryBlockOnce(pool, counts);
  const snapshots = (await pool.rows('snapshots')).map(({ height, state, total_difference }) => ({ height, state, total_difference }));
  const [scan] = await pool.rows('chain_scan');
  return { snapshots, complete: scan?.['complete_height'], recorded: (await pool.recorded()).map(({ difference }) => difference) };
}

describe('fault 39: what accounting writes does not depend on the clock', () => {
  it.each(jumps)('that jumps %s', async (_, first_ms, then_ms) => {
    const told = await tellStory((block) => pool.clock.jump(block % 2 === 0 ? first_ms : then_ms));
    await pool.close();
    pool = await openFaultPool();
    expect(told).toEqual(await tellStory(() => undefined));
    expect(told.recorded).toEqual([100n, 200n, 200n, 200n, 200n]);
  });

  it('that stands still', async () => {
    const told = await tellStory(() => pool.clock.jump(-minute_ms));
    expect(told.recorded).toEqual([100n, 200n, 200n, 200n, 200n]);
  });

  it('and a stamp of a leap second, of no day or of another year is a stamp like any other', async () => {
    const daemon = await startAtFloor(pool);
    for (const [index, stamp] of ['2026-12-31 23:59:60.000', '2026-02-30 25:61:61.999', '1970-01-01 00:00:00.000', '9999-12-31 23:59:59.999'].entries()) {
      pool.pass('anna', 10 * (index + 1));
      pool.unwrittenBlock();
      appendFileSync(pool.log_file, `[${stamp}] Solved and confirmed block ${index + 1} by anna.rig\n`);
      await pool.untilIdle(daemon);
    }
    await pool.settle(daemon);
    await expectEveryBlockOnce(pool, { anna: 40n });
    expect((await pool.recorded()).map(({ difference }) => difference)).toEqual([10n, 10n, 10n, 10n]);
  });
});

const outcome = async ({ context }: PayingWorld) => (await minerBalances(context.database.knex))
  .map(({ earned_sats, paid_sats, network_fee_sats, reserved_sats, balance_sats }) => [earned_sats, paid_sats, network_fee_sats, reserved_sats, balance_sats]);

/** A wall clock that says something else each time it is asked; waiting is on the other clock. */
function tellingTimes(world: PayingWorld, times_ms: readonly number[]): PayingWorld['context'] {
  let asked = 0;
  return { ...world.context, clock: { ...world.context.clock, now_ms: () => times_ms[asked++ % times_ms.length]! } };
}

forEachDatabase('fault 39: what payments pays does not depend on the clock', (open) => {
  it.each<[string, number[]]>([
    ['that jumps by hours', [1.8e12, 1.8e12 - hour_ms, 1.8e12 + hour_ms]],
    ['that jumps by decades', [1.8e12, 1.8e12 + 10 * year_ms, 1.8e12 - 10 * year_ms, 86_400_000]],
    ['that stands still', [1.8e12]],
  ])('%s', async (_, times_ms) => {
    const world = await earnedWorld(await open());
    const context = tellingTimes(world, times_ms);
    const moves = await payUntilIdle(context);
    await world.bury(6);
    moves.push(...await payUntilIdle(context));
    expect(await stateOf(world)).toBe('final');
    await expectBooksAndChainAgree(world);

    const calm = await earnedWorld(await open());
    const calm_moves = await payUntilIdle(calm.context);
    await calm.bury(6);
    calm_moves.push(...await payUntilIdle(calm.context));
    expect(moves).toEqual(calm_moves);
    expect(await outcome(world)).toEqual(await outcome(calm));
  });
});
