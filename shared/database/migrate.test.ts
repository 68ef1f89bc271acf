import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { ConfigurationFault } from '../errors.js';
import { connect } from './connect.js';
import type { Database } from './database.js';
import { migrate, migrateOrVerify, migrationsOf, tableKinds, verifySchema, type Migration } from './migrate.js';
import { rowsOf } from './rows.js';

const namesOf = async ({ knex, engine }: Database): Promise<string[]> => [...(await tableKinds(knex, engine)).keys()].sort();

async function faultOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigurationFault);
  return (error as ConfigurationFault).sentences.join(' ');
}

const names_of_the_replaced_tool = ['blocks_stats', 'mined_blocks', 'miners', 'stats_blocks_view', 'transactions'];

forEachDatabase('migrate', (open, databases) => {
  const { engine } = databases;
  const fresh = async (): Promise<Database> => databases.connect(await databases.createEmpty());
  const all = migrationsOf(engine);

  test('an empty database gets the whole schema, a second run changes nothing', async () => {
    const database = await fresh();
    expect(await migrate(database)).toBe(all.length);
    expect(await migrate(database)).toBe(0);
    await verifySchema(database);
    expect((await database.knex('payments_lease')).length).toBe(1);
  });

  test('fault 42: killed after any statement, it is run again and ends with the same schema', async () => {
    const complete = await namesOf(await open());
    const steps = all.flatMap((migration) => migration.statements.map((_, index) => ({ migration, count: index + 1 })));
    for (const { migration, count } of steps) {
      const database = await fresh();
      await runUntilKilled(database, all, migration, count);
      await migrate(database);
      expect([migration.name, count, await namesOf(database)]).toEqual([migration.name, count, complete]);
      expect(await database.knex('accounting_lease').select('id')).toHaveLength(1);
      await database.close();
    }
  }, 300_000);

  test('two that start at once do not meet (D-33)', async () => {
    const settings = await databases.createEmpty();
    const starters = await Promise.all([1, 2, 3].map(() => databases.connect(settings)));
    const applied = await Promise.all(starters.map((database) => migrate(database)));
    expect(applied.reduce((sum, count) => sum + count)).toBe(all.length);
  });

  test('fault 12, fault 42: a newer schema is refused', async () => {
    const database = await open();
    await database.knex('schema_migrations').insert({ version: 999, name: 'future', applied_at: '2030-01-01 00:00:00.000' });
    expect(await faultOf(migrate(database))).toMatch(/version 999.*install the newer program/);
    expect(await faultOf(verifySchema(database))).toMatch(/version 999/);
  });

  test('a database without the schema is refused with the command that makes it', async () => {
    const database = await fresh();
    expect(await faultOf(verifySchema(database))).toMatch(/obtc-accounting migrate/);
    expect(await namesOf(database)).toEqual([]);
  });

  test('tables of the replaced tool are refused before anything is created', async () => {
    for (const name of names_of_the_replaced_tool) {
      const database = await fresh();
      await database.knex.raw(`CREATE TABLE ${name} (id_block INT)`);
      expect(await faultOf(migrate(database))).toMatch(new RegExp(`${name}.*obtc-payments import`));
      expect(await namesOf(database)).toEqual([name]);
    }
  });

  test('the five old names are views that answer and cannot be written', async () => {
    const database = await open();
    const kinds = await tableKinds(database.knex, engine);
    for (const name of names_of_the_replaced_tool) {
      expect([name, kinds.get(name)]).toEqual([name, 'view']);
      expect(await database.knex(name)).toEqual([]);
    }
    await expect(database.knex('miners').insert({ id_miner: 1, name: 'a' })).rejects.toThrow();
    await expect(database.knex('mined_blocks').update({ height: 1 })).rejects.toThrow();
  });
});

async function runUntilKilled(database: Database, all: Migration[], last: Migration, count: number): Promise<void> {
  const statements = all.filter(({ version }) => version < last.version).flatMap((migration) => migration.statements);
  if (database.engine === 'mysql') {
    for (const statement of [...statements, ...last.statements.slice(0, count)]) await database.knex.raw(statement);
    return;
  }
  await expect(database.transaction(async (transaction) => {
    for (const statement of [...statements, ...last.statements.slice(0, count)]) await transaction.raw(statement);
    throw new Error('killed');
  })).rejects.toThrow('killed');
}

describe('the two schemas', () => {
  let server: PrivateMariadb;
  const opened: Database[] = [];
  beforeAll(async () => { server = await startMariadb(); });
  afterAll(async () => {
    for (const database of opened) await database.close();
    await server.stop();
  });
  const keep = async (database: Promise<Database>): Promise<Database> => {
    opened.push(await database);
    return database;
  };

  test('have the same tables, views and columns, with the same columns optional', async () => {
    const sqlite = await keep(connect({ engine: 'sqlite', file: ':memory:' }));
    const mysql = await keep(connect(await server.createDatabase('pairs')));
    await migrate(sqlite);
    await migrate(mysql);
    expect(migrationsOf('mysql').map(({ name }) => name)).toEqual(migrationsOf('sqlite').map(({ name }) => name));
    const kinds = await tableKinds(sqlite.knex, 'sqlite');
    expect(await tableKinds(mysql.knex, 'mysql')).toEqual(new Map([...kinds].sort()));
    for (const [name, kind] of kinds) {
      const [left, right] = [await sqliteColumns(sqlite, name), await mysqlColumns(mysql, name)];
      const view = ({ column }: Column) => column;
      expect([name, kind === 'view' ? right.map(view) : right]).toEqual([name, kind === 'view' ? left.map(view) : left]);
    }
  });

  test('fault 12: keep names as bytes and compare text by its bytes, whatever the server\'s defaults', async () => {
    const root = await keep(connect(server.settings('mysql')));
    await root.knex.raw('CREATE DATABASE foreign_defaults CHARACTER SET latin1 COLLATE latin1_general_ci');
    const database = await keep(connect(server.settings('foreign_defaults')));
    await migrate(database);
    const columns = await rowsOf<{ collation: string }>(database.knex, 'SELECT DISTINCT c.collation_name AS collation '
      + 'FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name) '
      + "WHERE c.table_schema = database() AND t.table_type = 'BASE TABLE' AND c.collation_name IS NOT NULL");
    expect(columns.map(({ collation }) => collation).sort()).toEqual(['ascii_bin', 'utf8mb4_bin']);
  });

  test('the lock of a migration is waited for, and goes with the connection of whoever was killed', async () => {
    const settings = await server.createDatabase('locked');
    const abandoned = await connect(settings);
    await abandoned.transaction(async (transaction) => {
      await transaction.raw("SELECT get_lock(concat('schema:', left(sha1(database()), 40)), 0)");
    });
    const starter = await keep(connect(settings));
    let done = false;
    const migrating = migrate(starter).finally(() => { done = true; });
    await new Promise((resolve) => { setTimeout(resolve, 400); });
    expect([done, await namesOf(starter)]).toEqual([false, []]);
    await abandoned.close();
    expect(await migrating).toBe(migrationsOf('mysql').length);
  });

  test('a daemon whose login may not create tables starts on a current schema, else it names the command', async () => {
    const settings = await server.createDatabase('limited');
    const root = await keep(connect(settings));
    await root.knex.raw("CREATE USER 'limited'@'localhost' IDENTIFIED BY 'x'");
    await root.knex.raw("GRANT SELECT ON limited.* TO 'limited'@'localhost'");
    const limited = await keep(connect(server.settings('limited', { user: 'limited', password: 'x' })));
    expect(await faultOf(migrateOrVerify(limited))).toMatch(/obtc-accounting migrate/);
    await migrate(root);
    expect(await migrateOrVerify(limited)).toBe(0);
  });
});

interface Column {
  column: string;
  optional: boolean;
}

async function sqliteColumns({ knex }: Database, table: string): Promise<Column[]> {
  const rows = await rowsOf<{ name: string; notnull: bigint; pk: bigint }>(knex, `PRAGMA table_info(${table})`);
  return rows.map(({ name, notnull, pk }) => ({ column: name, optional: notnull === 0n && pk === 0n }));
}

/** Without generated columns: MySQL needs one where SQLite has an index over an expression. */
async function mysqlColumns({ knex }: Database, table: string): Promise<Column[]> {
  const rows = await rowsOf<{ name: string; nullable: string }>(knex, 'SELECT column_name AS name, is_nullable AS nullable '
    + "FROM information_schema.columns WHERE table_schema = database() AND table_name = ? AND extra NOT LIKE '%GENERATED%' "
    + 'ORDER BY ordinal_position', [table]);
  return rows.map(({ name, nullable }) => ({ column: name, optional: nullable === 'YES' }));
}
