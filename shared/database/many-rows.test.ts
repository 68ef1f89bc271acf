import { expect, test } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { hostile_users } from '../../lab/hostile-names.js';
import { nameFromBuffer, nameToBuffer } from '../username.js';
import { integer, type Database } from './database.js';
import { insertRows, literal, type Insertion, type Value } from './many-rows.js';

const counts = ['counter', 'ledger_count', 'snapshot_count', 'disputed_count'];
const largest = 2n ** 63n - 1n;

const insert = (database: Database, insertion: Insertion, rows: readonly (readonly Value[])[]): Promise<void> =>
  database.transaction((transaction) => insertRows(transaction, insertion, rows));

forEachDatabase('many rows in one statement', (open) => {
  const named: Insertion = { table: 'users', columns: ['name', ...counts] };
  const stored = async (database: Database): Promise<Map<string, bigint>> => {
    const rows = await database.knex<{ name: Buffer; counter: unknown }>('users').orderBy('id');
    return new Map(rows.map(({ name, counter }) => [nameFromBuffer(name), integer(counter)]));
  };

  test('keep every name by its exact bytes and every count to the unit (D-11, D-27, D-31)', async () => {
    const database = await open();
    const names = [...hostile_users.map(({ name }) => name), ...Array.from({ length: 256 }, (_, byte) =>
      `byte ${String.fromCharCode(byte)}'"\\?:name`)].filter((name) => name.length <= 120);
    const expected = new Map(names.map((name, index) => [name, index === 0 ? largest : largest - BigInt(index)]));
    await insert(database, named, [...expected].map(([name, counter]) => [Buffer.from(name, 'latin1'), counter, counter, 0, 0n]));
    expect(await stored(database)).toEqual(expected);
  });

  test('go into as many statements as they need, and none is lost or doubled', async () => {
    const database = await open();
    const rows = Array.from({ length: 12_000 }, (_, user) => [nameToBuffer(`${user}`.padStart(60, 'x') as never), user, user, 0, 0]);
    await insert(database, named, rows);
    expect([...(await stored(database)).values()]).toEqual(rows.map(([, counter]) => BigInt(counter as number)));
    await insert(database, named, []);
    expect((await stored(database)).size).toBe(12_000);
  });

  test('leave what is there, or lay the named columns over it', async () => {
    const database = await open();
    const [anna, bert] = [Buffer.from('anna'), Buffer.from('bert')];
    await insert(database, named, [[anna, 5, 5, 0, 0]]);
    await insert(database, { ...named, present: { key: 'name', update: 'nothing' } }, [[anna, 9, 9, 0, 0], [bert, 7, 7, 0, 0]]);
    expect(await stored(database)).toEqual(new Map([['anna', 5n], ['bert', 7n]]));
    const { id } = await database.knex('users').where({ name: anna }).first('id');
    await insert(database, { table: 'users', columns: ['id', ...named.columns], present: { key: 'id', update: ['counter'] } },
      [[Number(id), anna, 6, 8, 0, 0]]);
    expect(await stored(database)).toEqual(new Map([['anna', 6n], ['bert', 7n]]));
    expect(integer((await database.knex('users').where({ name: anna }).first()).ledger_count)).toBe(5n);
  });

  test('are refused as a whole when one of them is', async () => {
    const database = await open();
    const refused = insert(database, named, [[Buffer.from('anna'), 5, 5, 0, 0], [Buffer.from('bert'), -1, 0, 0, 0]]);
    await expect(refused).rejects.toMatchObject({ kind: 'refused', where: 'database' });
    expect((await stored(database)).size).toBe(0);
  });
});

test.each<[unknown]>([['text'], ["0' OR '1"], [1.5], [NaN], [2 ** 53], [undefined], [true], [{}], [{ word: 'Word' }], [{ word: "a' OR 'a" }], [{ word: '' }]])('%s is no value: nothing that would have to be escaped', (value) => {
  expect(() => literal(value as Value)).toThrow(RangeError);
});
