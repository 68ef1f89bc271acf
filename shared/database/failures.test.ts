// What a failure of the database means to the program, and what it tells an operator.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { ConfigurationFault, OutsideFailure } from '../errors.js';
import { connect, type DatabaseSettings } from './connect.js';
import { smallInteger, type Database } from './database.js';
import { databaseFailure, type Stage } from './errors.js';
import { migrate } from './migrate.js';
import { durabilityFaults } from './preflight.js';
import { rowsOf } from './rows.js';

const row = (name: string) => ({ name, value: '', set_at: '2026-01-01 00:00:00.000' });
const thrown = (work: Promise<unknown>): Promise<unknown> => work.then(() => null, (error: unknown) => error);

describe('codes', () => {
  const cases: [string | number | undefined, Stage, string][] = [
    [1062, 'statement', 'refused'], [1452, 'statement', 'refused'], [4025, 'statement', 'refused'], [3819, 'statement', 'refused'],
    [1644, 'statement', 'refused'], [1142, 'statement', 'refused'], [1213, 'statement', 'retry'], [1205, 'statement', 'retry'],
    [1020, 'statement', 'retry'], [1021, 'statement', 'retry'], [1114, 'statement', 'retry'], [1290, 'statement', 'retry'],
    [1040, 'connect', 'retry'], [1047, 'statement', 'retry'], [1047, 'commit', 'unknown'], [1180, 'commit', 'unknown'], [1045, 'connect', 'configuration'], [1049, 'connect', 'configuration'],
    ['ECONNREFUSED', 'connect', 'retry'], ['ENOENT', 'connect', 'retry'], ['ETIMEDOUT', 'connect', 'retry'],
    ['ECONNRESET', 'statement', 'unknown'], ['PROTOCOL_CONNECTION_LOST', 'statement', 'unknown'],
    ['PROTOCOL_CONNECTION_LOST', 'commit', 'unknown'], [1317, 'commit', 'unknown'], [1213, 'commit', 'retry'],
    ['SQLITE_CONSTRAINT_UNIQUE', 'statement', 'refused'], ['SQLITE_BUSY', 'statement', 'retry'],
    ['SQLITE_BUSY_SNAPSHOT', 'statement', 'retry'], ['SQLITE_FULL', 'statement', 'retry'], ['SQLITE_FULL', 'commit', 'retry'],
    ['SQLITE_IOERR_WRITE', 'statement', 'unknown'], ['SQLITE_IOERR_FSYNC', 'commit', 'unknown'],
    ['SQLITE_CORRUPT', 'statement', 'refused'], ['SQLITE_READONLY', 'statement', 'configuration'],
    ['SQLITE_CANTOPEN', 'connect', 'configuration'], ['SQLITE_NOTADB', 'connect', 'configuration'],
    [65_000, 'statement', 'unknown'], ['SOMETHING_NEW', 'statement', 'unknown'], ['SOMETHING_NEW', 'commit', 'unknown'],
  ];
  test.each(cases)('%s at %s is %s', (code, stage, expected) => {
    const failure = databaseFailure(Object.assign(new Error('words of the server'),
      typeof code === 'number' ? { errno: code, code: 'ER_SOMETHING' } : { code }), stage);
    expect(failure instanceof ConfigurationFault ? 'configuration' : (failure as OutsideFailure).kind).toBe(expected);
  });

  test('what no database made stays as it is', () => {
    for (const error of [new Error('a bug'), new RangeError('x'), 'text', new OutsideFailure('retry', 'node', 'x')]) {
      expect(databaseFailure(error, 'statement')).toBe(error);
    }
  });

  test('a name in the words of the server cannot steer a terminal (D-31)', () => {
    const error = Object.assign(new Error('x'), { errno: 1062, code: 'ER_DUP_ENTRY', sqlMessage: "Duplicate entry '\x1b[2J\n\x00é' for key" });
    expect((databaseFailure(error, 'statement') as OutsideFailure).message).toMatch(/^[ -~]+$/);
  });
});

describe('SQLite', () => {
  const directories: string[] = [];
  const newFile = (): string => {
    const directory = mkdtempSync(join(tmpdir(), 'pool-failures-'));
    directories.push(directory);
    return join(directory, 'pool.sqlite');
  };
  afterEach(() => { for (const directory of directories.splice(0)) rmSync(directory, { recursive: true }); });

  test('fault 11: a full disk loses nothing and leaves nothing half, and work goes on when there is space', async () => {
    const database = await connect({ engine: 'sqlite', file: newFile() });
    await migrate(database);
    const [pages] = await rowsOf<{ page_count: bigint }>(database.knex, 'PRAGMA page_count');
    await database.knex.raw(`PRAGMA max_page_count = ${pages?.page_count ?? 0n}`);
    const fill = database.transaction(async (transaction) => {
      for (let count = 0; count < 200; count += 1) await transaction('settings').insert({ ...row(`${count}`), value: 'x'.repeat(3_000) });
    });
    expect(await thrown(fill)).toMatchObject({ name: 'OutsideFailure', kind: 'retry', code: 'SQLITE_FULL' });
    expect(await database.knex('settings')).toEqual([]);
    await database.knex.raw('PRAGMA max_page_count = 100000');
    await database.transaction((transaction) => transaction('settings').insert(row('a')));
    expect(await database.knex('settings')).toHaveLength(1);
    await database.close();
  });

  test('a file held by another process is refused for now, not waited for without end', async () => {
    const file = newFile();
    const [holder, waiter] = [await connect({ engine: 'sqlite', file }), await connect({ engine: 'sqlite', file })];
    await migrate(holder);
    const held = await holder.knex.transaction();
    await held('settings').insert(row('a'));
    expect(await thrown(waiter.transaction((transaction) => transaction('settings').insert(row('b')))))
      .toMatchObject({ kind: 'retry', code: 'SQLITE_BUSY' });
    await held.commit();
    await waiter.transaction((transaction) => transaction('settings').insert(row('b')));
    expect(await holder.knex('settings')).toHaveLength(2);
    await Promise.all([holder.close(), waiter.close()]);
  });

  test('a wrong path or file is named as sql.file', async () => {
    const file = newFile();
    writeFileSync(file, 'not a database, but long enough to be looked at as one'.repeat(40));
    for (const wrong of [file, join(file, '..', 'missing', 'pool.sqlite'), join(file, '..')]) {
      const fault = await thrown(connect({ engine: 'sqlite', file: wrong }));
      expect(fault).toBeInstanceOf(ConfigurationFault);
      expect((fault as ConfigurationFault).sentences.join()).toMatch(/sql\.file/);
    }
  });

  test('a file of ours is durable', async () => {
    const database = await connect({ engine: 'sqlite', file: newFile() });
    expect(await durabilityFaults(database)).toEqual([]);
    await database.knex.raw('PRAGMA synchronous = OFF');
    expect((await durabilityFaults(database)).join()).toMatch(/synchronous/);
    await database.close();
  });
});

describe('MariaDB', () => {
  let server: PrivateMariadb;
  let settings: DatabaseSettings & { engine: 'mysql' };
  let database: Database;
  let admin: Database;
  beforeAll(async () => {
    server = await startMariadb();
    settings = await server.createDatabase('failures');
    database = await connect(settings);
    admin = await connect(settings);
    await migrate(database);
  });
  afterAll(async () => {
    await database.close();
    await admin.close();
    await server.stop();
  });
  afterEach(async () => { await admin.knex('settings').del(); });

  async function killOwn(transaction: Parameters<Parameters<Database['transaction']>[0]>[0]): Promise<void> {
    const [self] = await rowsOf<{ id: unknown }>(transaction, 'SELECT connection_id() AS id');
    await admin.knex.raw(`KILL ${smallInteger(self?.id)}`);
  }

  test('fault 9: a connection lost before COMMIT changed nothing and may be tried again', async () => {
    const failure = await thrown(database.transaction(async (transaction) => {
      await transaction('settings').insert(row('a'));
      await killOwn(transaction);
      await transaction('settings').insert(row('b'));
    }));
    expect(failure).toMatchObject({ name: 'OutsideFailure', kind: 'retry' });
    expect(await database.knex('settings')).toEqual([]);
  });

  test('fault 9: a connection lost in COMMIT is unknown, and the next transaction has a new one', async () => {
    const failure = await thrown(database.transaction(async (transaction) => {
      await transaction('settings').insert(row('a'));
      await killOwn(transaction);
    }));
    expect(failure).toMatchObject({ name: 'OutsideFailure', kind: 'unknown' });
    await database.transaction((transaction) => transaction('settings').insert(row('b')));
    expect(await database.knex('settings').select('name')).toEqual([{ name: 'b' }]);
  });

  test('wrong credentials name sql.auth, a missing database names sql.database', async () => {
    const wrong = await thrown(connect({ ...settings, user: 'nobody', password: 'very-secret' }));
    expect(wrong).toBeInstanceOf(ConfigurationFault);
    expect(String(wrong)).toMatch(/sql\.auth/);
    expect(String(wrong)).not.toMatch(/very-secret/);
    const missing = await thrown(connect({ ...settings, database: 'absent' }));
    expect(missing).toBeInstanceOf(ConfigurationFault);
    expect(String(missing)).toMatch(/sql\.database/);
  });

  test('a server that cannot be reached may be tried again', async () => {
    for (const where of [{ socket_path: '/nonexistent/socket' }, { socket_path: null, port: 1 }]) {
      expect(await thrown(connect({ ...settings, ...where }))).toMatchObject({ kind: 'retry', where: 'database' });
    }
  });

  test('over TCP it is the same database', async () => {
    const remote = await connect({ ...settings, socket_path: null });
    expect(await remote.knex('payments_lease')).toHaveLength(1);
    await remote.close();
  });

  test('a session that another client made lax is strict here', async () => {
    await admin.knex.raw("SET GLOBAL sql_mode = ''");
    const strict = await connect(settings);
    expect(await thrown(Promise.resolve(strict.knex('settings').insert({ ...row('a'), name: 'x'.repeat(65) })))).toMatchObject({ kind: 'refused' });
    expect(await durabilityFaults(strict)).toEqual([]);
    await strict.close();
  });

  test('fault 12: a server that may lose a commit is named with its setting', async () => {
    expect(await durabilityFaults(database)).toEqual([]);
    await admin.knex.raw('SET GLOBAL innodb_flush_log_at_trx_commit = 2');
    expect((await durabilityFaults(database)).join()).toMatch(/innodb_flush_log_at_trx_commit is 2/);
    await admin.knex.raw('SET GLOBAL innodb_flush_log_at_trx_commit = 1');
    await admin.knex.raw('CREATE TABLE odd (id INT) ENGINE=MyISAM');
    expect((await durabilityFaults(database)).join()).toMatch(/odd uses MyISAM/);
    await admin.knex.raw('DROP TABLE odd');
  });

  test('a server without a cluster has no fault of a cluster, and nothing waits for other nodes', async () => {
    const [variables] = await rowsOf<{ provider: string; sync_wait: unknown }>(database.knex,
      'SELECT @@wsrep_provider AS provider, @@wsrep_sync_wait AS sync_wait');
    expect(variables).toMatchObject({ provider: 'none' });
    expect(Number(variables?.sync_wait)).toBe(1);
    expect(await durabilityFaults(database)).toEqual([]);
  });

  test('fault 7: what was committed is there after kill -9; while it is down, every call may be tried again', async () => {
    await database.transaction((transaction) => transaction('settings').insert(row('kept')));
    const lost = thrown(database.transaction(async (transaction) => {
      await transaction('settings').insert(row('lost'));
      await server.kill();
      await transaction('settings').insert(row('lost too'));
    }));
    expect(await lost).toMatchObject({ kind: 'retry' });
    expect(await thrown(Promise.resolve(database.knex('settings')))).toMatchObject({ kind: 'retry' });
    await server.restart();
    expect(await database.knex('settings').select('name')).toEqual([{ name: 'kept' }]);
  });
});
