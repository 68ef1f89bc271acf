// Everything that payments writes, done with the login of sql/mysql/grants.sql: what a store needs and the login
// may not is found here, not beside a pool.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startMariadb, type PrivateMariadb } from '../lab/mariadb.js';
import { payUntilIdle } from '../lab/payable-pool.js';
import { createPayingWorld, expectBooksAndChainAgree, stateOf, until, type PayingWorld } from '../lab/paying-world.js';
import { OutsideFailure } from '../shared/errors.js';
import { connect } from '../shared/database/connect.js';
import type { Database } from '../shared/database/database.js';
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
let root: Database, payments: Database;

beforeAll(async () => {
  server = await startMariadb();
  root = await connect(await server.createDatabase('pool_base'));
  await migrate(root);
  const text = readFileSync(new URL('../sql/mysql/grants.sql', import.meta.url), 'utf8').replace(/@@(\w+)_password@@/g, '$1');
  for (const statement of splitStatements(text)) await root.knex.raw(statement);
  payments = await connect(server.settings('pool_base', { user: 'pool_payments', password: 'payments' }));
});
afterAll(async () => {
  for (const database of [payments, root]) await database?.close();
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
  const world = await createPayingWorld(payments, {}, root);
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
