// The accounting daemon over a recording (or any log directory), in this process: its own step(), stores
// and readers, a node behind real JSON-RPC. For tests that must look inside or die at a chosen commit; the
// demo and the scenarios run it as a process instead.
import { createNode, type NodeLogin } from '../shared/bitcoind/client.js';
import { systemClock } from '../shared/clock.js';
import type { Config } from '../shared/config.js';
import type { Database } from '../shared/database/database.js';
import { createLease } from '../shared/database/lease.js';
import { silentLogger } from '../shared/logger.js';
import { defaultOptions, type AccountingOptions } from '../accounting/context.js';
import { createAccountingDaemon, type AccountingDaemon } from '../accounting/daemon.js';
import { openLogFiles } from '../accounting/edges/log-files.js';
import { openShareLogs } from '../accounting/edges/share-log-files.js';
import { testConfig } from './payments-context.js';

export interface AccountingRun {
  readonly daemon: AccountingDaemon;
  /** Steps until idle, or until so many steps are done; true when it came to idle. */
  untilIdle(steps_max?: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface AccountingPlace {
  readonly database: Database;
  readonly log_directory: string;
  readonly log_file: string;
  readonly login: NodeLogin;
  readonly pool_address: string;
}

export async function openAccounting(
  place: AccountingPlace,
  options: Partial<AccountingOptions> = {},
  change: Partial<Config> = {},
  quiet_ms = 0,
): Promise<AccountingRun> {
  const { database, log_directory, log_file, login, pool_address } = place;
  const lease = createLease(database, 'accounting_lease', 'test');
  // A predecessor that died holding it: the row is set as if its ten seconds were over.
  await database.knex('accounting_lease').where('id', 1).update({ expires_at_ms: 0 });
  if (!(await lease.tryTake())) throw new Error('the accounting lease is held by somebody else');
  const all: AccountingOptions = { ...defaultOptions, once: true, pairing_wait_ms: 0, ...options };
  const log_files = openLogFiles({ log_file, quiet_ms, once: all.once, clock: systemClock });
  const share_logs = openShareLogs({ log_directory, clock: systemClock });
  const config = testConfig(pool_address, { log_directory, log_file, ...change });
  const node = createNode(login);
  const daemon = createAccountingDaemon({
    config,
    database,
    lease,
    node,
    clock: systemClock,
    log: silentLogger,
    log_files,
    share_logs,
    options: all,
  });
  return {
    daemon,
    async untilIdle(steps_max = 100_000) {
      for (let steps = 0; steps < steps_max; steps++) if ((await daemon.step()) === 'idle') return true;
      return false;
    },
    close: async () => {
      await log_files.close();
      share_logs.close();
    },
  };
}
