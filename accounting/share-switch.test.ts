// Seeded pools that switch share logs on and off, lose share log lines to a full disk, restart and find blocks,
// with the daemon looking in between and dying now and then. The test's own record of every share is the truth.
import { afterEach, describe, expect, test } from 'vitest';
import { createRandom } from '../lab/random.js';
import type { PoolDisk } from '../lab/simulated-ckpool.js';
import { realDisk } from '../lab/simulated-ckpool/disk.js';
import { integer, smallInteger } from '../shared/database/database.js';
import type { NameBytes } from '../shared/username.js';
import type { AccountingDaemon } from './daemon.js';
import { createTestPool, type TestPool } from './pool.fixture.js';
import { createProvablePool, ledgerCountOf } from './provable-pool.fixture.js';

const miners = ['anna.rig', 'bert.rig', 'carl.rig'] as NameBytes[];

interface TrueShare {
  readonly user: string;
  readonly work: bigint;
  /** In a share log. */
  readonly logged: boolean;
  /** In ckpool's counter as it stands in users/. */
  passed: boolean;
  /** Gone from the counter: ckpool was restarted before its next pass. */
  forgotten: boolean;
}

interface PlayedPool {
  readonly shares: TrueShare[];
  /** By block, how many of the shares stand before its cut, the solving share included. */
  readonly cuts: Map<string, number>;
  play(events: number): Promise<void>;
  finish(): Promise<void>;
}

let pool: TestPool;
afterEach(async () => { await pool.close(); });

function playPool(seed: string, begins_logged: boolean, kinds: readonly string[]): PlayedPool {
  const random = createRandom(seed);
  const shares: TrueShare[] = [];
  const cuts = new Map<string, number>();
  let disk_full = false;
  let logging = begins_logged;
  let daemon: AccountingDaemon | null = null;
  const disk: PoolDisk = realDisk(pool.directory);
  const append = disk.append.bind(disk);
  disk.append = (file, bytes) => { if (!(disk_full && file.endsWith('.sharelog'))) append(file, bytes); };
  const provable = createProvablePool(pool, { share_log: begins_logged, workers: miners, seed, disk });
  const { ckpool } = provable;
  const note = (worker: string, work: bigint) =>
    shares.push({ user: worker.split('.')[0]!, work, logged: logging && !disk_full, passed: false, forgotten: false });
  const notePass = () => { for (const share of shares) if (!share.forgotten) share.passed = true; };
  const pass = () => {
    provable.pass();
    notePass();
  };
  pass();

  const acts: Record<string, () => void | Promise<void>> = {
    share: () => {
      pool.clock.add(random.integer(1, 3_000));
      const worker = miners[random.integer(0, 2)]!;
      const work = BigInt(random.integer(1, 64));
      ckpool.share(worker, work, 'accepted');
      note(worker, work);
    },
    reject: () => ckpool.share(miners[random.integer(0, 2)]!, 8n, 'stale'),
    refresh: () => { pool.clock.add(30_000); ckpool.refresh(); },
    pass,
    block: async () => {
      pool.clock.add(random.integer(10, 2_000));
      const worker = miners[random.integer(0, 2)]!;
      const hash = await provable.solve(worker, { line: random.chance(0.8) });
      note(worker, 8n);
      cuts.set(hash, shares.length);
    },
    restart: () => {
      for (const share of shares) if (!share.passed) share.forgotten = true;
      if (kinds.includes('switch')) logging = random.chance(0.5);
      provable.restart(logging);
      notePass();
    },
    full: () => { disk_full = !disk_full; },
    look: async () => {
      if (!daemon || random.chance(0.2)) daemon = await pool.start();
      for (let steps = random.integer(1, 12); steps > 0; steps--) await daemon.step();
      pool.clock.add(300);
    },
  };
  const weights: Record<string, number> = { share: 12, reject: 2, refresh: 1, pass: 3, block: 2, restart: 1, full: 1, look: 5 };
  const deck = kinds.filter((kind) => kind in weights).flatMap((kind) => Array.from({ length: weights[kind]! }, () => kind));

  async function finish(): Promise<void> {
    for (let times = 0; times < 3; times++) {
      pass();
      pool.clock.add(10_000);
      daemon = await pool.start();
      await pool.untilIdle(daemon);
      pool.clock.add(70_000);
    }
  }

  return {
    shares, cuts, finish,
    play: async (events) => { for (let times = 0; times < events; times++) await acts[deck[random.integer(0, deck.length - 1)]!]!(); },
  };
}

/** By user: what the ledger holds, and what of it is in snapshots, summed row by row. */
async function ledger(): Promise<Record<string, { count: bigint; cut: bigint; summed: bigint }>> {
  const rows: Record<string, unknown>[] = await pool.database.knex('share_counts').join('users', 'users.id', 'share_counts.user_id').select('share_counts.*', 'users.name');
  const differences = await pool.rows('snapshot_shares');
  return Object.fromEntries(rows.map((row) => [
    (row['name'] as Buffer).toString('latin1'), {
      count: ledgerCountOf(row),
      cut: integer(row['snapshot_count']),
      summed: differences.filter((one) => one['user_id'] === row['user_id']).reduce((sum, one) => sum + integer(one['difference']), 0n),
    },
  ]));
}

async function countsAt(hash: string): Promise<{ quality: string; counts: Record<string, bigint> } | null> {
  const row: Record<string, unknown> | undefined = await pool.database.knex('blocks').join('snapshots', 'snapshots.id', 'blocks.snapshot_id').join('cuts', 'cuts.snapshot_id', 'snapshots.id')
    .where('hash', hash).first('snapshots.quality as quality', 'cuts.place as place');
  if (!row) return null;
  const rows: Record<string, unknown>[] = await pool.database.knex('snapshot_shares').join('cuts', 'cuts.snapshot_id', 'snapshot_shares.snapshot_id').join('users', 'users.id', 'snapshot_shares.user_id')
    .where('place', '<=', integer(row['place']).toString()).orderBy('place').select('users.name as name', 'share_count');
  return { quality: String(row['quality']), counts: Object.fromEntries(rows.map((one) => [(one['name'] as Buffer).toString('latin1'), integer(one['share_count'])])) };
}

function summed(shares: readonly TrueShare[]): Record<string, bigint> {
  const sums: Record<string, bigint> = {};
  for (const share of shares) sums[share.user] = (sums[share.user] ?? 0n) + share.work;
  return sums;
}

const seeds = Array.from({ length: 5 }, (_, index) => `seed ${index + 1}`);

describe('with share logs from the beginning', () => {
  test.each(seeds)('every block holds exactly the work up to its share, restarts and lost lines or not (%s)', async (seed) => {
    pool = await createTestPool();
    const played = playPool(seed, true, ['share', 'reject', 'refresh', 'pass', 'block', 'restart', 'look']);
    await played.play(120);
    await played.finish();
    for (const [hash, until] of played.cuts) {
      expect(await countsAt(hash)).toEqual({ quality: 'exact', counts: summed(played.shares.slice(0, until)) });
    }
    expect(Object.fromEntries(Object.entries(await ledger()).map(([user, { count }]) => [user, count]))).toEqual(summed(played.shares));
    expect(smallInteger((await pool.rows('cuts')).length)).toBe(played.cuts.size);
  });
});

describe('with share logs that come and go', () => {
  test.each(seeds.flatMap((seed) => [[seed, true], [seed, false]] as const))('no work is counted twice, and none is lost that share logs or counters tell (%s, at first %s)', async (seed, logged) => {
    pool = await createTestPool();
    const played = playPool(seed, logged, ['share', 'reject', 'refresh', 'pass', 'block', 'restart', 'switch', 'full', 'look']);
    await played.play(150);
    await played.finish();
    const told = summed(played.shares.filter((share) => share.logged || !share.forgotten));
    // In one minute what ckpool forgot and what no share log holds cannot be told apart.
    const hidden = summed(played.shares.filter((share) => share.logged && share.forgotten));
    const counted = await ledger();
    for (const [user, work] of Object.entries(told)) {
      const { count, cut, summed: in_snapshots } = counted[user] ?? { count: 0n, cut: 0n, summed: 0n };
      expect(count <= work, `${user}: ${count} counted, ${work} told`).toBe(true);
      expect(count >= work - (hidden[user] ?? 0n), `${user}: ${count} counted, ${work} told, ${hidden[user] ?? 0n} hidden`).toBe(true);
      expect(in_snapshots).toBe(cut);
    }
  });
});
