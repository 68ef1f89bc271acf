// The rows of users: who is known, under which id, with which counts. Statements inside a transaction that is
// fenced already, and never one of their own: counts without their cursor would be counted twice.
import type { Knex } from 'knex';
import { smallInteger } from '../../shared/database/database.js';
import { insertRows, literal, rowsOfEach } from '../../shared/database/many-rows.js';
import { inBatches, rowsOf } from '../../shared/database/rows.js';
import { invariant } from '../../shared/errors.js';
import { nameToBuffer, type NameBytes } from '../../shared/username.js';
import type { UserCount } from '../core/stretch.js';

/** The id of a user as far as it is in memory: it need not be looked up then. */
export type KnownId = (name: NameBytes) => number | undefined;

const counts = ['counter', 'ledger_count', 'snapshot_count', 'disputed_count'] as const;
/** Of users that are settled by one statement: from a thousand on MariaDB plans a list in a slower way. */
const settled_by_list = 900;
const settled_by_range = 10_000;
/** How many rows may be passed over for each that changes before a list of ids is faster than their range. */
const range_sparsity_max = 4;

/** The rows for these names, made where missing, and their ids. */
export async function addUsers(
  transaction: Knex.Transaction,
  names: readonly NameBytes[],
): Promise<Map<NameBytes, number>> {
  await insertRows(
    transaction, { table: 'users', columns: ['name', ...counts], present: { key: 'name', update: 'nothing' } },
    rowsOfEach(names, (name) => [nameToBuffer(name), 0, 0, 0, 0]),
  );
  return userIds(transaction, names);
}

/** The counts of these users, over those that are stored. `ids`: of users whose row is new. */
export async function writeCounts(
  transaction: Knex.Transaction, changed: readonly UserCount[], ids: ReadonlyMap<NameBytes, number>,
): Promise<void> {
  await insertRows(
    transaction, { table: 'users', columns: ['id', 'name', ...counts], present: { key: 'id', update: counts } },
    rowsOfEach(changed, (user) => {
      const id = user.id ?? ids.get(user.name);
      invariant(id !== undefined, 'a user without a row has no counts');
      const { name, counter, ledger_count, snapshot_count, disputed_count } = user;
      return [id, nameToBuffer(name), counter, ledger_count, snapshot_count, disputed_count];
    }),
  );
}

/**
 * A block line settles all that rose: `risen` are the ids of every user whose stored count is above that of the
 * latest snapshot. The counts are at hand in their rows, so that only the ids are told.
 */
export async function settleCounts(transaction: Knex.Transaction, risen: readonly number[]): Promise<void> {
  const users = transaction('users').where('ledger_count', '>', transaction.ref('snapshot_count'));
  const settle = async (those: typeof users, expected: number): Promise<void> => {
    const hit = await those.update({ snapshot_count: transaction.ref('ledger_count'), disputed_count: 0 });
    invariant(hit === expected, `${expected} users rose since the latest snapshot, but ${hit} by the database`);
  };
  for (const ids of inBatches([...risen].sort((one, other) => one - other), settled_by_range)) {
    const [first = 0, last = 0] = [ids[0], ids.at(-1)];
    if (last - first < range_sparsity_max * ids.length) {
      await settle(users.clone().whereBetween('id', [first, last]), ids.length);
      continue;
    }
    for (const list of inBatches(ids, settled_by_list)) await settle(users.clone().whereIn('id', list), list.length);
  }
}

/** Names without a row are left out. The names are the same strings as those asked for: there may be many. */
export async function userIds(
  transaction: Knex.Transaction,
  names: readonly NameBytes[],
): Promise<Map<NameBytes, number>> {
  const ids = new Map<NameBytes, number>();
  for (const batch of inBatches(names)) {
    const list = batch.map((name) => literal(nameToBuffer(name))).join(',');
    const rows = await rowsOf<{ id: unknown; name: Buffer }>(
      transaction, `SELECT id, name FROM users WHERE name IN (${list})`);
    const asked = new Map(batch.map((name) => [name, name]));
    for (const row of rows) {
      const name = row.name.toString('latin1') as NameBytes;
      ids.set(asked.get(name) ?? name, smallInteger(row.id));
    }
  }
  return ids;
}

/** The same, of which only those are looked up that are not known. */
export async function withIds(
  transaction: Knex.Transaction, names: readonly NameBytes[], known: KnownId,
): Promise<KnownId> {
  const found = await userIds(transaction, names.filter((name) => known(name) === undefined));
  return (name) => known(name) ?? found.get(name);
}
