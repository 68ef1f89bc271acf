// `run`: the daemon as a process. In order: configuration, database (migrated when it is embedded, verified
// otherwise), the lease (a killed predecessor's expires within 10 s), then the loop; a clean exit
// releases the lease. It waits for a database or node that is out of reach, for ever, or 30 s with --once.
import { systemClock } from '../../shared/clock.js';
import type { Action } from '../../shared/command.js';
import { loadConfig } from '../../shared/config.js';
import { stopOnSignals } from '../../shared/daemon.js';
import type { Database } from '../../shared/database/database.js';
import { migrate } from '../../shared/database/migrate.js';
import { createLogger } from '../../shared/logger.js';
import { openDatabase, runLeased, type StartPorts } from '../../shared/start.js';
import { createWaits } from '../context.js';
import { createPaymentsDaemon } from '../daemon.js';
import { payingMoves } from '../paying/moves.js';
import { payoutRequests } from '../paying/requests.js';
import { checkDatabase } from '../preflight.js';
import { openNode } from './open.js';

export const run: Action = async ({ config_file, options }) => {
  const config = loadConfig(config_file, process.env);
  const once = options['once'] === true;
  const log = createLogger({ name: 'payments' });
  const ports: StartPorts = { clock: systemClock, log, stop: stopOnSignals(), once };
  for (const warning of config.warnings) log.warn(warning);
  const database = await openDatabase(config.payments_database, (opened) => prepare(opened, ports), ports);
  if (!database) return;
  try {
    await runLeased(database, 'payments_lease', ports, (lease) => {
      const context = {
        config,
        database,
        lease,
        node: openNode(config),
        clock: ports.clock,
        log,
        waits: createWaits(log),
      };
      log.info('payments is running', { once, database: database.engine, maturity: config.maturity });
      return createPaymentsDaemon(context, { lease, paying: payingMoves, requests: payoutRequests });
    });
  } finally {
    await database.close();
  }
};

async function prepare(database: Database, { log }: StartPorts): Promise<void> {
  if (database.engine === 'sqlite') await migrate(database, log);
  await checkDatabase({ database });
}
