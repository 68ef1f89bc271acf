import { afterAll, beforeAll, expect, test } from 'vitest';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { ConfigurationFault } from '../errors.js';
import { connect } from './connect.js';
import { connectOrCreate } from './create.js';
import { migrate } from './migrate.js';

let server: PrivateMariadb;
beforeAll(async () => { server = await startMariadb(); });
afterAll(async () => { await server.stop(); });

test('a first start with a login that may creates the database it is configured for', async () => {
  const database = await connectOrCreate(server.settings('pool-base; DROP'));
  expect(await migrate(database)).toBeGreaterThan(0);
  await database.close();
  const again = await connectOrCreate(server.settings('pool-base; DROP'));
  expect(await migrate(again)).toBe(0);
  await again.close();
});

test('a login that may not is told to have it created', async () => {
  const root = await connect(await server.createDatabase('other'));
  await root.knex.raw("CREATE USER 'poor'@'%' IDENTIFIED BY 'secret'");
  await root.close();
  const settings = { ...server.settings('missing'), user: 'poor', password: 'secret' } as Parameters<typeof connect>[0];
  await expect(connectOrCreate(settings)).rejects.toThrow(ConfigurationFault);
  await expect(connectOrCreate(settings)).rejects.toThrow(/sql\.database/);
});
