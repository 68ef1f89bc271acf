// `run`: opens the ports, takes the lease, runs the daemon, gives the lease back.
import { hostname } from 'node:os';
import { createNode } from '../../shared/bitcoind/client.js';
import { systemClock } from '../../shared/clock.js';
import type { Action } from '../../shared/command.js';
import { loadConfig, type Config } from '../../shared/config.js';
import { runDaemon, runOnce, stopOnSignals } from '../../shared/daemon.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { createLease, takeLease } from '../../shared/database/lease.js';
import { migrate, verifySchema } from '../../shared/database/migrate.js';
import { ConfigurationFault, OutsideFailure } from '../../shared/errors.js';
import { createLogger, type Logger } from '../../shared/logger.js';
import { defaultOptions, type AccountingOptions } from '../context.js';
import { createAccountingDaemon } from '../daemon.js';
import { ring } from '../edges/bell.js';
import { openLogFiles } from '../edges/log-files.js';
import { existsSync } from 'node:fs';

/** How long --once waits for node and database. */
const outside_wait_ms = 30_000;
/** A lease expires after 10 s: a restart after a kill waits that long. */
const lease_wait_ms = 15_000;
/** ckpool re-opens its log once a minute: a renamed file is finished when it was quiet for longer. */
const quiet_ms = 60_000;

export const run: Action = async ({ config_file, options }) => {
  const once = options['once'] === true;
  const config = loadConfig(config_file, process.env);
  const log = createLogger({ name: 'accounting' });
  for (const warning of config.warnings) log.warn(warning);
  if (once && !existsSync(config.log_directory)) {
    throw new ConfigurationFault([`${config.file}: logdir ${JSON.stringify(config.log_directory)} does not exist: set it to ckpool's log directory.`]);
  }
  const stop = stopOnSignals();
  const database = await reach(() => connect(config.database), stop, log, once);
  if (!database) return;
  try {
    await reach(() => prepareSchema(database, log), stop, log, once);
    await follow(config, database, log, stop, { ...defaultOptions, once, pairing_wait_ms: once ? 0 : defaultOptions.pairing_wait_ms });
  } finally {
    await database.close();
  }
};

/** Tries until the outside answers: for 30 s with --once, else until told to stop. */
export async function reach<T>(
  work: () => Promise<T>, stop: AbortSignal, log: Logger, once: boolean,
): Promise<T | undefined> {
  const given_up_ms = systemClock.monotonic_ms() + outside_wait_ms;
  for (let wait_ms = 1000; !stop.aborted; wait_ms = Math.min(wait_ms * 2, 30_000)) {
    try {
      return await work();
    } catch (failure) {
      if (!(failure instanceof OutsideFailure) || failure.kind === 'refused') throw failure;
      if (once && systemClock.monotonic_ms() + wait_ms > given_up_ms) throw failure;
      log.warn(`${failure.message} (trying again in ${wait_ms / 1000} s)`);
      await systemClock.sleep(wait_ms, stop);
    }
  }
  return undefined;
}

/** Accounting migrates where its login may; otherwise it verifies and names the command. */
async function prepareSchema(database: Database, log: Logger): Promise<void> {
  try {
    await migrate(database, log);
  } catch (failure) {
    if (!(failure instanceof OutsideFailure) || failure.kind !== 'refused') throw failure;
    await verifySchema(database);
  }
}

async function follow(
  config: Config, database: Database, log: Logger, stop: AbortSignal, options: AccountingOptions,
): Promise<void> {
  const lease = createLease(database, 'accounting_lease', `${hostname()} ${process.pid}`);
  const clock = systemClock;
  await takeLease(lease, { clock, stop, log, wait_ms: options.once ? lease_wait_ms : null });
  if (stop.aborted) return lease.release();
  const log_files = openLogFiles({ log_file: config.log_file, quiet_ms, once: options.once, clock });
  let rung: () => void = () => undefined;
  const bell = options.once ? null : ring(config.log_file, () => rung());
  const node = createNode({ ...config.node, wallet: null, passphrase: null });
  const wake = (): Promise<void> => new Promise((resolve) => { rung = resolve; });
  const daemon = createAccountingDaemon({ config, database, lease, node, clock, log, log_files, options }, wake);
  log.info(options.once ? 'reading what there is' : `following ${config.log_file}`);
  try {
    if (options.once) await runOnce(daemon, { clock, log, stop, outside_wait_ms });
    else await runDaemon(daemon, { clock, log, stop });
  } finally {
    bell?.close();
    await log_files.close();
    await lease.release().catch((failure: unknown) => log.warn(`the lease could not be released: ${String(failure)}`));
  }
  if (options.once && daemon.waitsFor().length > 0) throw new ConfigurationFault(daemon.waitsFor());
}
