// One body of tests, run on both engines: SQLite in a file of its own, and a private MariaDB that the
// tests of one file share. Each call of `open` gives a new, empty, migrated database; all are closed
// after each test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { connect, type DatabaseSettings } from '../shared/database/connect.js';
import type { Database, Engine } from '../shared/database/database.js';
import { migrate } from '../shared/database/migrate.js';
import { startMariadb, type PrivateMariadb } from './mariadb.js';

export interface TestDatabases {
  readonly engine: Engine;
  /** Settings of a new database without tables. */
  createEmpty(): Promise<DatabaseSettings>;
  /** A connection, closed after the test. */
  connect(settings: DatabaseSettings): Promise<Database>;
  /** The private server; null on SQLite. */
  server(): PrivateMariadb | null;
}

type Open = () => Promise<Database>;

/**
 * `describe`s the body twice. `open` gives a new migrated database; `databases` is for tests that need more.
 */
export function forEachDatabase(title: string, body: (open: Open, databases: TestDatabases) => void): void {
  describe(`${title} on SQLite`, () => {
    const directories: string[] = [];
    afterEach(() => {
      for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
    });
    onEngine('sqlite', body, () => null, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'pool-database-'));
      directories.push(directory);
      return { engine: 'sqlite', file: join(directory, 'pool.sqlite') };
    });
  });
  describe(`${title} on MariaDB`, () => {
    let server: PrivateMariadb | null = null;
    let count = 0;
    beforeAll(async () => { server = await startMariadb(); });
    afterAll(async () => { await server?.stop(); });
    onEngine('mysql', body, () => server, async () => {
      if (!server) throw new Error('the private MariaDB is not running');
      count += 1;
      return server.createDatabase(`pool_${count}`);
    });
  });
}

function onEngine(
  engine: Engine,
  body: (open: Open, databases: TestDatabases) => void,
  server: () => PrivateMariadb | null,
  createEmpty: () => Promise<DatabaseSettings>,
): void {
  const opened: Database[] = [];
  // Hooks run last first: connections close before the files under them go.
  afterEach(async () => {
    for (const database of opened.splice(0)) await database.close();
  });
  const connectForTest = async (settings: DatabaseSettings): Promise<Database> => {
    const database = await connect(settings);
    opened.push(database);
    return database;
  };
  const open = async (): Promise<Database> => {
    const database = await connectForTest(await createEmpty());
    await migrate(database);
    return database;
  };
  body(open, { engine, createEmpty, connect: connectForTest, server });
}
