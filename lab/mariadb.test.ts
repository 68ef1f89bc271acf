import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { connect } from '../shared/database/connect.js';
import { startMariadb } from './mariadb.js';

test('a private MariaDB keeps its data over kill -9 and leaves nothing behind when stopped', async () => {
  const server = await startMariadb();
  const settings = await server.createDatabase('kept');
  const before = server.pid;
  let database = await connect(settings);
  await database.knex.raw('CREATE TABLE a (id INT PRIMARY KEY) ENGINE=InnoDB');
  await database.knex('a').insert({ id: 1 });
  await server.kill();
  await database.close();
  await server.restart();
  database = await connect(settings);
  expect(await database.knex('a')).toEqual([{ id: 1 }]);
  await database.close();
  await server.stop();
  expect(server.pid).not.toBe(before);
  expect(() => process.kill(server.pid, 0)).toThrow();
  expect(existsSync(dirname(server.socket_path))).toBe(false);
});
