// Rows 8, 9 and 11 of the fault matrix where they strike inside a transaction: a deadlock and a lock wait in the
// middle of what accounting writes, COMMITs of both daemons that are cut off, and a tablespace that is full. A real
// MariaDB; the proxy cuts connections at the COMMIT packet.
import type { Knex } from 'knex';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mysqlRequests, startFaultProxy, type FaultProxy } from '../../lab/fault-proxy.js';
import * as faults from '../../lab/fault-proxy.js';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { openAccounting } from '../../lab/accounting.js';
import { disagreements } from '../../lab/facts-check.js';
import { createPayingWorld, expectBooksAndChainAgree, spendsOnChain } from '../../lab/paying-world.js';
import { serveRecordedChain } from '../../lab/recorded-node.js';
import { unpackRecording } from '../../lab/recordings.js';
import { batch_states } from '../../payments/core/payout-state.js';
import { batchesIn } from '../../payments/edges/batch-store.js';
import { createPaymentsDaemon } from '../../payments/daemon.js';
import { payingMoves } from '../../payments/paying/moves.js';
import type { Daemon } from '../../shared/daemon.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { migrate } from '../../shared/database/migrate.js';
import { rowsOf } from '../../shared/database/rows.js';
import { OutsideFailure } from '../../shared/errors.js';
import { accountingBlocks } from '../json-shapes.js';
import { ask, buildPrograms, run } from '../programs.js';

let mariadb: PrivateMariadb;
let administrator: Database;
beforeAll(async () => {
  buildPrograms();
  mariadb = await startMariadb();
  administrator = await connect(mariadb.settings('mysql'));
});
afterAll(async () => {
  await administrator?.close();
  await mariadb?.stop();
});

const counterOf = async (name: 'lock_deadlocks' | 'lock_timeouts'): Promise<number> => {
  const [row] = await rowsOf<{ count: string }>(administrator.knex, `SELECT count FROM information_schema.innodb_metrics WHERE name = '${name}'`);
  return Number(row?.count);
};

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const given_up_ms = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > given_up_ms) throw new Error(`waited in vain for ${what}`);
    // InnoDB tells of locks from a cache, and renews that only when nobody has read it for 100 ms.
    await wait(150);
  }
}

it('fault 8: a deadlock and a lock wait while accounting writes a block: the whole transaction again, never half a snapshot', async () => {
  const busy = await unpackRecording('busy');
  const node = await serveRecordedChain(busy.chain_directory);
  const directory = mkdtempSync(join(tmpdir(), 'fault-8-'));
  const config_file = join(directory, 'ckpool.conf');
  const pool_address = /"btcaddress" : "(\w+)"/.exec(readFileSync(busy.configuration, 'utf8'))![1]!;
  writeFileSync(config_file, JSON.stringify({
    btcd: [{ url: node.url, auth: node.user, pass: node.password }], btcaddress: pool_address, logdir: busy.log_directory,
    parser: { sql: { auth: 'root', pass: '', socket: mariadb.socket_path, database: 'fault_8' } },
  }), { mode: 0o600 });
  const other = await connect(await mariadb.createDatabase('fault_8'));
  let rival: Knex.Transaction | null = null;
  try {
    await migrate(other);
    await other.knex.raw('CREATE TABLE ballast (id INT AUTO_INCREMENT PRIMARY KEY, word CHAR(10))');
    const [deadlocks, timeouts] = [await counterOf('lock_deadlocks'), await counterOf('lock_timeouts')];
    // Somebody else holds the place where snapshots go, and has done more than accounting, so accounting is the victim.
    rival = await other.knex.transaction();
    await rival.raw("INSERT INTO ballast (word) SELECT 'heavy' FROM seq_1_to_20000");
    await rival.raw('SELECT * FROM snapshots FOR UPDATE');
    const accounting = run('accounting', ['run', '--once', '-c', config_file]);
    await until('accounting to wait for a lock', async () => (await rowsOf(administrator.knex, 'SELECT 1 AS one FROM information_schema.innodb_lock_waits')).length > 0);
    await rival.raw("UPDATE accounting_lease SET holder = 'somebody else' WHERE id = 1");
    await until('the deadlock', async () => (await counterOf('lock_deadlocks')) > deadlocks);
    // It tries again and finds its lease locked, for longer than a statement waits.
    await until('a lock wait that was given up', async () => (await counterOf('lock_timeouts')) > timeouts);
    await rival.rollback();
    expect(await accounting).toMatchObject({ status: 0, stdout: '' });
    const confirmed = (await ask(accountingBlocks, 'accounting', config_file, 'blocks')).filter(({ state }) => state === 'confirmed').map(({ hash }) => hash);
    expect(confirmed.sort()).toEqual([...busy.truth.solves, ...busy.truth.own_blocks_without_a_line].map(({ hash }) => hash).sort());
    const replayed = await run('accounting', ['replay', busy.log_directory, '-c', config_file]);
    expect(replayed.status, replayed.stdout + replayed.stderr).toBe(0);
  } finally {
    // A transaction that is left open would keep its connection, and this test, for ever.
    if (rival?.isCompleted() === false) await rival.rollback();
    await other.close();
    await node.close();
    await busy.remove();
    rmSync(directory, { recursive: true, force: true });
  }
});

const strikes = [
  ['never reached the server', 'before', 'every second one', faults.cutBefore, 2],
  ['took effect, and its answer is lost', 'after', 'every one', faults.cutAfter, 1],
  ['takes effect when we have asked again', 'late', 'every one', faults.deliveredLate(80), 1],
] as const;

/** Strikes at COMMITs of decisions that come through the proxy (a look and a renewal of the lease decide nothing). */
function strikeAtCommits(proxy: FaultProxy, fault: faults.Fault, stride: number) {
  const counts = { commits: 0, struck: 0 };
  let decides = false;
  const stop = proxy.meetAll(({ name }) => {
    if (name !== 'COMMIT') {
      decides = name === 'START' ? false : decides || /^(?:INSERT|UPDATE (?!\w+_lease$))/.test(name);
      return false;
    }
    return decides && ++counts.commits % stride === 0;
  }, (passage) => {
    counts.struck += 1;
    return fault(passage);
  });
  return { counts, stop };
}

/** Steps to rest, as the loop of a daemon does, without its pauses. Failures must be those that are waited out. */
async function toRest(daemon: Daemon): Promise<number> {
  for (let steps = 0, lost = 0; steps < 2_000; steps += 1) {
    try {
      if ((await daemon.step()) === 'idle') return lost;
    } catch (failure) {
      expect(failure).toBeInstanceOf(OutsideFailure);
      expect(['unknown', 'retry']).toContain((failure as OutsideFailure).kind);
      lost += 1;
    }
  }
  throw new Error('the daemon finds no rest');
}

it.each(strikes)('fault 9: a COMMIT of payments that %s (%s, %s): looked up by its key, nothing twice', async (_, name, _how_many, fault, stride) => {
  const settings = await mariadb.createDatabase(`payments_${name}`);
  const direct = await connect(settings);
  await migrate(direct);
  const proxy = await startFaultProxy({ target_port: mariadb.port, protocol: mysqlRequests });
  const behind = await connect({ ...settings, socket_path: null, port: proxy.port });
  try {
    const world = await createPayingWorld(behind, {}, direct);
    const { context } = world;
    for (let block = 0; block < 2; block += 1) await world.earn({ [world.alice]: 300, [world.bob]: 101 });
    await world.bury(100);
    const daemon = createPaymentsDaemon(context, { lease: context.lease, paying: payingMoves, requests: {} });
    const { counts, stop } = strikeAtCommits(proxy, fault, stride);
    let lost = 0;
    for (let blocks = 0; blocks < 8; blocks += 1) {
      await world.facts.complete();
      lost += await toRest(daemon);
      context.clock.advance(context.config.check_mature_period_ms);
      await world.bury(1);
    }
    stop();
    // Identity, two credits, addresses, plan, signature, sending, confirmation, final.
    expect(lost).toBeGreaterThanOrEqual(8 / stride);
    expect(counts.struck).toBeGreaterThanOrEqual(lost);
    // Numbers of batches that were rolled back are not given again.
    expect((await batchesIn(direct.knex, batch_states)).map(({ state }) => state)).toEqual(['final']);
    expect(await spendsOnChain(world.sim)).toHaveLength(1);
    await expectBooksAndChainAgree(world);
  } finally {
    await behind.close();
    await proxy.close();
    await direct.close();
  }
});

it.each(strikes)('fault 9: a COMMIT of accounting that %s (%s, %s): every block and count once', async (_, name, _how_many, fault, stride) => {
  const busy = await unpackRecording('busy');
  const node = await serveRecordedChain(busy.chain_directory);
  const settings = await mariadb.createDatabase(`accounting_${name}`);
  const direct = await connect(settings);
  await migrate(direct);
  const proxy = await startFaultProxy({ target_port: mariadb.port, protocol: mysqlRequests });
  const behind = await connect({ ...settings, socket_path: null, port: proxy.port });
  try {
    const pool_address = /"btcaddress" : "(\w+)"/.exec(readFileSync(busy.configuration, 'utf8'))![1]!;
    const place = { database: behind, log_directory: busy.log_directory, log_file: busy.log_file, login: node.login, pool_address };
    const { daemon, close } = await openAccounting(place, { chunk_bytes: 64 * 1024 }, { share_source: 'counters' });
    const { counts, stop } = strikeAtCommits(proxy, fault, stride);
    const lost = await toRest(daemon);
    stop();
    await close();
    expect(lost).toBeGreaterThanOrEqual(8);
    expect(counts.struck).toBeGreaterThanOrEqual(lost);
    expect(await disagreements(direct, busy.truth)).toEqual([]);
  } finally {
    await behind.close();
    await proxy.close();
    await direct.close();
    await node.close();
    await busy.remove();
  }
});

it('fault 11: a full tablespace (1114): said as such, nothing is half, and work goes on when there is room', async () => {
  const small = ['--innodb-file-per-table=0', '--innodb-data-file-path=ibdata1:12M:autoextend:max:20M'];
  const full = await startMariadb(small);
  try {
    const database = await connect(await full.createDatabase('full'));
    await migrate(database);
    const fill = () => database.transaction(async (transaction) => {
      for (let row = 0; row < 4_000; row += 1) {
        await transaction('settings').insert({ name: `${row}`, value: 'x'.repeat(3_000), set_at: '2026-01-01 00:00:00.000' });
      }
    });
    await expect(fill()).rejects.toMatchObject({
      name: 'OutsideFailure', kind: 'retry', code: 1114, message: expect.stringMatching(/^The disk of the database is full: free space there; nothing was lost/),
    });
    expect(await database.knex('settings')).toEqual([]);
    await full.restart(['--innodb-file-per-table=0', '--innodb-data-file-path=ibdata1:12M:autoextend']);
    await fill();
    expect(await database.knex('settings')).toHaveLength(4_000);
    await database.close();
  } finally {
    await full.stop();
  }
});

it('fault 11: a statement larger than max_allowed_packet names the setting, and nothing of its transaction is kept', async () => {
  const settings = await mariadb.createDatabase('packets');
  const database = await connect(settings);
  await migrate(database);
  await administrator.knex.raw('SET GLOBAL max_allowed_packet = 16384');
  const limited = await connect(settings);
  try {
    const write = (value: string) => limited.transaction(async (transaction) => {
      await transaction('settings').insert({ name: 'first', value: '', set_at: '2026-01-01 00:00:00.000' });
      await transaction('settings').insert({ name: 'second', value, set_at: '2026-01-01 00:00:00.000' });
    });
    const failure: unknown = await write('x'.repeat(40_000)).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(OutsideFailure);
    expect((failure as OutsideFailure).message).toMatch(/max_allowed_packet/);
    expect(await database.knex('settings')).toEqual([]);
    await write('small');
    expect(await database.knex('settings')).toHaveLength(2);
  } finally {
    await administrator.knex.raw('SET GLOBAL max_allowed_packet = 16777216');
    await limited.close();
    await database.close();
  }
});
