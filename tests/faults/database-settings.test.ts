// Row 12 of the fault matrix: a database that is not what payments relies on. Each fault is made on a real server
// with the logins of grants.sql; payments as a process refuses with a sentence that names what to set, writes
// nothing, and starts when it is mended.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSmallPool, type SmallPool } from './small-pool.js';

let small: SmallPool;
beforeAll(async () => {
  small = await startSmallPool();
  await small.once('accounting');
});
afterAll(() => small?.close());

const start = () => small.command('payments', 'run', '--once');
const sql = async (...statements: readonly string[]): Promise<void> => {
  for (const statement of statements) await small.database.knex.raw(statement);
};

interface Spoiled {
  readonly fault: string;
  readonly spoil: readonly string[];
  readonly mend: readonly string[];
  readonly status: number;
  readonly told: RegExp;
}

const cases: readonly Spoiled[] = [
  {
    fault: 'a newer schema', status: 2, told: /version 999.*install the newer program/,
    spoil: ["INSERT INTO schema_migrations (version, name, applied_at) VALUES (999, 'future', '2030-01-01 00:00:00.000')"],
    mend: ['DELETE FROM schema_migrations WHERE version = 999'],
  },
  {
    fault: 'an older schema', status: 2, told: /obtc-accounting migrate/,
    spoil: ['DELETE FROM schema_migrations WHERE version = 4'],
    mend: ["INSERT INTO schema_migrations (version, name, applied_at) VALUES (4, 'share_logs', '2030-01-01 00:00:00.000')"],
  },
  {
    fault: 'innodb_flush_log_at_trx_commit 2', status: 2, told: /^innodb_flush_log_at_trx_commit is 2: set it to 1, or a power cut loses the record of payments that were sent\.$/m,
    spoil: ['SET GLOBAL innodb_flush_log_at_trx_commit = 2'], mend: ['SET GLOBAL innodb_flush_log_at_trx_commit = 1'],
  },
  {
    fault: 'a table of an engine without transactions', status: 2, told: /^Table odd uses MyISAM: run ALTER TABLE odd ENGINE=InnoDB\.$/m,
    spoil: ['CREATE TABLE odd (id INT) ENGINE=MyISAM'], mend: ['DROP TABLE odd'],
  },
  {
    fault: 'a login without its rights', status: 3, told: /The database login lacks a right: apply sql\/mysql\/grants\.sql as an administrator/,
    spoil: ["REVOKE UPDATE ON pool_base.payments_lease FROM 'pool_payments'@'localhost'"],
    mend: ["GRANT UPDATE ON pool_base.payments_lease TO 'pool_payments'@'localhost'"],
  },
  {
    fault: 'a wrong password', status: 2, told: /sql\.auth and sql\.pass/,
    spoil: ["SET PASSWORD FOR 'pool_payments'@'localhost' = PASSWORD('another')"],
    mend: ["SET PASSWORD FOR 'pool_payments'@'localhost' = PASSWORD('payments-secret')"],
  },
];

it.each(cases)('fault 12: $fault: payments refuses, says what to set, and starts when it is', async ({ spoil, mend, status, told }) => {
  const before = await small.money();
  await sql(...spoil);
  const refused = await start();
  await sql(...mend);
  expect({ status: refused.status, stderr: refused.stderr, stdout: refused.stdout }).toEqual({ status, stderr: expect.stringMatching(told), stdout: '' });
  expect(await small.money()).toEqual(before);
  expect(await start()).toMatchObject({ status: 0 });
});

it('fault 12: a server that is lax by default is strict in our sessions (nothing to refuse)', async () => {
  await sql("SET GLOBAL sql_mode = ''");
  try {
    expect(await start()).toMatchObject({ status: 0 });
  } finally {
    await sql("SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES'");
  }
});
