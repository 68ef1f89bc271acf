// What the stores may rely on, the same on both engines: one body, run on SQLite and on a private MariaDB.
import { describe, expect, test } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { hostile_names } from '../../lab/hostile-names.js';
import { OutsideFailure } from '../errors.js';
import { nameFromBuffer, nameToBuffer, type NameBytes } from '../username.js';
import { integer, smallInteger, timeText, type Database } from './database.js';
import { isDuplicate } from './errors.js';
import { migrate } from './migrate.js';

const at = timeText(1_700_000_000_123);
const largest = 2n ** 63n - 1n;

async function addUser(database: Database, name: Buffer, counter = 0n): Promise<number> {
  const [id] = await database.knex('users')
    .insert({ name, counter, ledger_count: counter, snapshot_count: 0, disputed_count: 0 });
  return smallInteger(id);
}

const addSetting = (name: string) => ({ name, value: 'v', set_at: at });

async function failureOf(work: Promise<unknown>): Promise<OutsideFailure> {
  const error: unknown = await work.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OutsideFailure);
  return error as OutsideFailure;
}

forEachDatabase('values', (open) => {
  test('share counts and satoshis are exact up to 2^63 - 1, given and returned as bigint (D-11, D-27)', async () => {
    const database = await open();
    for (const count of [0n, 2n ** 31n, 2n ** 53n - 1n, 2n ** 53n + 1n, largest - 1n, largest]) {
      const id = await addUser(database, Buffer.from(`user ${count}`), count);
      const row = await database.knex('users').where({ id }).first();
      expect(integer(row.counter)).toBe(count);
      expect(await database.knex('users').where({ counter: count }).select('id')).toHaveLength(1);
    }
  });

  test('a bigint parameter takes part in arithmetic without losing a unit', async () => {
    const database = await open();
    const id = await addUser(database, Buffer.from('a'), 1n);
    const step = 2n ** 62n + 1n;
    await database.knex('users').where({ id }).update({ counter: database.knex.raw('counter + ?', [step as unknown as string]) });
    expect(integer((await database.knex('users').where({ id }).first()).counter)).toBe(step + 1n);
    await database.knex('users').where({ id }).increment('counter', 5);
    expect(integer((await database.knex('users').where({ id }).first()).counter)).toBe(step + 6n);
  });

  test('a negative amount stays negative', async () => {
    const database = await open();
    await database.knex('ledger_events').insert({ id: 1, kind: 'settle', cause: 'c', detail: '', occurred_at: at });
    await database.knex('ledger_entries').insert({ event_id: 1, account: 'coinbase', amount_sats: -largest });
    expect(integer((await database.knex('ledger_entries').first()).amount_sats)).toBe(-largest);
  });

  test('case twins and trailing-space twins are different users (D-28)', async () => {
    const database = await open();
    const names = ['1Abc', '1aBc', '1Abc ', '1Abc  ', '1Abc\0', 'é', 'é'.normalize('NFD'), '1Abc\n'];
    for (const name of names) await addUser(database, Buffer.from(name));
    for (const name of names) {
      const rows = await database.knex('users').where({ name: Buffer.from(name) });
      expect(rows.map((row: { name: Buffer }) => row.name.toString())).toEqual([name]);
    }
  });

  test('every byte of a name comes back as it was (D-30)', async () => {
    const database = await open();
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const hostile = ["'; DROP TABLE users; --", '\\', '%s', '?', ':name', '\x1b[2J'].map((text) => Buffer.from(text));
    for (const name of [all.subarray(0, 127), all.subarray(127, 254), all.subarray(250), ...hostile]) {
      await addUser(database, nameToBuffer(nameFromBuffer(name)));
      const rows: { name: Buffer }[] = await database.knex('users').where({ name }).select('name');
      expect(rows.map((row): NameBytes => nameFromBuffer(row.name))).toEqual([nameFromBuffer(name)]);
    }
  });

  test('fault 36: every hostile name is stored byte by byte and found by its own bytes alone; twins stay two (D-28, D-30)', async () => {
    const database = await open();
    const names = hostile_names.map(({ name }) => nameToBuffer(name)).filter(({ length }) => length >= 1 && length <= 127);
    expect(names.length).toBeGreaterThan(40);
    for (const name of names) await addUser(database, name);
    for (const name of names) {
      const rows: { name: Buffer }[] = await database.knex('users').where({ name }).select('name');
      expect(rows.map((row) => row.name)).toEqual([name]);
    }
    expect(await database.knex('users')).toHaveLength(names.length);
  });

  test.each([0, 128, 255])('fault 36: a name of %i bytes, which ckpool gives nobody, is refused by the schema', async (length) => {
    const database = await open();
    await expect(addUser(database, Buffer.alloc(length, 'c'))).rejects.toThrow();
    expect(await database.knex('users')).toEqual([]);
  });

  test('times keep their milliseconds and their zone (D-29)', async () => {
    const database = await open();
    await database.knex('settings').insert(addSetting('a'));
    expect((await database.knex('settings').first()).set_at).toBe('2023-11-14 22:13:20.123');
  });

  test('text beyond the basic plane is kept, ids are numbers after conversion', async () => {
    const database = await open();
    await database.knex('settings').insert({ name: 'a', value: '₿ 💰 \\ \' "', set_at: at });
    expect((await database.knex('settings').first()).value).toBe('₿ 💰 \\ \' "');
  });
});

forEachDatabase('transactions', (open, databases) => {
  test('all of a transaction is kept or none of it (D-22)', async () => {
    const database = await open();
    await expect(database.transaction(async (transaction) => {
      await transaction('settings').insert(addSetting('a'));
      throw new Error('no');
    })).rejects.toThrow('no');
    expect(await database.knex('settings')).toEqual([]);
    await database.transaction(async (transaction) => {
      await transaction('settings').insert(addSetting('a'));
      await transaction('settings').insert(addSetting('b'));
    });
    expect(await database.knex('settings')).toHaveLength(2);
  });

  test('fault 8: after a lock wait the whole transaction is done again, even if the code swallowed the failure', async () => {
    const settings = await databases.createEmpty();
    const database = await databases.connect(settings);
    await migrate(database);
    await addUser(database, Buffer.from('a'));
    const other = await databases.connect(settings);
    const holder = await other.knex.transaction();
    await holder('users').update({ counter: 7 });
    let tries = 0;
    const work = database.transaction(async (transaction) => {
      tries += 1;
      if (databases.engine === 'mysql') await transaction.raw('SET SESSION innodb_lock_wait_timeout = 1');
      await transaction('settings').insert(addSetting(`try ${tries}`));
      await transaction('users').update({ ledger_count: 9 }).catch(() => undefined);
    });
    setTimeout(() => { void holder.commit(); }, 1_300);
    await work;
    expect(await database.knex('settings').select('name')).toEqual([{ name: `try ${tries}` }]);
    if (databases.engine === 'mysql') expect(tries).toBeGreaterThan(1);
    const row = await database.knex('users').first();
    expect([integer(row.counter), integer(row.ledger_count)]).toEqual([7n, 9n]);
  });

  test('fault 8: two transactions that write at once both take effect', async () => {
    const settings = await databases.createEmpty();
    const first = await databases.connect(settings);
    await migrate(first);
    const second = await databases.connect(settings);
    await addUser(first, Buffer.from('a'));
    await addUser(first, Buffer.from('b'));
    const raise = (database: Database, names: string[]) => database.transaction(async (transaction) => {
      for (const name of names) await transaction('users').where({ name: Buffer.from(name) }).increment('counter', 1);
    });
    await Promise.all(Array.from({ length: 10 }, (_, index) => index % 2 === 0
      ? raise(first, ['a', 'b'])
      : raise(second, ['b', 'a'])));
    const rows: { counter: unknown }[] = await first.knex('users').select('counter');
    expect(rows.map((row) => integer(row.counter))).toEqual([10n, 10n]);
  });

  test('a compare-and-set counts the rows that it found, changed or not', async () => {
    const database = await open();
    await database.knex('settings').insert(addSetting('a'));
    expect(await database.knex('settings').where({ name: 'a', value: 'v' }).update({ value: 'v' })).toBe(1);
    expect(await database.knex('settings').where({ name: 'a', value: 'w' }).update({ value: 'x' })).toBe(0);
  });

  test('a snapshot sees one state and writes nothing', async () => {
    const settings = await databases.createEmpty();
    const reader = await databases.connect(settings);
    await migrate(reader);
    const writer = await databases.connect(settings);
    await reader.snapshot(async (transaction) => {
      expect(await transaction('settings')).toHaveLength(0);
      await writer.knex('settings').insert(addSetting('a'));
      expect(await transaction('settings')).toHaveLength(0);
    });
    expect(await reader.knex('settings')).toHaveLength(1);
  });
});

forEachDatabase('rows that break a rule', (open) => {
  const cases: [string, (database: Database) => PromiseLike<unknown>][] = [
    ['a reward that does not add up', ({ knex }) => knex('rounds').insert({
      block_hash: 'a'.repeat(64), height: 1, state: 'credited', scheme: 'prop', coinbase_txid: 'b'.repeat(64), reward_sats: 100n,
      round_shares: 1, pool_fee_ppm: 0, pool_fee_sats: 0, carried_in_sats: 0, credited_sats: 99n, carried_out_sats: 0,
      cut_from: 0, cut_to: 1, tip_height: 2, tip_hash: 'c'.repeat(64), settled_at: at,
    })],
    ['a state that does not exist', ({ knex }) => knex('payout_batches').insert({
      state: 'sent', network_fee_from: 'miners', planned_sats: 1, planned_at: at, state_at: at,
    })],
    ['held without a reason', ({ knex }) => knex('payout_batches').insert({
      state: 'held', network_fee_from: 'miners', planned_sats: 1, planned_at: at, state_at: at,
    })],
    ['a share count that fell', ({ knex }) => knex('users').insert({
      name: Buffer.from('a'), counter: 0, ledger_count: 1, snapshot_count: 2, disputed_count: 0,
    })],
    ['an entry of no event', ({ knex }) => knex('ledger_entries').insert({ event_id: 9, account: 'carry', amount_sats: 1 })],
    ['a missing value', ({ knex }) => knex('settings').insert({ name: 'a', set_at: at })],
    ['an empty name', ({ knex }) => knex('users').insert({
      name: Buffer.alloc(0), counter: 0, ledger_count: 0, snapshot_count: 0, disputed_count: 0,
    })],
    ['a name of 128 bytes', ({ knex }) => knex('users').insert({
      name: Buffer.alloc(128, 97), counter: 0, ledger_count: 0, snapshot_count: 0, disputed_count: 0,
    })],
    ['a word where a number belongs', ({ knex }) => knex('users').insert({
      name: Buffer.from('a'), counter: 'many', ledger_count: 0, snapshot_count: 0, disputed_count: 0,
    })],
  ];
  test('are refused, each with one sentence', async () => {
    const database = await open();
    for (const [title, insert] of cases) {
      const failure = await failureOf(Promise.resolve(insert(database)));
      expect([title, failure.kind, failure.message.includes('\n')]).toEqual([title, 'refused', false]);
    }
  });

  test('one cause is booked once, one entry per user and account (D-2, D-21)', async () => {
    const database = await open();
    await addUser(database, Buffer.from('a'));
    await database.knex('ledger_events').insert({ id: 1, kind: 'settle', cause: 'block 1', detail: '', occurred_at: at });
    const again = await failureOf(Promise.resolve(database.knex('ledger_events')
      .insert({ id: 2, kind: 'settle', cause: 'block 1', detail: '', occurred_at: at })));
    expect([again.kind, isDuplicate(again)]).toEqual(['refused', true]);
    for (const user_id of [null, 1]) {
      const entry = { event_id: 1, account: 'miner', user_id, amount_sats: 5 };
      await database.knex('ledger_entries').insert(entry);
      expect(isDuplicate(await failureOf(Promise.resolve(database.knex('ledger_entries').insert(entry))))).toBe(true);
    }
  });

  test('the ledger is only added to (D-16)', async () => {
    const database = await open();
    await database.knex('ledger_events').insert({ id: 1, kind: 'settle', cause: 'c', detail: '', occurred_at: at });
    await database.knex('ledger_entries').insert({ event_id: 1, account: 'carry', amount_sats: 5 });
    for (const change of [
      database.knex('ledger_entries').update({ amount_sats: 6 }), database.knex('ledger_entries').del(),
      database.knex('ledger_events').update({ cause: 'd' }), database.knex('ledger_events').del(),
    ]) {
      const failure = await failureOf(Promise.resolve(change));
      expect([failure.kind, /append-only/.test(failure.message)]).toEqual(['refused', true]);
    }
    expect(integer((await database.knex('ledger_entries').first()).amount_sats)).toBe(5n);
  });
});

describe('onConflict', () => {
  forEachDatabase('knex', (open) => {
    test('merge and ignore do the same on both engines', async () => {
      const database = await open();
      await database.knex('settings').insert(addSetting('a'));
      await database.knex('settings').insert({ ...addSetting('a'), value: 'w' }).onConflict('name').ignore();
      expect((await database.knex('settings').first()).value).toBe('v');
      await database.knex('settings').insert({ ...addSetting('a'), value: 'w' }).onConflict('name').merge();
      expect((await database.knex('settings').first()).value).toBe('w');
    });
  });
});
