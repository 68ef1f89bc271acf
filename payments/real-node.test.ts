// The same moves on a real node in regtest: what the simulated node stands for elsewhere.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFacts, type FactsBuilder } from '../lab/facts.js';
import { openPayments, type TestPayments } from '../lab/payments-context.js';
import { startRegtestNode, type RegtestNode } from '../lab/regtest-node.js';
import { runOnce } from '../shared/daemon.js';
import { connect } from '../shared/database/connect.js';
import type { Database } from '../shared/database/database.js';
import { migrate } from '../shared/database/migrate.js';
import { silentLogger } from '../shared/logger.js';
import { satoshis } from '../shared/units.js';
import { auditLines } from './commands/audit.js';
import { balanceLines } from './commands/balances.js';
import { blockLines } from './commands/blocks.js';
import { createPaymentsDaemon } from './daemon.js';
import { openIncidents } from './edges/incident-store.js';
import { payingMoves } from './paying/moves.js';
import { watchForeignSpends } from './foreign-spends.js';

const directory = mkdtempSync(join(tmpdir(), 'payments-real-'));
let regtest: RegtestNode;
let database: Database;
let facts: FactsBuilder;
let payments: TestPayments;
let pool: string;
let nobody: string;

beforeAll(async () => {
  regtest = await startRegtestNode();
  database = await connect({ engine: 'sqlite', file: join(directory, 'pool.sqlite') });
  await migrate(database);
  pool = await regtest.newAddress();
  nobody = await regtest.newAddress();
  facts = createFacts(database, regtest.node, pool);
  payments = await openPayments(database, regtest.node, pool, { payout_confirmations: 2 });
});

afterAll(async () => {
  await database.close();
  await regtest.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function pass(): Promise<void> {
  const daemon = createPaymentsDaemon(payments, { lease: payments.lease, paying: payingMoves, requests: {} });
  const stop = new AbortController().signal;
  await runOnce(daemon, { clock: payments.clock, log: silentLogger, stop, outside_wait_ms: 0 });
}

const violations = async () => (await auditLines(payments)).filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
const states = async () => (await blockLines(payments)).map(({ state }) => state);

/** A block of the pool with its line. */
async function found(): Promise<void> {
  const [hash] = await regtest.mine(1, pool);
  if (hash) await facts.line(hash);
}

// One story: each part goes on where the one before ended.
it('fault 24: orphans the block that was replaced and credits its work with the next one (D-3)', async () => {
  await facts.work({ alice: 6 });
  await found();
  await regtest.reorg(1, 2, nobody);
  await facts.work({ bob: 2 });
  await found();
  await regtest.mine(99, nobody);
  await facts.complete();
  await pass();
  expect(await states()).toEqual(['orphaned', 'immature']);
  await regtest.mine(1, nobody);
  await facts.complete();
  await pass();
  expect(await states()).toEqual(['orphaned', 'credited']);
  const lines = await balanceLines(payments);
  expect(lines.map(({ user, earned, state }) => [user, earned, state])).toEqual([
    ['alice', '37.50000000', 'quarantined'], ['bob', '12.50000000', 'quarantined'],
  ]);
  expect(await violations()).toEqual([]);
});

it('pays a miner whose name is an address, and agrees with chain and wallet to the satoshi', async () => {
  const miner = 'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn';
  await facts.work({ [miner]: 7 });
  await found();
  await regtest.mine(100, nobody);
  await facts.complete();
  await pass();
  expect(await violations()).toEqual([]);
  await regtest.mine(2, nobody);
  await facts.complete();
  payments.clock.advance(payments.config.check_mature_period_ms);
  await pass();
  const line = (await balanceLines(payments)).find(({ user }) => user === miner);
  expect(line).toMatchObject({ reserved: '0.00000000', balance: '0.00000000' });
  expect(Number(line?.paid)).toBeGreaterThan(0);
  expect(await violations()).toEqual([]);
  expect(await openIncidents(database.knex)).toEqual([]);
});

it('notices when somebody else spends a coinbase of the pool', async () => {
  const blocks = await database.knex('blocks').select<{ coinbase_txid: string }[]>('coinbase_txid');
  const own = new Set(blocks.map(({ coinbase_txid }) => coinbase_txid));
  const ours = (await regtest.node.walletCoins()).find(({ txid }) => own.has(txid))!;
  const raw = await regtest.node.createTransaction([ours], [{ address: nobody, amount: satoshis(ours.amount - 10_000n) }]);
  expect(await regtest.node.broadcast(await regtest.node.sign(raw))).toEqual({ outcome: 'accepted' });
  expect(await watchForeignSpends(payments)).toBe('progress');
  expect(await watchForeignSpends(payments)).toBe('idle');
  expect(await openIncidents(database.knex)).toMatchObject([{ kind: 'foreign_spend', stops_paying: true }]);
});
