// `run`: the daemon as a process. Opens the ports and hands them to daemon.ts; the bell only wakes it.
import { existsSync } from 'node:fs';
import { createNode } from '../../shared/bitcoind/client.js';
import { systemClock } from '../../shared/clock.js';
import type { Action } from '../../shared/command.js';
import { loadConfig, type Config } from '../../shared/config.js';
import { stopOnSignals } from '../../shared/daemon.js';
import type { Database } from '../../shared/database/database.js';
import { connectOrCreate } from '../../shared/database/create.js';
import { migrateOrVerify } from '../../shared/database/migrate.js';
import { ConfigurationFault } from '../../shared/errors.js';
import { createLogger, type Logger } from '../../shared/logger.js';
import { createProgress } from '../../shared/progress.js';
import { openDatabase, runLeased, type StartPorts } from '../../shared/start.js';
import { defaultOptions } from '../context.js';
import { createAccountingDaemon, type AccountingDaemon } from '../daemon.js';
import { ring } from '../edges/bell.js';
import { openLogFiles } from '../edges/log-files.js';
import { openShareLogs } from '../edges/share-log-files.js';

/** ckpool re-opens its log once a minute: a renamed file is finished when it was quiet for longer. */
const quiet_ms = 60_000;
/** A silent node keeps the log from being read no longer than this. */
const node_timeout_ms = 8_000;

export const run: Action = async ({ config_file, options }) => {
  const once = options['once'] === true;
  const config = loadConfig(config_file, process.env);
  const log = createLogger({ name: 'accounting' });
  for (const warning of config.warnings) log.warn(warning);
  if (once && !existsSync(config.log_directory)) {
    throw new ConfigurationFault([
      `${config.file}: logdir ${JSON.stringify(config.log_directory)} does not exist: `
      + `set it to ckpool's log directory.`,
    ]);
  }
  const ports: StartPorts = { clock: systemClock, log, stop: stopOnSignals(), once };
  const database = await openDatabase(
    config.database,
    (opened) => prepare(opened, log),
    ports,
    connectOrCreate,
  );
  if (!database) return;
  try {
    await follow(config, database, ports);
  } finally {
    await database.close();
  }
};

/** Accounting owns the schema: it migrates where its login may, else it verifies and names the command. */
async function prepare(database: Database, log: Logger): Promise<void> {
  await migrateOrVerify(database, log);
}

async function follow(config: Config, database: Database, ports: StartPorts): Promise<void> {
  const { clock, log, once } = ports;
  const log_files = openLogFiles({ log_file: config.log_file, quiet_ms, once, clock });
  const share_logs = openShareLogs({ log_directory: config.log_directory, clock });
  let rung: () => void = () => undefined;
  const bell = once ? null : ring(config.log_file, () => rung());
  const wake = (): Promise<void> => new Promise((resolve) => { rung = resolve; });
  const catching_up = createProgress({ label: 'reading the log', clock, log });
  let daemon: AccountingDaemon | null = null;
  try {
    await runLeased(database, 'accounting_lease', ports, (lease) => {
      const node = createNode({
        ...config.node,
        wallet: null,
        passphrase: null,
        timeout_ms: node_timeout_ms,
      });
      const all = {
        ...defaultOptions,
        once,
        pairing_wait_ms: once ? 0 : defaultOptions.pairing_wait_ms,
        chain_period_ms: config.check_logs_period_ms,
      };
      log.info(once ? 'reading what there is' : `following ${config.log_file}`);
      daemon = createAccountingDaemon(
        { config, database, lease, node, clock, log, log_files, share_logs, options: all, catching_up },
        wake,
      );
      return daemon;
    });
  } finally {
    bell?.close();
    await log_files.close();
    share_logs.close();
  }
  const waits = (daemon as AccountingDaemon | null)?.waitsFor() ?? [];
  if (once && waits.length > 0) throw new ConfigurationFault(waits);
}
