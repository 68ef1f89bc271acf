import { expect, test } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { systemClock } from '../clock.js';
import { OutsideFailure } from '../errors.js';
import { integer, timeText, type Database } from './database.js';
import { createLease, LeaseLost, lease_duration_ms, takeLease, type DaemonLease } from './lease.js';

const expire = (database: Database) => database.knex('payments_lease').update({ expires_at_ms: 0 });

/** The wall clock of the process does not matter; waiting takes no time. */
function fastClock(): typeof systemClock {
  let past_ms = 0;
  return { now_ms: Date.now, monotonic_ms: () => past_ms, sleep: async (duration_ms) => { past_ms += duration_ms; } };
}

const write = (database: Database, lease: DaemonLease, name: string) => database.transaction(async (transaction) => {
  await lease.fence(transaction);
  await transaction('settings').insert({ name, value: '', set_at: timeText(0) });
});

forEachDatabase('the lease', (open) => {
  test('only one of two processes holds it', async () => {
    const database = await open();
    const leases = ['a', 'b', 'c'].map((holder) => createLease(database, 'payments_lease', holder));
    expect(await Promise.all(leases.map((lease) => lease.tryTake()))).toEqual([true, false, false]);
    await expect(write(database, leases[1]!, 'x')).rejects.toBeInstanceOf(LeaseLost);
  });

  test('a process that was replaced and wakes again writes nothing', async () => {
    const database = await open();
    const [stale, current] = [createLease(database, 'payments_lease', 'a'), createLease(database, 'payments_lease', 'b')];
    await stale.tryTake();
    await expire(database);
    expect(await current.tryTake()).toBe(true);
    await expect(write(database, stale, 'stale')).rejects.toBeInstanceOf(LeaseLost);
    await expect(stale.renew()).rejects.toBeInstanceOf(LeaseLost);
    await stale.release();
    await write(database, current, 'current');
    expect(await database.knex('settings').select('name')).toEqual([{ name: 'current' }]);
    expect(current.epoch).toBe((stale.epoch ?? 1n) + 1n);
  });

  test('each write of its holder keeps it for ten more seconds by the database\'s clock', async () => {
    const database = await open();
    const lease = createLease(database, 'payments_lease', 'a');
    await lease.tryTake();
    await expire(database);
    await lease.renew();
    const { expires_at_ms } = await database.knex('payments_lease').first();
    expect(Math.abs(Number(integer(expires_at_ms)) - Date.now() - lease_duration_ms)).toBeLessThan(2_000);
    expect(await createLease(database, 'payments_lease', 'b').tryTake()).toBe(false);
  });

  test('a clean exit gives it back at once, and nothing still under way passes', async () => {
    const database = await open();
    const first = createLease(database, 'accounting_lease', 'a');
    await first.tryTake();
    const { epoch } = first;
    await first.release();
    // What a fence says that was sent before the release and arrives after it.
    expect(await database.knex('accounting_lease').where({ id: 1, epoch: epoch! }).update({ expires_at_ms: 1 })).toBe(0);
    await expect(first.renew()).rejects.toBeInstanceOf(LeaseLost);
    expect(await createLease(database, 'accounting_lease', 'b').tryTake()).toBe(true);
  });

  test('a database clock that is set back an hour after a kill keeps nobody out for longer than a lease lasts', async () => {
    const database = await open();
    const in_an_hour = Date.now() + 3_600_000;
    await createLease(database, 'payments_lease', 'killed').tryTake();
    await database.knex('payments_lease').update({ expires_at_ms: in_an_hour });
    const stop = new AbortController();
    const next = createLease(database, 'payments_lease', 'next');
    const clock = fastClock();
    await expect(takeLease(next, { clock, stop: stop.signal, wait_ms: 8_000 })).rejects.toMatchObject({ kind: 'retry' });
    expect(await takeLease(next, { clock, stop: stop.signal, wait_ms: 15_000 })).toBe(true);
  });

  test('after such a step a holder that lives and renews keeps it', async () => {
    const database = await open();
    const holder = createLease(database, 'payments_lease', 'living');
    await holder.tryTake();
    await database.knex('payments_lease').update({ expires_at_ms: Date.now() + 3_600_000 });
    const clock = fastClock();
    const renewing = { ...clock, sleep: async (duration_ms: number) => {
      await clock.sleep(duration_ms);
      if (clock.monotonic_ms() > 3_000) await holder.renew();
    } };
    const next = createLease(database, 'payments_lease', 'next');
    const stop = new AbortController();
    await expect(takeLease(next, { clock: renewing, stop: stop.signal, wait_ms: 15_000 })).rejects.toMatchObject({ kind: 'retry' });
    await holder.renew();
  });

  test('the two daemons do not exclude each other', async () => {
    const database = await open();
    expect(await createLease(database, 'accounting_lease', 'a').tryTake()).toBe(true);
    expect(await createLease(database, 'payments_lease', 'a').tryTake()).toBe(true);
  });

  test('a start after a kill waits until it expires, or says why it cannot go on', async () => {
    const database = await open();
    await createLease(database, 'payments_lease', 'killed').tryTake();
    const next = createLease(database, 'payments_lease', 'next');
    const stop = new AbortController();
    const options = { clock: systemClock, stop: stop.signal };
    await expect(takeLease(next, { ...options, wait_ms: 300 })).rejects.toMatchObject({
      kind: 'retry', message: expect.stringContaining('(killed)') as string,
    });
    await expect(takeLease(next, { ...options, wait_ms: 0 })).rejects.toBeInstanceOf(OutsideFailure);
    const waiting = takeLease(next, { ...options, wait_ms: null });
    await expire(database);
    expect(await waiting).toBe(true);
    stop.abort();
    expect(await takeLease(createLease(database, 'payments_lease', 'late'), { ...options, wait_ms: null })).toBe(false);
  });
});
