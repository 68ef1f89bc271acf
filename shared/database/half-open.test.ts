// Row 10 of the fault matrix: connections that are there and say nothing, servers that have none free, sessions that
// the server drops. Here because a limit of a minute has to be waited for, beside other tests.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mysqlRequests, startFaultProxy, type FaultProxy } from '../../lab/fault-proxy.js';
import * as faults from '../../lab/fault-proxy.js';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { OutsideFailure } from '../errors.js';
import { connect, type DatabaseSettings } from './connect.js';
import { timeText, type Database } from './database.js';
import { createLease } from './lease.js';
import { migrate } from './migrate.js';
import { rowsOf } from './rows.js';

const row = (name: string) => ({ name, value: '', set_at: timeText(0) });
const failureOf = (work: Promise<unknown>): Promise<OutsideFailure> => work.then(() => expect.fail('it did not fail'), (thrown: OutsideFailure) => thrown);

describe('a database that is slow to answer or does not answer at all', () => {
  let server: PrivateMariadb;
  let settings: Extract<DatabaseSettings, { engine: 'mysql' }>;
  let proxy: FaultProxy;
  let behind: Database;
  let direct: Database;
  beforeAll(async () => {
    server = await startMariadb();
    settings = await server.createDatabase('half_open');
    direct = await connect(settings);
    await migrate(direct);
    proxy = await startFaultProxy({ target_port: server.port, protocol: mysqlRequests });
    behind = await connect({ ...settings, socket_path: null, port: proxy.port });
  });
  afterAll(async () => {
    await behind?.close();
    await proxy?.close();
    await direct?.close();
    await server?.stop();
  });
  const sessions = async () => (await rowsOf(direct.knex, "SELECT id FROM information_schema.processlist WHERE db = 'half_open'")).length;
  const write = (name: string) => behind.transaction(async (transaction) => { await transaction('settings').insert(row(name)); });

  test('fault 10: slow answers are waited for', async () => {
    const stop = proxy.meetAll(() => true, faults.delayed(150));
    await write('slow');
    stop();
    expect(await direct.knex('settings').where({ name: 'slow' })).toHaveLength(1);
  });

  test('fault 10: in a black hole a call ends within its limit of a minute; then there is a new connection, and none is leaked', async () => {
    await write('before');
    const end = proxy.blackHole();
    const began_ms = performance.now();
    const failure = await failureOf(write('into the hole'));
    expect(failure).toMatchObject({ name: 'OutsideFailure', where: 'database' });
    expect(performance.now() - began_ms).toBeGreaterThan(50_000);
    expect(performance.now() - began_ms).toBeLessThan(90_000);
    end();
    await write('after');
    expect((await direct.knex('settings').whereIn('name', ['into the hole', 'after']).select('name')).map(({ name }: { name: string }) => name)).toEqual(['after']);
    expect(await sessions()).toBeLessThanOrEqual(3);
  });

  test('fault 10: a holder that vanishes without a word in the middle of a transaction does not keep the lease for hours', async () => {
    const [limit] = await rowsOf<{ seconds: unknown }>(direct.knex, 'SELECT @@SESSION.wait_timeout AS seconds');
    expect(Number(limit?.seconds)).toBe(60);
    const held = await behind.knex.transaction();
    await createLease(behind, 'payments_lease', 'vanishes').tryTake();
    await held('payments_lease').where('id', 1).update({ expires_at_ms: 0 });
    // As sixty seconds would do, by the server's own rule.
    await held.raw('SET SESSION wait_timeout = 1');
    const end = proxy.blackHole();
    await direct.knex.raw('SELECT SLEEP(1.5)');
    expect(await createLease(direct, 'payments_lease', 'next').tryTake()).toBe(false);
    await direct.knex('payments_lease').update({ expires_at_ms: 0 });
    expect(await createLease(direct, 'payments_lease', 'next').tryTake()).toBe(true);
    end();
    await held.rollback().catch(() => undefined);
  });

  test('fault 10: a session that the server dropped for its idleness is replaced, unnoticed', async () => {
    const idle = await connect(settings);
    for (let round = 0; round < 2; round += 1) {
      const dropped = await idle.knex.transaction();
      await dropped.raw('SET SESSION wait_timeout = 1');
      await dropped.commit();
      await direct.knex.raw('SELECT SLEEP(1.6)');
      await idle.transaction(async (transaction) => { await transaction('settings').insert(row(`idle ${round}`)); });
    }
    expect(await direct.knex('settings').where('name', 'like', 'idle%')).toHaveLength(2);
    await idle.close();
  });

  test('fault 10: a server without a free connection is named with max_connections, and is used again when it has one', async () => {
    const crowd = await Promise.all(Array.from({ length: 6 }, async () => {
      const one = await connect(settings);
      const transaction = await one.knex.transaction();
      return { one, transaction };
    }));
    await direct.knex.raw('SET GLOBAL max_connections = 10');
    const more: Database[] = [];
    let failure: OutsideFailure | null = null;
    for (let count = 0; count < 10 && failure === null; count += 1) {
      await connect(settings).then((opened) => more.push(opened), (thrown: OutsideFailure) => { failure = thrown; });
    }
    expect(failure).toMatchObject({ kind: 'retry', message: expect.stringMatching(/no connection free: raise max_connections or stop other clients/) });
    for (const { one, transaction } of crowd) {
      await transaction.rollback();
      await one.close();
    }
    const again = await connect(settings);
    await again.close();
    for (const one of more) await one.close();
    await direct.knex.raw('SET GLOBAL max_connections = 151');
  });

  test('fault 10: a pool whose connections are all taken says so within its limit, and is not exhausted for ever', async () => {
    const busy = await connect(settings);
    const taken = await Promise.all(Array.from({ length: 4 }, () => busy.knex.transaction()));
    expect(await failureOf(Promise.resolve(busy.knex('settings')))).toMatchObject({ kind: 'retry', message: expect.stringMatching(/^No connection to the database became free in time/) });
    for (const transaction of taken) await transaction.rollback();
    expect(await busy.knex('settings')).not.toEqual([]);
    await busy.close();
  });
});
