// Brings the schema up to date, or says what to do about it.
//
// SQLite: each migration is one transaction, its row in schema_migrations included; killed anywhere, it
// happened or it did not. MySQL commits at every CREATE, so there each statement may be run twice, the row
// is written last, and a migration that was killed half-way is simply run again from its first statement.
// Two starters do not meet: SQLite's write lock, and a named lock of the server that goes when its
// connection goes.
//
// Nothing is created in a database that a newer program made or that still holds tables of the tool that
// this one replaces.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Knex } from 'knex';
import { ConfigurationFault, OutsideFailure } from '../errors.js';
import { smallInteger, timeText, type Database, type Engine } from './database.js';
import { rowsOf } from './rows.js';
import { splitStatements } from './statements.js';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
}

const lock_wait_seconds = 30;
/** Names of the replaced tool: its tables may not stand where our views of the same names go. */
const replaced_names = ['mined_blocks', 'miners', 'blocks_stats', 'transactions', 'stats_blocks_view'];

const ledger_of_migrations: Record<Engine, string> = {
  sqlite:
    'CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, '
    + 'applied_at TEXT NOT NULL) STRICT',
  mysql:
    'CREATE TABLE IF NOT EXISTS schema_migrations (version INT NOT NULL PRIMARY KEY, '
    + 'name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, '
    + 'applied_at DATETIME(3) NOT NULL) ENGINE=InnoDB',
};

/** The schema files of an engine, in order. */
export function migrationsOf(engine: Engine): Migration[] {
  const folder = join(sqlFolder(), engine);
  return readdirSync(folder).sort().flatMap((file) => {
    const match = /^(\d{3})_(\w+)\.sql$/.exec(file);
    if (!match) return [];
    return [{
      version: Number(match[1]), name: match[2] ?? '',
      // Read when they are to be applied: every command asks only which migrations there are.
      get statements() { return splitStatements(readFileSync(join(folder, file), 'utf8')); },
    }];
  });
}

/** sql/ stands beside shared/ in the sources and beside dist/ once built. */
function sqlFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'sql', 'sqlite'))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new ConfigurationFault(['The folder sql/ is missing: install the program again.']);
    }
    folder = parent;
  }
  return join(folder, 'sql');
}

/**
 * Applies what is missing and returns how many migrations that were.
 * @throws ConfigurationFault for a newer schema or tables of the replaced tool; OutsideFailure when the
 * database fails, `retry` when another process is at it.
 */
export async function migrate(database: Database, log?: Log): Promise<number> {
  if ((await missingMigrations(database)).length === 0) return 0;
  return database.engine === 'sqlite' ? migrateSqlite(database, log) : migrateMysql(database, log);
}

/**
 * For a daemon's start: migrates if the login may, otherwise verifies.
 * @throws ConfigurationFault naming the command when the schema is old and the login may not change it.
 */
export async function migrateOrVerify(database: Database, log?: Log): Promise<number> {
  try {
    return await migrate(database, log);
  } catch (error) {
    const denied = error instanceof OutsideFailure && (error.code === 1142 || error.code === 1227);
    if (!denied) throw error;
    await verifySchema(database);
    return 0;
  }
}

async function migrateSqlite(database: Database, log?: Log): Promise<number> {
  let applied = 0;
  for (const migration of migrationsOf('sqlite')) {
    const did = await database.transaction(async (transaction) => {
      await refuseForeignTables(transaction, 'sqlite');
      await transaction.raw(ledger_of_migrations.sqlite);
      const versions = await appliedVersions(transaction);
      refuseNewer(versions, 'sqlite');
      if (versions.includes(migration.version)) return false;
      for (const statement of migration.statements) await transaction.raw(statement);
      await recordMigration(transaction, migration);
      return true;
    });
    if (!did) continue;
    applied += 1;
    log?.info('schema migrated', { version: migration.version, name: migration.name });
  }
  return applied;
}

async function migrateMysql(database: Database, log?: Log): Promise<number> {
  return withServerLock(database.knex, async (connection) => {
    const on = (sql: string, bindings: Knex.Value[] = []) =>
      database.knex.raw(sql, bindings).connection(connection);
    await refuseForeignTables(database.knex, 'mysql');
    await on(ledger_of_migrations.mysql);
    const versions = await appliedVersions(database.knex);
    refuseNewer(versions, 'mysql');
    const missing = migrationsOf('mysql').filter(({ version }) => !versions.includes(version));
    for (const migration of missing) {
      for (const statement of migration.statements) await on(statement);
      await recordMigration(database.knex, migration);
      log?.info('schema migrated', { version: migration.version, name: migration.name });
    }
    return missing.length;
  });
}

async function withServerLock<T>(knex: Knex, work: (connection: unknown) => Promise<T>): Promise<T> {
  const client = knex.client as Knex.Client & { releaseConnection(connection: unknown): Promise<void> };
  const connection: unknown = await client.acquireConnection();
  const ask = async (sql: string): Promise<unknown> => {
    const [rows] = await knex.raw(sql).connection(connection) as [{ answer: unknown }[]];
    return rows[0]?.answer;
  };
  const name = "concat('schema:', left(sha1(database()), 40))";
  try {
    const got = await ask(`SELECT get_lock(${name}, ${lock_wait_seconds}) AS answer`);
    if (String(got) !== '1') {
      throw new OutsideFailure('retry', 'database',
        'Another process is migrating this database: wait for it, or end it.');
    }
    try {
      return await work(connection);
    } finally {
      await ask(`SELECT release_lock(${name}) AS answer`).catch(() => undefined);
    }
  } finally {
    await client.releaseConnection(connection);
  }
}

/**
 * For a login that may not change the schema.
 * @throws ConfigurationFault naming the command when the schema is not exactly the one of this program.
 */
export async function verifySchema(database: Database): Promise<void> {
  const missing = await missingMigrations(database);
  if (missing.length === 0) return;
  throw new ConfigurationFault([
    `The database lacks the schema ${missing.map(({ name }) => name).join(', ')}: `
    + 'run `obtc-accounting migrate` with a login that may create tables and triggers.',
  ]);
}

/** Reads only. @throws ConfigurationFault for a newer schema or tables of the replaced tool. */
async function missingMigrations({ knex, engine }: Database): Promise<Migration[]> {
  const kinds = await refuseForeignTables(knex, engine);
  const versions = kinds.has('schema_migrations') ? await appliedVersions(knex) : [];
  refuseNewer(versions, engine);
  return migrationsOf(engine).filter(({ version }) => !versions.includes(version));
}

async function appliedVersions(knex: Knex): Promise<number[]> {
  const rows = await knex('schema_migrations').select<{ version: unknown }[]>('version').orderBy('version');
  return rows.map(({ version }) => smallInteger(version));
}

async function recordMigration(knex: Knex, { version, name }: Migration): Promise<void> {
  const row = { version, name, applied_at: timeText(Date.now()) };
  await knex('schema_migrations').insert(row).onConflict('version').ignore();
}

function refuseNewer(versions: readonly number[], engine: Engine): void {
  const newest = Math.max(...migrationsOf(engine).map(({ version }) => version));
  const found = Math.max(0, ...versions);
  if (found <= newest) return;
  throw new ConfigurationFault([
    `The schema of the database has version ${found}, this program knows ${newest}: `
    + 'install the newer program again.',
  ]);
}

/** Views of these names are ours; nothing else may bear them. */
async function refuseForeignTables(knex: Knex, engine: Engine): Promise<Map<string, 'table' | 'view'>> {
  const kinds = await tableKinds(knex, engine);
  const found = replaced_names.filter((name) => kinds.get(name) === 'table');
  if (found.length === 0) return kinds;
  throw new ConfigurationFault([
    `The database holds tables of the tool that this one replaces (${found.join(', ')}): `
    + 'name an empty one as '
      + 'sql.database; the command `obtc-payments import`, which is still to come, '
      + 'will carry the old rows over.',
  ]);
}

/** Every table and view of the database by name. */
export async function tableKinds(knex: Knex, engine: Engine): Promise<Map<string, 'table' | 'view'>> {
  const rows = await rowsOf<{ name: string; kind: string }>(knex, tables_of[engine]);
  return new Map(rows.map(({ name, kind }) => [name, /view/i.test(kind) ? 'view' : 'table']));
}

const tables_of: Record<Engine, string> = {
  sqlite:
    "SELECT name, type AS kind FROM sqlite_schema WHERE type IN ('table', "
    + "'view') AND name NOT LIKE 'sqlite_%'",
  mysql:
    'SELECT table_name AS name, table_type AS kind FROM information_schema.tables WHERE '
    + 'table_schema = database()',
};
