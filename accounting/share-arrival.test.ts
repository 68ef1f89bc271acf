// Whatever arrives first: the lines of the share logs in pieces and in any order among their files, the log, the
// counters and what the node knows, each a little before or after the others; and whenever the daemon dies. Every block
// then holds what was accepted up to its solving share. A failing run is played again with its seed.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAccounting } from '../lab/accounting.js';
import { forEachDatabase } from '../lab/databases.js';
import { dyingAt, KilledHere } from '../lab/dying-database.js';
import { disagreements } from '../lab/facts-check.js';
import { timelineOf, type RecordedEvent } from '../lab/live-play/timeline.js';
import { testConfig } from '../lab/payments-context.js';
import { createRandom, type Random } from '../lab/random.js';
import { serveRecordedChain, type RecordedNode } from '../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../lab/recordings.js';
import { createNode } from '../shared/bitcoind/client.js';
import type { Clock } from '../shared/clock.js';
import { connect } from '../shared/database/connect.js';
import type { Database } from '../shared/database/database.js';
import { createLease } from '../shared/database/lease.js';
import { migrate } from '../shared/database/migrate.js';
import { silentLogger } from '../shared/logger.js';
import { defaultOptions } from './context.js';
import { createAccountingDaemon, type AccountingDaemon } from './daemon.js';
import { openLogFiles } from './edges/log-files.js';
import { loadLogState } from './edges/log-state.js';
import { openShareLogs } from './edges/share-log-files.js';
import { replayShares } from './replay-shares.js';
import { replayLog } from './replay.js';

const pool_address = 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru';
/** What comes within this time of the rest comes in time. */
const patience_ms = defaultOptions.pairing_wait_ms;

let busy: Recording;
let node: RecordedNode;
let stages: Stage[];
beforeAll(async () => {
  busy = await unpackRecording('busy');
  node = await serveRecordedChain(busy.chain_directory);
  stages = stagesOf(await timelineOf(busy));
});
afterAll(async () => {
  await node.close();
  await busy.remove();
});

/** What was written up to a block line: all of it is there before the next stage, in whatever order it came. */
interface Stage {
  readonly log: readonly RecordedEvent[];
  readonly told: readonly (() => void)[];
  /** By file, the bytes that it has gained. */
  readonly shares: ReadonlyMap<string, Buffer>;
}

function stagesOf(events: readonly RecordedEvent[]): Stage[] {
  const found: Stage[] = [];
  let log: RecordedEvent[] = [];
  let told: (() => void)[] = [];
  let shares = new Map<string, Buffer>();
  for (const event of events) {
    if (event.kind === 'share') {
      shares.set(event.file, Buffer.concat([shares.get(event.file) ?? Buffer.alloc(0), event.bytes]));
      continue;
    }
    log.push(event);
    if (event.kind !== 'line') continue;
    const text = event.bytes.toString('latin1');
    const tip = /Block hash changed to ([0-9a-f]{64})\n/.exec(text)?.[1];
    if (tip !== undefined) told.push(() => node.setTip(tip));
    if (!text.includes('Solved and confirmed block ')) continue;
    const solve = busy.truth.solves.find((one) =>
      text === `[${one.time}] Solved and confirmed block ${one.height} by ${one.worker}\n`);
    if (!solve) continue;
    told.push(() => node.learn(solve.hash));
    found.push({ log, told, shares });
    [log, told, shares] = [[], [], new Map()];
  }
  return [...found, { log, told, shares }];
}

interface World {
  readonly random: Random;
  readonly clock: Clock & { add(duration_ms: number): void };
  readonly log_directory: string;
  readonly log_file: string;
  readonly database: Database;
  daemon: AccountingDaemon;
  restart(): Promise<void>;
  steps(count: number): Promise<void>;
  close(): Promise<void>;
}

/** The daemon over an empty log directory, on a clock that the test turns. */
async function beginWorld(seed: number): Promise<World> {
  const log_directory = mkdtempSync(path.join(tmpdir(), 'arrival-'));
  for (const folder of ['users', 'pool']) mkdirSync(path.join(log_directory, folder));
  const log_file = path.join(log_directory, 'ckpool.log');
  const database = await connect({ engine: 'sqlite', file: path.join(log_directory, 'pool.sqlite') });
  await migrate(database);
  const start_ms = Date.now();
  let past_ms = 0;
  const clock = {
    now_ms: () => start_ms + past_ms, monotonic_ms: () => past_ms,
    sleep: async (duration_ms: number) => { past_ms += duration_ms; },
    add: (duration_ms: number) => { past_ms += duration_ms; },
  };
  let closeFiles = async (): Promise<void> => undefined;
  async function start(): Promise<AccountingDaemon> {
    await closeFiles();
    const lease = createLease(database, 'accounting_lease', 'test');
    await database.knex('accounting_lease').where('id', 1).update({ expires_at_ms: 0 });
    await lease.tryTake();
    const log_files = openLogFiles({ log_file, quiet_ms: 60_000, once: false, clock });
    const share_logs = openShareLogs({ log_directory, clock });
    closeFiles = async () => {
      await log_files.close();
      share_logs.close();
    };
    return createAccountingDaemon({
      config: testConfig(pool_address, { log_directory, log_file }), lease, clock, log: silentLogger, log_files,
      share_logs, database, node: createNode(node.login), options: { ...defaultOptions, chain_period_ms: 1_000 },
    });
  }
  const world: World = {
    random: createRandom(seed), clock, log_directory, log_file, database, daemon: await start(),
    async restart() { world.daemon = await start(); },
    async steps(count) {
      for (let step = 0; step < count; step++) if ((await world.daemon.step()) === 'idle') return;
    },
    async close() {
      await closeFiles();
      await database.close();
      rmSync(log_directory, { recursive: true, force: true });
    },
  };
  return world;
}

const turns_max = 200;

/** The daemon looks at everything again and again, until nothing is left to wait for. */
async function rest(world: World): Promise<void> {
  for (let turn = 0; turn < 12; turn++) {
    await world.steps(turns_max);
    world.clock.add(700);
  }
}

type Writing = () => void;

/** One thing after another: lines and user files in their order, as many at a time as it happens. */
function logWriter({ random, log_directory, log_file }: World, events: readonly RecordedEvent[]): Writing[] {
  const writings: Writing[] = [];
  for (let from = 0; from < events.length;) {
    const piece = events.slice(from, from + random.integer(1, 400));
    from += piece.length;
    writings.push(() => {
      for (const event of piece) {
        if (event.kind === 'line') appendFileSync(log_file, event.bytes);
        if (event.kind === 'user-file') {
          writeFileSync(Buffer.from(path.join(log_directory, 'users', event.user), 'latin1'), event.content);
        }
      }
    });
  }
  return writings;
}

/** Each file on its own, cut anywhere, also within a line. */
function shareWriters({ random, log_directory }: World, shares: Stage['shares']): Writing[][] {
  return [...shares].map(([name, bytes]) => {
    const file = path.join(log_directory, name);
    const writings: Writing[] = [];
    for (let from = 0; from < bytes.length;) {
      const piece = bytes.subarray(from, from + random.pick([1, 90, 700, 20_000, 200_000]));
      from += piece.length;
      writings.push(() => {
        mkdirSync(path.dirname(file), { recursive: true });
        appendFileSync(file, piece);
      });
    }
    return writings;
  });
}

/** All of it, in a random order among the writers; the clock turns by less than the daemon's patience. */
async function arrive(world: World, writers: Writing[][]): Promise<void> {
  const { random, clock } = world;
  let left_ms = patience_ms - 100;
  for (let open = writers.filter((one) => one.length > 0); open.length > 0; open = open.filter((one) => one.length > 0)) {
    const writer = random.pick(open);
    for (let count = random.integer(1, 12); count > 0; count--) writer.shift()?.();
    if (random.chance(0.05)) await world.restart();
    if (random.chance(0.3)) await world.steps(random.integer(1, 12));
    const by_ms = Math.min(left_ms, random.pick([0, 0, 50, 300]));
    clock.add(by_ms);
    left_ms -= by_ms;
  }
}

/** The parties of a stage: the log, the node, and the share logs. */
async function playStage(world: World, stage: Stage): Promise<void> {
  const { random } = world;
  const log = logWriter(world, stage.log);
  const told: Writing[] = [...stage.told];
  const shares = shareWriters(world, stage.shares);
  const away = random.chance(0.15);
  if (away) await node.setReachable(false);
  switch (random.integer(0, 3)) {
    case 0: await arrive(world, [log.concat(told), ...shares]); break;
    // Log and node in one moment, and the shares at once behind them.
    case 1: for (const write of [...log, ...told]) write(); await arrive(world, shares); break;
    case 2: await arrive(world, [[...told, ...log], ...shares]); break;
    default: {
      // Shares long before anybody says a word about a block.
      await arrive(world, shares);
      if (random.chance(0.5)) world.clock.add(10_000);
      await arrive(world, [log, told]);
    }
  }
  if (random.chance(0.3)) await rest(world);
  else await world.steps(random.integer(0, 40));
  if (away) {
    await node.setReachable(true);
    world.clock.add(61_000);
  }
  // Everything of this stage is there now: the daemon notices it before its patience is over.
  world.clock.add(random.integer(200, 400));
  await world.steps(turns_max);
}

async function agreesWithTruth(world: World): Promise<void> {
  expect(await disagreements(world.database, busy.truth, { counts: 'exact' })).toEqual([]);
  const { cursors } = await loadLogState(world.database);
  const log_files = openLogFiles({ log_file: world.log_file, quiet_ms: 0, once: true, clock: world.clock });
  const share_logs = openShareLogs({ log_directory: world.log_directory, clock: world.clock });
  expect((await replayLog(world.database, cursors, log_files, () => undefined)).differences).toEqual([]);
  expect(await replayShares(world.database, share_logs, () => undefined)).toMatchObject({ differences: [], notes: [] });
  await log_files.close();
  share_logs.close();
}

describe('in any order of arrival', () => {
  test.each([1, 2, 3])('every block holds the work up to its solving share (seed %i)', async (seed) => {
    node.setTip(121);
    const world = await beginWorld(seed);
    for (const stage of stages) await playStage(world, stage);
    node.setTip(null);
    await rest(world);
    await rest(world);
    await agreesWithTruth(world);
    await world.close();
  }, 60_000);

  test.each([4, 5])('also when the log comes after everything else (seed %i)', async (seed) => {
    node.setTip(121);
    const world = await beginWorld(seed);
    await rest(world); // The scan of the chain begins where the pool does.
    for (const { shares, told } of stages) {
      await arrive(world, [[...told], ...shareWriters(world, shares)]);
      if (world.random.chance(0.2)) await rest(world);
    }
    node.setTip(null);
    await rest(world);
    expect(await world.database.knex('cuts')).toEqual([]);
    for (const write of stages.flatMap(({ log }) => logWriter(world, log))) write();
    await rest(world);
    await rest(world);
    await agreesWithTruth(world);
    await world.close();
  }, 60_000);
});

type Row = Record<string, unknown>;

/**
 * What counts, by names: ids and places depend on the order in which things were noticed. How far the counter lags
 * (surplus_count) is looked at again with each pass; a process that began after the last one has not seen it.
 */
async function facts(database: Database) {
  const { knex } = database;
  const text = (rows: Row[]): string[] => rows.map((row) => JSON.stringify(row, (_, value: unknown) =>
    (typeof value === 'bigint' ? value.toString() : value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value)));
  const shares = async (table: string): Promise<Row[]> => knex(table).join('users', 'users.id', `${table}.user_id`)
    .join('snapshots', 'snapshots.id', `${table}.snapshot_id`).leftJoin('blocks', 'blocks.snapshot_id', 'snapshots.id')
    .select('blocks.hash', 'snapshots.height', 'logged_at', knex.raw('hex(users.name) as name'), `${table}.*`);
  const without = (rows: Row[], ...columns: string[]): Row[] =>
    rows.map((row) => Object.fromEntries(Object.entries(row).filter(([column]) => !columns.includes(column))));
  const cuts: Row[] = await knex('cuts').join('snapshots', 'snapshots.id', 'cuts.snapshot_id')
    .leftJoin('blocks', 'blocks.snapshot_id', 'snapshots.id').orderBy('place')
    .select('blocks.hash', 'cut_seconds', 'cut_nanoseconds', 'quality', 'dispute', 'changed_users', 'total_difference',
      'logged_at', 'finder');
  const counts: Row[] = await knex('share_counts').join('users', 'users.id', 'share_counts.user_id')
    .select('share_counts.*', knex.raw('hex(users.name) as name'));
  return {
    cuts: text(cuts),
    snapshot_shares: text(without(await shares('snapshot_shares'), 'snapshot_id', 'user_id')).sort(),
    counter_shares: text(without(await shares('counter_shares'), 'snapshot_id', 'user_id')).sort(),
    share_counts: text(without(counts, 'user_id', 'surplus_count')).sort(),
    solving_shares: text(without(await knex<Row>('solving_shares').orderBy('block_hash'), 'found_at')),
    share_log_files: text(await knex<Row>('share_log_files').orderBy(['height', 'workinfoid'])),
  };
}

forEachDatabase('interrupted anywhere', (open, databases) => {
  test('fault 1: killed before or after any commit, share logs and log give the same rows', async () => {
    const { log_directory, log_file } = busy;
    node.setTip(null);
    const readOn = async (database: Database): Promise<boolean> => {
      const run = await openAccounting(
        { database, log_directory, log_file, login: node.login, pool_address }, { chunk_bytes: 512 * 1024 },
      );
      return run.untilIdle().finally(() => run.close());
    };
    const unbroken = await open();
    expect(await readOn(unbroken)).toBe(true);
    expect(await disagreements(unbroken, busy.truth, { counts: 'exact' })).toEqual([]);
    const expected = await facts(unbroken);
    const stride = databases.engine === 'sqlite' ? 1 : 6;
    for (let fatal = 1, finished = false; !finished; fatal += stride) {
      const database = await open();
      for (const when of ['before', 'after'] as const) {
        finished = await readOn(dyingAt(database, fatal, when)).catch((failure: unknown) => {
          if (failure instanceof KilledHere) return false;
          throw failure;
        });
      }
      await readOn(database);
      expect(await facts(database)).toEqual(expected);
    }
  }, 300_000);
});
