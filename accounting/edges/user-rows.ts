// The rows of users: who is known, under which id, with which counts. Statements inside a transaction that is
// fenced already, and never one of their own: counts without their cursor would be counted twice.
import type { Knex } from 'knex';
import { smallInteger } from '../../shared/database/database.js';
import { inBatches } from '../../shared/database/rows.js';
import { nameToBuffer, type NameBytes } from '../../shared/username.js';
import type { UserCount } from '../core/stretch.js';

/** The rows for these names, made where missing, and their ids. */
export async function addUsers(
  transaction: Knex.Transaction,
  names: readonly NameBytes[],
): Promise<Map<NameBytes, number>> {
  const ids = new Map<NameBytes, number>();
  for (const batch of inBatches(names)) {
    const buffers = batch.map((name) => nameToBuffer(name));
    const nothing = { counter: 0, ledger_count: 0, snapshot_count: 0, disputed_count: 0 };
    await transaction('users').insert(buffers.map((name) => ({ name, ...nothing })))
      .onConflict('name').ignore();
    const rows = await transaction<{ id: unknown; name: Buffer }>('users')
      .whereIn('name', buffers)
      .select('id', 'name');
    for (const row of rows) ids.set(row.name.toString('latin1') as NameBytes, smallInteger(row.id));
  }
  return ids;
}

/** The counts of these users, over those that are stored. `ids`: of users whose row is new. */
export async function writeCounts(
  transaction: Knex.Transaction, changed: readonly UserCount[], ids: ReadonlyMap<NameBytes, number>,
): Promise<void> {
  for (const batch of inBatches(changed)) {
    await transaction('users').insert(batch.map((user) => ({
      id: user.id ?? ids.get(user.name),
      name: nameToBuffer(user.name),
      counter: user.counter.toString(),
      ledger_count: user.ledger_count.toString(),
      snapshot_count: user.snapshot_count.toString(),
      disputed_count: user.disputed_count.toString(),
    }))).onConflict('id').merge(['counter', 'ledger_count', 'snapshot_count', 'disputed_count']);
  }
}

/** Names without a row are left out. */
export async function userIds(
  transaction: Knex.Transaction,
  names: readonly NameBytes[],
): Promise<Map<NameBytes, number>> {
  const ids = new Map<NameBytes, number>();
  for (const batch of inBatches(names)) {
    const rows = await transaction<{ id: unknown; name: Buffer }>('users')
      .whereIn('name', batch.map((name) => nameToBuffer(name)))
      .select('id', 'name');
    for (const row of rows) ids.set(row.name.toString('latin1') as NameBytes, smallInteger(row.id));
  }
  return ids;
}
