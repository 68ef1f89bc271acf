import { expect, test } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { isDuplicate } from './errors.js';
import { openRequests, outcomeOf, recordOutcome, recordRequest } from './requests.js';

forEachDatabase('requests', (open) => {
  test('a request waits in order until its own daemon acts on it, once', async () => {
    const database = await open();
    const ask = (daemon: 'accounting' | 'payments', action: string) =>
      recordRequest(database, { daemon, action, arguments: { incident: 3, note: "it's ₿" }, requested_by: 'operator' });
    const first = await ask('payments', 'resolve');
    await ask('accounting', 'baseline');
    const last = await ask('payments', 'release');
    expect((await openRequests(database, 'payments')).map(({ id, action }) => [id, action]))
      .toEqual([[first, 'resolve'], [last, 'release']]);
    expect((await openRequests(database, 'payments'))[0]?.arguments).toEqual({ incident: 3, note: "it's ₿" });
    expect(await outcomeOf(database, 'payments', first)).toBeNull();

    await database.transaction((transaction) => recordOutcome(transaction, 'payments', first, 'refused', 'no such incident'));
    expect(await outcomeOf(database, 'payments', first)).toEqual({ outcome: 'refused', detail: 'no such incident' });
    expect((await openRequests(database, 'payments')).map(({ id }) => id)).toEqual([last]);
    const again: unknown = await database
      .transaction((transaction) => recordOutcome(transaction, 'payments', first, 'done', ''))
      .catch((error: unknown) => error);
    expect(isDuplicate(again)).toBe(true);
  });
});
