// Asks the accounting daemon for something by a row in operator_requests, and waits for its answer. Without
// a running daemon the command takes the lease and acts itself, through the same code.
import { hostname } from 'node:os';
import { systemClock } from '../../shared/clock.js';
import {
  exit_status,
  printJson,
  printLines,
  type CommandContext,
  type ExitStatus,
} from '../../shared/command.js';
import type { Config } from '../../shared/config.js';
import type { Database } from '../../shared/database/database.js';
import { createLease } from '../../shared/database/lease.js';
import { outcomeOf, recordRequest, requester, type Outcome } from '../../shared/database/requests.js';
import { OutsideFailure } from '../../shared/errors.js';
import { createLogger } from '../../shared/logger.js';
import { createNode } from '../../shared/bitcoind/client.js';
import { defaultOptions } from '../context.js';
import { openLogFiles } from '../edges/log-files.js';
import { openShareLogs } from '../edges/share-log-files.js';
import { createLogReader } from '../read-log.js';
import { createShareReader } from '../read-shares.js';
import { answerRequests } from '../requests.js';

const look_again_ms = 250;

export async function ask(
  context: CommandContext, config: Config, database: Database,
  action: string, request_arguments: Record<string, unknown>,
): Promise<ExitStatus> {
  const wait_ms = Number(context.options['wait'] ?? 30) * 1000;
  const request_id = await recordRequest(database, {
    daemon: 'accounting',
    action,
    arguments: request_arguments,
    requested_by: requester(),
  });
  const given_up_ms = systemClock.monotonic_ms() + wait_ms;
  let answer: Outcome | null = null;
  while (!(answer = await outcomeOf(database, 'accounting', request_id))) {
    if (systemClock.monotonic_ms() > given_up_ms) {
      throw new OutsideFailure(
        'retry',
        'database',
        `Request ${request_id} is written down, but the accounting daemon has not answered in `
        + `${wait_ms / 1000} s: look at its log; it will act when it can.`,
      );
    }
    await actWithoutDaemon(config, database);
    answer = await outcomeOf(database, 'accounting', request_id);
    if (answer) break;
    await systemClock.sleep(look_again_ms);
  }
  if (context.json) printJson({ request: request_id, ...answer });
  else printLines([`${answer.outcome}: ${answer.detail}`]);
  return answer.outcome === 'done' ? exit_status.done : exit_status.failed;
}

/** Only when nobody holds the lease. */
async function actWithoutDaemon(config: Config, database: Database): Promise<void> {
  const lease = createLease(database, 'accounting_lease', `${hostname()} ${process.pid} (command)`);
  if (!(await lease.tryTake())) return;
  const log = createLogger({ name: 'accounting' });
  const log_files = openLogFiles({
    log_file: config.log_file,
    quiet_ms: 60_000,
    once: true,
    clock: systemClock,
  });
  const share_logs = openShareLogs({ log_directory: config.log_directory, clock: systemClock });
  const ports = {
    config, database, lease, log, log_files, share_logs, clock: systemClock,
    options: { ...defaultOptions, once: true },
    node: createNode({ ...config.node, wallet: null, passphrase: null }),
  };
  try {
    while ((await answerRequests(ports, createLogReader(ports), createShareReader(ports))) === 'progress');
  } finally {
    await log_files.close();
    share_logs.close();
    await lease.release();
  }
}
