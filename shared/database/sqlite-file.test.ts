import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect, connectExisting } from './connect.js';
import { migrate } from './migrate.js';

let directory: string;
const umask = process.umask();
beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'pool-file-')); });
afterEach(() => {
  process.umask(umask);
  rmSync(directory, { recursive: true, force: true });
});

test('two daemons of one group may both write the embedded database, with the umask of the units', async () => {
  process.umask(0o007);
  const file = join(directory, 'pool_base.sqlite');
  const database = await connect({ engine: 'sqlite', file });
  await migrate(database);
  for (const name of [file, `${file}-wal`, `${file}-shm`]) expect((statSync(name).mode & 0o777).toString(8)).toBe('660');
  await database.close();
});

test('with an ordinary umask nobody else gets to write it', async () => {
  process.umask(0o022);
  const file = join(directory, 'pool_base.sqlite');
  await (await connect({ engine: 'sqlite', file })).close();
  expect(statSync(file).mode & 0o022).toBe(0);
});

test('a command that only reads leaves no empty database behind, and says who makes it', async () => {
  const file = join(directory, 'pool_base.sqlite');
  await expect(connectExisting({ engine: 'sqlite', file })).rejects.toThrow(/sql\.file.*start accounting/);
  expect(existsSync(file)).toBe(false);
});
