// Everything that payments writes, done with the login of sql/mysql/grants.sql, over facts that accounting's login
// wrote: what a store needs and the login may not is found here, not beside a pool.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMariadb, type PrivateMariadb } from '../lab/mariadb.js';
import { payUntilIdle } from '../lab/payable-pool.js';
import { createPayingWorld, expectBooksAndChainAgree, stateOf, until, type PayingWorld } from '../lab/paying-world.js';
import { OutsideFailure } from '../shared/errors.js';
import { connect } from '../shared/database/connect.js';
import { timeText, type Database } from '../shared/database/database.js';
import { migrate } from '../shared/database/migrate.js';
import { splitStatements } from '../shared/database/statements.js';
import { auditLines } from './commands/audit.js';
import { blockLines } from './commands/blocks.js';
import { askPayments } from './commands/ask.js';
import { explainUser } from './commands/explain.js';
import { allUsers } from './edges/facts.js';
import { openIncidents } from './edges/incident-store.js';
import { payoutRequests } from './paying/requests.js';
import { checkDatabase, checkNode, rememberIdentity } from './preflight.js';
import { createBlockWatch } from './watch-blocks.js';

let server: PrivateMariadb;
let root: Database, accounting: Database, payments: Database;

beforeAll(async () => {
  server = await startMariadb();
  root = await connect(await server.createDatabase('pool_base'));
  await migrate(root);
  const text = readFileSync(new URL('../sql/mysql/grants.sql', import.meta.url), 'utf8').replace(/@@(\w+)_password@@/g, '$1');
  for (const statement of splitStatements(text)) await root.knex.raw(statement);
  const login = (name: string) => connect(server.settings('pool_base', { user: `pool_${name}`, password: name }));
  [accounting, payments] = [await login('accounting'), await login('payments')];
});
afterAll(async () => {
  for (const database of [payments, accounting, root]) await database?.close();
  await server?.stop();
});

async function resolveAll({ context }: PayingWorld, choice: string): Promise<void> {
  await context.lease.release();
  for (const { id } of await openIncidents(context.database.knex)) {
    expect(await askPayments(context, { action: 'resolve', arguments: { incident_id: id, choice }, handlers: payoutRequests }))
      .toMatchObject({ outcome: 'done' });
  }
  await context.lease.tryTake();
}

it('the login of payments can do all of its work: settle, pay, hold, release, and put right what reorganisations undo', async () => {
  const world = await createPayingWorld(payments, {}, accounting);
  const { context, sim, facts, alice, bob, pool_address } = world;
  const watch = createBlockWatch();
  const watchAll = async () => { while ((await watch(context)) === 'progress'); };
  await checkDatabase(context);

  // An orphan, then blocks that are credited; a name that is no address, and one that the node refuses later.
  await facts.work({ [alice]: 3, [bob]: 1, 'no address': 1 });
  const stale = sim.mineBlock({ pays: pool_address });
  await facts.line(stale);
  const [rival] = sim.reorg(1, 2, sim.foreignAddress());
  await world.earn({ [alice]: 3, [bob]: 1 });
  await world.mature();
  expect(await rememberIdentity(context, await checkNode(context))).toBe('progress');
  expect((await blockLines(context)).map(({ state }) => state)).toEqual(['orphaned', 'credited']);

  // Signed, and given up because its coin is gone with its block.
  const node: typeof context.node = { ...context.node, createTransaction: async (inputs, outputs) => {
    if (outputs.some(({ address }) => address === bob)) throw new OutsideFailure('refused', 'node', 'Invalid address', -5);
    return context.node.createTransaction(inputs, outputs);
  } };
  await until({ ...context, node }, 'prepare');
  await until({ ...context, node }, 'prepare');
  sim.mineBlock({ on: stale, pays: sim.foreignAddress() });
  let tip = stale;
  for (let blocks = 0; blocks < 130; blocks += 1) tip = sim.mineBlock({ on: tip, pays: sim.foreignAddress() });
  expect((await sim.node.header(rival!))?.confirmations).toBe(-1);
  await facts.complete();
  await watchAll();
  expect((await blockLines(context)).map(({ state }) => state)).toEqual(['credited', 'lost']);
  await resolveAll(world, 'resume');
  await payUntilIdle(context);
  expect(await stateOf(world)).toBe('held');
  await resolveAll(world, 'release');
  expect(await stateOf(world)).toBe('released');

  // Paid, final, thrown out and final again.
  await world.earn({ [alice]: 5, [bob]: 5 });
  await world.mature();
  await payUntilIdle(context);
  await world.bury(6);
  await payUntilIdle(context);
  expect(await stateOf(world, 2)).toBe('final');
  sim.reorg(6, 14, sim.foreignAddress());
  await facts.complete();
  await watchAll();
  await payUntilIdle(context);
  expect(await stateOf(world, 2)).toBe('final');
  for (const user of await allUsers(context.database.knex)) await explainUser(context, user, null);
  expect((await auditLines(context)).filter(({ ok }) => !ok)).toEqual([]);
  await expectBooksAndChainAgree(world);
}, 120_000);

describe('the tables of share logs', () => {
  const block_hash = 'd'.repeat(64);
  const at = timeText(0);
  /** A row for each, in an order that foreign keys allow, and the column that changes where one may. */
  const tables: readonly [table: string, row: object, changes: object | null][] = [
    ['counter_shares', { snapshot_id: 900, user_id: 900, share_count: 1, difference: 1, disputed_difference: 0 }, null],
    ['solving_shares', {
      block_hash, height: 1, workinfoid: 'a'.repeat(16), file_offset: 0, created_seconds: 1, created_nanoseconds: 1,
      worker: Buffer.from('w'), accepted: 1, found_at: at,
    }, null],
    ['cuts', { snapshot_id: 900, place: 2n ** 62n, cut_seconds: 1, cut_nanoseconds: 1, decided_at: at }, null],
    ['share_log_source', { id: 1, state: 'active', revision: 0, changed_at: at }, { revision: 1 }],
    ['share_log_files', { height: 1, workinfoid: 'a'.repeat(16), file_offset: 1 }, { file_offset: 2 }],
    ['share_counts', {
      user_id: 900, logged_count: 1, logged_fraction: 0, cut_count: 0, fallback_count: 0, fallback_disputed: 0,
      fallback_counter: 0, fallback_logged: 0, fallback_given: 0, surplus_count: 0, counter_count: 0, disputed_count: 0, snapshot_count: 0,
    }, { logged_count: 2 }],
  ];
  const refused = { name: 'OutsideFailure', kind: 'refused' };

  beforeAll(async () => {
    await accounting.knex('users').insert({ id: 900, name: Buffer.from('w'), counter: 0, ledger_count: 0, snapshot_count: 0, disputed_count: 0 });
    await accounting.knex('snapshots').insert({
      id: 900, kind: 'block', log_position: -900, log_sequence: 1, log_offset: 0, height: 1, finder: Buffer.from('w'), logged_at: at,
      quality: 'exact', state: 'confirmed', dispute: 'none', changed_users: 0, total_difference: 0, taken_at: at,
    });
    await accounting.knex('blocks').insert({
      id: 900, hash: block_hash, height: 1, previous_hash: block_hash, header_at: at, coinbase_txid: block_hash, reward_sats: 1,
      active: 0, snapshot_id: 900, discovered_at: at,
    });
  });

  it.each(tables)('%s: accounting writes it, and again where its rows change; payments only reads it', async (table, row, changes) => {
    await expect(Promise.resolve(payments.knex(table).insert(row))).rejects.toMatchObject(refused);
    await accounting.knex(table).insert(row);
    if (changes) {
      await accounting.knex(table).update(changes);
      await accounting.knex(table).insert({ ...row, ...changes }).onConflict(Object.keys(row).slice(0, table === 'share_log_files' ? 2 : 1)).merge();
      await expect(Promise.resolve(payments.knex(table).update(changes))).rejects.toMatchObject(refused);
    } else {
      const [column] = Object.keys(row);
      await expect(Promise.resolve(accounting.knex(table).update({ [column!]: 1 }))).rejects.toMatchObject(refused);
    }
    expect((await payments.knex(table)).length).toBeGreaterThan(0);
    for (const { knex } of [accounting, payments]) {
      await expect(Promise.resolve(knex(table).delete())).rejects.toMatchObject(refused);
    }
  });
});
