// `run`: the daemon as a process. In order: configuration, database (migrated when it is embedded, verified
// otherwise), the lease (a killed predecessor's expires within 10 s), then the loop; a clean exit releases the
// lease. It waits for a database or node that is out of reach, for ever, or 30 s with --once.
import { hostname } from 'node:os';
import { systemClock } from '../../shared/clock.js';
import type { Action } from '../../shared/command.js';
import { loadConfig, type Config } from '../../shared/config.js';
import { runDaemon, runOnce, stopOnSignals, type LoopPorts } from '../../shared/daemon.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { createLease, lease_duration_ms, takeLease } from '../../shared/database/lease.js';
import { migrate } from '../../shared/database/migrate.js';
import { createLogger } from '../../shared/logger.js';
import { createWaits } from '../context.js';
import { createPaymentsDaemon } from '../daemon.js';
import { payingMoves } from '../paying/moves.js';
import { payoutRequests } from '../paying/requests.js';
import { checkDatabase } from '../preflight.js';
import { openNode } from './open.js';

const outside_wait_ms = 30_000;
/** A killed predecessor's lease, and some time for a slow database. */
const lease_wait_ms = lease_duration_ms + 5_000;

export const run: Action = async ({ config_file, options }) => {
  const config = loadConfig(config_file, process.env);
  const once = options['once'] === true;
  const log = createLogger({ name: 'payments' });
  const ports: LoopPorts = { clock: systemClock, log, stop: stopOnSignals() };
  for (const warning of config.warnings) log.warn(warning);
  const database = await openDatabase(config, ports, once);
  if (!database) return;
  try {
    await serve(config, database, ports, once);
  } finally {
    await database.close();
  }
};

/** null when it was stopped first. */
async function openDatabase(config: Config, ports: LoopPorts, once: boolean): Promise<Database | null> {
  let database: Database | null = null;
  let ready = false;
  const step = async () => {
    database ??= await connect(config.payments_database);
    if (database.engine === 'sqlite') await migrate(database, ports.log);
    await checkDatabase({ database });
    ready = true;
    return 'idle' as const;
  };
  try {
    await runOnce({ idle_ms: 0, step }, { ...ports, outside_wait_ms: once ? outside_wait_ms : Infinity });
    return ready ? database : null;
  } finally {
    if (!ready) await (database as Database | null)?.close();
  }
}

async function serve(config: Config, database: Database, ports: LoopPorts, once: boolean): Promise<void> {
  const { log, clock } = ports;
  const lease = createLease(database, 'payments_lease', `${hostname()} ${process.pid} run`);
  if (!(await takeLease(lease, { ...ports, wait_ms: lease_wait_ms }))) return;
  const node = openNode(config);
  const context = { config, database, lease, node, clock, log, waits: createWaits(log) };
  const daemon = createPaymentsDaemon(context, { lease, paying: payingMoves, requests: payoutRequests });
  log.info('payments is running', { once, database: database.engine, maturity: config.maturity });
  try {
    if (once) await runOnce(daemon, { ...ports, outside_wait_ms });
    else await runDaemon(daemon, ports);
  } finally {
    // Out of reach, it expires by itself.
    await lease.release().catch((error: unknown) => log.warn('the lease could not be released', { error }));
  }
}
