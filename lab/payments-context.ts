// A payments context on a given database and node, with the lease held and a clock that a test moves: what
// daemon.ts would hand to its moves.
import type { WalletNode } from '../shared/bitcoind/node.js';
import type { Clock } from '../shared/clock.js';
import type { Config } from '../shared/config.js';
import type { Database } from '../shared/database/database.js';
import { createLease, type DaemonLease } from '../shared/database/lease.js';
import { silentLogger } from '../shared/logger.js';
import { satoshis } from '../shared/units.js';
import { createWaits, type PaymentsContext } from '../payments/context.js';

export interface TestClock extends Clock {
  advance(duration_ms: number): void;
}

export function createTestClock(): TestClock {
  let now = Date.UTC(2026, 0, 1);
  return {
    now_ms: () => now,
    monotonic_ms: () => now,
    sleep: async (duration_ms) => { now += duration_ms; },
    advance: (duration_ms) => { now += duration_ms; },
  };
}

const login = { url: 'http://127.0.0.1:1', user: 'user', password: 'password' };

export function testConfig(pool_address: string, change: Partial<Config> = {}): Config {
  const database = { engine: 'sqlite', file: 'pool.sqlite' } as const;
  return {
    file: 'ckpool.conf',
    directory: '.',
    pool_address,
    donation_address: null,
    node: login,
    payments_node: login,
    log_directory: 'logs',
    log_file: 'logs/ckpool.log',
    database,
    payments_database: database,
    maturity: 100,
    check_mature_period_ms: 120_000,
    check_logs_period_ms: 20_000,
    scheme: 'prop',
    pool_fee_ppm: 0n,
    min_payout_sats: satoshis(100_000n),
    network_fee_from: 'miners',
    max_fee_rate: null,
    fallback_fee_rate: satoshis(1_000n),
    max_outputs_per_transaction: 500,
    payout_confirmations: 6,
    wallet: null,
    wallet_passphrase: null,
    scan_from_height: null,
    share_source: 'auto',
    sharelog_keep: 'all',
    sharelog_keep_days: 30,
    warnings: [],
    ...change,
  };
}

export interface TestPayments extends PaymentsContext {
  readonly lease: DaemonLease;
  readonly clock: TestClock;
}

export async function openPayments(
  database: Database, node: WalletNode, pool_address: string, change: Partial<Config> = {},
): Promise<TestPayments> {
  const lease = createLease(database, 'payments_lease', 'test');
  if (!(await lease.tryTake())) throw new Error('the lease is held by somebody else');
  const log = silentLogger;
  return {
    config: testConfig(pool_address, change),
    database,
    lease,
    node,
    clock: createTestClock(),
    log,
    waits: createWaits(log),
  };
}
