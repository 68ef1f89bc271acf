// Row 42 of the fault matrix: program and schema do not fit. An older program refuses a newer schema and changes nothing;
// a migration that is killed, as a process or with its server, is run again and ends with the same schema.
// (shared/database/migrate.test.ts goes through every statement; here are the real kills.)
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { migrationsOf, tableKinds } from '../../shared/database/migrate.js';
import { buildPrograms, run, type Answer, type ProgramName } from '../programs.js';

const program = fileURLToPath(new URL('../../dist/accounting/main.js', import.meta.url));
let mariadb: PrivateMariadb;
let directory: string;
let databases = 0;
beforeAll(async () => {
  buildPrograms();
  mariadb = await startMariadb();
  directory = mkdtempSync(path.join(tmpdir(), 'upgrade-'));
});
afterAll(async () => {
  await mariadb.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A configuration with a database of its own; no node is asked before the schema is known. */
async function newDatabase(engine: 'sqlite' | 'mysql') {
  databases += 1;
  const name = `upgrade_${databases}`;
  const config_file = path.join(directory, `${name}.conf`);
  const sql = engine === 'sqlite' ? { file: `${name}.sqlite` } : { auth: 'root', pass: '', socket: mariadb.socket_path, database: name };
  writeFileSync(config_file, JSON.stringify({
    btcd: [{ url: '127.0.0.1:9', auth: 'a', pass: 'b' }], btcaddress: 'rltc1qpool', logdir: directory, parser: { sql },
  }), { mode: 0o600 });
  if (engine === 'mysql') await mariadb.createDatabase(name);
  const open = (): Promise<Database> => connect(engine === 'sqlite' ? { engine, file: path.join(directory, `${name}.sqlite`) } : mariadb.settings(name));
  const ask = (which: ProgramName, ...words: string[]): Promise<Answer> => run(which, [...words, '-c', config_file]);
  return { config_file, open, ask };
}

async function using<Value>(open: () => Promise<Database>, act: (database: Database) => Promise<Value>): Promise<Value> {
  const database = await open();
  try {
    return await act(database);
  } finally {
    await database.close();
  }
}

const tablesOf = (database: Database): Promise<string[]> => tableKinds(database.knex, database.engine).then((kinds) => [...kinds.keys()].sort());
const versionsOf = async (database: Database): Promise<number> => ((await tablesOf(database)).includes('schema_migrations')
  ? (await database.knex('schema_migrations').select('version')).length : 0);

describe.each(['sqlite', 'mysql'] as const)('fault 42: an older program on a newer schema (%s)', (engine) => {
  it('refuses to run, to migrate and to answer, in one sentence, and changes nothing', async () => {
    const { open, ask } = await newDatabase(engine);
    expect((await ask('accounting', 'migrate')).status).toBe(0);
    await using(open, async ({ knex }) => {
      await knex('schema_migrations').insert({ version: 999, name: 'of_the_future', applied_at: '2030-01-01 00:00:00.000' });
      await knex.raw('CREATE TABLE of_the_future (id INT)');
    });
    const before = await using(open, async (database) => [await tablesOf(database), await database.knex('accounting_lease'), await database.knex('payments_lease')]);
    const refusals = await Promise.all(([
      ['accounting', 'run', '--once'], ['accounting', 'run'], ['accounting', 'migrate'], ['accounting', 'blocks'],
      ['payments', 'run', '--once'], ['payments', 'run'], ['payments', 'balances'],
    ] as const).map(([which, ...words]) => ask(which, ...words)));
    for (const { status, stdout, stderr } of refusals) {
      expect(stderr).toMatch(/The schema of the database has version 999, this program knows \d+: install the newer program again\./);
      expect([status, stdout]).toEqual([2, '']);
    }
    expect(await using(open, async (database) => [await tablesOf(database), await database.knex('accounting_lease'), await database.knex('payments_lease')])).toEqual(before);
  });
});

/** Ends `migrate` or the server with SIGKILL as soon as so many tables are there; true if that was in the middle. */
async function killMidway(place: Awaited<ReturnType<typeof newDatabase>>, tables: number, what: 'program' | 'server'): Promise<boolean> {
  const watcher = await place.open();
  const child = spawn(process.execPath, [program, 'migrate', '-c', place.config_file], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    while (child.exitCode === null && (await tablesOf(watcher)).length < tables);
    if (what === 'program') child.kill('SIGKILL');
    else await mariadb.kill();
    await ended;
  } finally {
    await watcher.close().catch(() => undefined);
  }
  if (what === 'server') await mariadb.restart();
  return await using(place.open, versionsOf) < migrationsOf('mysql').length;
}

describe('fault 42: a migration that is killed', () => {
  let complete: string[];
  beforeAll(async () => {
    const place = await newDatabase('mysql');
    await place.ask('accounting', 'migrate');
    complete = await using(place.open, tablesOf);
    expect(complete.length).toBeGreaterThan(25);
  });

  it.each([['program', [1, 2, 8, 14, 20, 26]], ['server', [3, 17]]] as const)('with its %s is run again and ends with the same schema', async (what, counts) => {
    let midway = 0;
    for (const tables of counts) {
      const place = await newDatabase('mysql');
      if (await killMidway(place, tables, what)) midway += 1;
      const again = await place.ask('accounting', 'migrate');
      expect(again.status, again.stderr).toBe(0);
      expect(await using(place.open, tablesOf)).toEqual(complete);
      expect(await using(place.open, versionsOf)).toBe(migrationsOf('mysql').length);
    }
    expect(midway).toBeGreaterThan(0);
  });

  it('leaves payments waiting for nobody: it names the command that goes on', async () => {
    let place = await newDatabase('mysql');
    for (let attempt = 1; !(await killMidway(place, 4, 'program')); attempt += 1) {
      expect(attempt).toBeLessThan(5);
      place = await newDatabase('mysql');
    }
    const { status, stderr } = await place.ask('payments', 'run', '--once');
    expect(stderr).toMatch(/obtc-accounting migrate/);
    expect(status).toBe(2);
  });
});
