// What the tests of log and user files share: a small pool whose miners find blocks, and what accounting must
// have written of it. The node is the simulated one, the daemon the real one, in the test's own process, so that a
// test can let it look at any moment between two writes. Nothing here writes to a table.
import { expect } from 'vitest';
import { createTestPool, type TestPool } from '../../accounting/pool.fixture.js';
import type { AccountingDaemon } from '../../accounting/daemon.js';
import type { AccountingOptions } from '../../accounting/context.js';
import type { BlockHash } from '../../shared/units.js';

/** ckpool opens its log again once a minute: a renamed file is left when it was quiet for longer. */
const longer_than_quiet_ms = 61_000;

export interface FaultPool extends TestPool {
  readonly found: readonly { readonly hash: BlockHash; readonly height: number }[];
  /** ckpool's counter of this user rises, and the user finds a block; both are written at once. */
  block(user: string, shares: number): void;
  /** The same, but nothing of it reaches the disk: the node alone knows the block. */
  unwrittenBlock(): void;
  /** Runs until there is nothing to do, also after a renamed file has been quiet for long enough. */
  settle(daemon: AccountingDaemon): Promise<void>;
  gaps(): Promise<number>;
  /** Own blocks in the order of the chain, each with the difference of its snapshot; null: it has none. */
  recorded(): Promise<{ hash: string; difference: bigint | null }[]>;
}

export async function openFaultPool(): Promise<FaultPool> {
  const pool = await createTestPool();
  const found: { hash: BlockHash; height: number }[] = [];
  let height = 0;
  const mine = (): void => {
    height += 1;
    found.push({ hash: pool.chain.mine(1, pool.pool_address)[0]!, height });
  };
  return {
    ...pool, found,
    block(user, shares) {
      pool.pass(user, shares);
      mine();
      pool.say(`Solved and confirmed block ${height} by ${user}.rig`, `Block hash changed to ${found.at(-1)!.hash}`);
    },
    unwrittenBlock: mine,
    async settle(daemon) {
      await pool.untilIdle(daemon);
      pool.clock.add(longer_than_quiet_ms);
      await pool.untilIdle(daemon);
    },
    gaps: async () => (await pool.rows('incidents')).filter(({ kind }) => kind === 'log_gap').length,
    async recorded() {
      const snapshots = new Map((await pool.rows('snapshots')).map((row) => [row['id'], BigInt(String(row['total_difference']))]));
      return (await pool.rows('blocks')).sort((one, other) => Number(one['height']) - Number(other['height']))
        .map((row) => ({ hash: String(row['hash']), difference: snapshots.get(row['snapshot_id']) ?? null }));
    },
  };
}

/** A daemon that has seen the pool begin: its floor is below every block of the test. */
export async function startAtFloor(pool: FaultPool, options: Partial<AccountingOptions> = {}): Promise<AccountingDaemon> {
  const daemon = await pool.start(options);
  pool.say('ckpool generator starting');
  await pool.untilIdle(daemon);
  return daemon;
}

/** F3 and rule A: every block that was found is there once, and no unit of work is lost or counted twice. */
export async function expectEveryBlockOnce(pool: FaultPool, counts: Record<string, bigint>): Promise<void> {
  const recorded = await pool.recorded();
  expect(recorded.map(({ hash }) => hash)).toEqual(pool.found.map(({ hash }) => hash));
  expect(await pool.counts()).toEqual(counts);
  const cut = (await pool.rows('snapshots')).reduce((sum, row) => sum + BigInt(String(row['total_difference'])), 0n);
  expect(cut).toBe(Object.values(counts).reduce((sum, count) => sum + count, 0n));
}
