// sql/mysql/grants.sql on a private MariaDB: what each login can and, above all, cannot do.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { OutsideFailure } from '../errors.js';
import { connect } from './connect.js';
import { timeText, type Database } from './database.js';
import { createLease } from './lease.js';
import { migrate, tableKinds, verifySchema } from './migrate.js';
import { recordOutcome, recordRequest } from './requests.js';
import { splitStatements } from './statements.js';

const at = timeText(0);
const accounting_tables = [
  'accounting_lease', 'log_cursors', 'log_anchors', 'chain_scan', 'users', 'share_readings', 'share_reading_counts',
  'snapshots', 'snapshot_shares', 'blocks', 'incidents', 'accounting_outcomes', 'cuts', 'solving_shares', 'counter_shares',
  'share_log_source', 'share_log_files', 'share_counts',
];
const payments_tables = [
  'payments_lease', 'settings', 'rounds', 'ledger_events', 'ledger_entries', 'payout_addresses', 'payout_batches',
  'payouts', 'payout_transactions', 'payout_inputs', 'payment_incidents', 'payment_outcomes', 'ledger_sums', 'user_sums',
  'account_sums',
];

describe('the logins of grants.sql', () => {
  let server: PrivateMariadb;
  let root: Database, accounting: Database, payments: Database, reader: Database;

  beforeAll(async () => {
    server = await startMariadb();
    root = await connect(await server.createDatabase('pool_base'));
    await migrate(root);
    const text = readFileSync(new URL('../../sql/mysql/grants.sql', import.meta.url), 'utf8').replace(/@@(\w+)_password@@/g, '$1');
    // Twice: it is applied again after each upgrade.
    for (const statement of [...splitStatements(text), ...splitStatements(text)]) await root.knex.raw(statement);
    const login = (name: string) => connect(server.settings('pool_base', { user: `pool_${name}`, password: name }));
    [accounting, payments, reader] = await Promise.all([login('accounting'), login('payments'), login('reader')]);
  });
  afterAll(async () => {
    for (const database of [root, accounting, payments, reader]) await database?.close();
    await server?.stop();
  });

  async function denied(work: PromiseLike<unknown>): Promise<boolean> {
    const error: unknown = await Promise.resolve(work).then(() => null, (thrown: unknown) => thrown);
    return error instanceof OutsideFailure && error.kind === 'refused' && (error.code === 1142 || error.code === 1143);
  }

  test('every table has one writer, and every table is known here', async () => {
    const tables = [...await tableKinds(root.knex, 'mysql')].filter(([, kind]) => kind === 'table').map(([name]) => name);
    expect(tables.sort()).toEqual([...accounting_tables, ...payments_tables, 'operator_requests', 'schema_migrations'].sort());
    for (const table of accounting_tables) expect([table, await denied(payments.knex(table).insert({}))]).toEqual([table, true]);
    for (const table of payments_tables) expect([table, await denied(accounting.knex(table).insert({}))]).toEqual([table, true]);
    expect(await denied(accounting.knex('schema_migrations').insert({ version: 9, name: 'x', applied_at: at }))).toBe(true);
  });

  test('payments cannot change a share count, accounting cannot change a round', async () => {
    expect(await denied(payments.knex('snapshot_shares').update({ difference: 1 }))).toBe(true);
    expect(await denied(payments.knex('snapshots').update({ state: 'confirmed' }))).toBe(true);
    expect(await denied(payments.knex('users').update({ counter: 1 }))).toBe(true);
    expect(await denied(payments.knex('cuts').update({ place: 1 }))).toBe(true);
    expect(await denied(payments.knex('share_counts').update({ logged_count: 1 }))).toBe(true);
    expect(await denied(accounting.knex('rounds').update({ state: 'lost' }))).toBe(true);
    expect(await denied(accounting.knex('payments_lease').update({ epoch: 9 }))).toBe(true);
  });

  test('nobody changes or deletes a row of the ledger, not even an administrator', async () => {
    await payments.knex('ledger_events').insert({ id: 1, kind: 'settle', cause: 'c', detail: '', occurred_at: at });
    await payments.knex('ledger_entries').insert({ event_id: 1, account: 'carry', amount_sats: 5 });
    for (const { knex } of [accounting, payments, reader]) {
      for (const table of ['ledger_events', 'ledger_entries']) {
        expect(await denied(knex(table).del())).toBe(true);
        expect(await denied(knex(table).update({ id: 7 }))).toBe(true);
      }
    }
    await expect(root.knex('ledger_entries').del()).rejects.toThrow(/append-only/);
  });

  test('nobody deletes anything; what was signed, promised or counted does not change', async () => {
    for (const table of [...accounting_tables, ...payments_tables]) {
      for (const { knex } of [accounting, payments, reader]) expect(await denied(knex(table).del())).toBe(true);
    }
    expect(await denied(payments.knex('rounds').update({ block_hash: 'a'.repeat(64) }))).toBe(true);
    expect(await denied(payments.knex('payout_transactions').update({ raw_hex: '' }))).toBe(true);
    expect(await denied(payments.knex('payout_inputs').update({ amount_sats: 1 }))).toBe(true);
    expect(await denied(payments.knex('payouts').update({ planned_sats: 1 }))).toBe(true);
    expect(await denied(accounting.knex('snapshot_shares').update({ difference: 1 }))).toBe(true);
    expect(await denied(accounting.knex('incidents').update({ detail: '' }))).toBe(true);
    expect(await denied(accounting.knex('cuts').update({ place: 1 }))).toBe(true);
    expect(await denied(accounting.knex('solving_shares').update({ worker: '' }))).toBe(true);
    expect(await denied(accounting.knex('counter_shares').update({ difference: 1 }))).toBe(true);
  });

  test('the reader reads all and writes nothing', async () => {
    for (const [name] of await tableKinds(reader.knex, 'mysql')) {
      await reader.knex(name).limit(1);
      expect([name, await denied(reader.knex(name).insert({}))]).toEqual([name, true]);
    }
  });

  test('each daemon can do its work: verify the schema, hold its lease, act on a request', async () => {
    for (const [database, daemon, table] of [
      [accounting, 'accounting', 'accounting_lease'], [payments, 'payments', 'payments_lease'],
    ] as const) {
      await verifySchema(database);
      const lease = createLease(database, table, daemon);
      expect(await lease.tryTake()).toBe(true);
      const id = await recordRequest(database, { daemon, action: 'resolve', arguments: {}, requested_by: 'test' });
      await database.transaction(async (transaction) => {
        await lease.fence(transaction);
        await recordOutcome(transaction, daemon, id, 'done', '');
      });
      await lease.release();
    }
  });
});
