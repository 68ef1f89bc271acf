// `check`: what must hold before money moves, one line each. Reads only; what depends on something that
// is out of reach is left out. Exit status: 3 when something is out of reach, else 1 when something
// does not hold.
import {
  exit_status, printJson, printTable, statusOf, type Action, type ExitStatus,
} from '../../shared/command.js';
import { systemClock } from '../../shared/clock.js';
import { loadConfig, type Config } from '../../shared/config.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { ConfigurationFault, InvariantBroken, OutsideFailure } from '../../shared/errors.js';
import { createLogger } from '../../shared/logger.js';
import { foreign_spend } from '../acknowledged.js';
import { createWaits, type PaymentsContext } from '../context.js';
import { incidentSubjects, payingStopped } from '../edges/incident-store.js';
import { foreignSpends } from '../foreign-spends.js';
import { checkDatabase, checkNode, requireSynced } from '../preflight.js';
import { openNode } from './open.js';

interface CheckLine {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

interface Report {
  readonly lines: CheckLine[];
  status: ExitStatus;
}

/** Runs one check; its failure is a line, not an end. */
async function line(report: Report, name: string, work: () => Promise<string>): Promise<boolean> {
  try {
    report.lines.push({ name, ok: true, detail: await work() });
    return true;
  } catch (error) {
    const is_ours = error instanceof OutsideFailure || error instanceof ConfigurationFault
      || error instanceof InvariantBroken;
    if (!is_ours) throw error;
    report.lines.push({
      name,
      ok: false,
      detail: error instanceof ConfigurationFault ? error.sentences.join(' ') : error.message,
    });
    if (statusOf(error) === exit_status.out_of_reach) report.status = exit_status.out_of_reach;
    else if (report.status === exit_status.done) report.status = exit_status.failed;
    return false;
  }
}

async function checkAll(config: Config, report: Report): Promise<void> {
  const opened: { database: Database | null } = { database: null };
  try {
    const reached = await line(report, 'database', async () => {
      opened.database = await connect(config.payments_database);
      await checkDatabase({ database: opened.database });
      return `${opened.database.engine}: schema current, commits durable`;
    });
    const node = openNode(config);
    const synced = await line(report, 'node', async () => {
      await requireSynced({ node });
      const { chain, tip_height } = await node.chainInfo();
      return `chain ${chain}, synced at block ${tip_height}`;
    });
    const { database } = opened;
    if (!reached || !synced || !database) return;
    const log = createLogger({ name: 'payments' });
    const lease = { fence: () => Promise.reject(new InvariantBroken('`check` never writes.')) };
    await checkPool(
      { config, database, node, lease, log, clock: systemClock, waits: createWaits(log) },
      report,
    );
  } finally {
    await opened.database?.close();
  }
}

async function checkPool(context: PaymentsContext, report: Report): Promise<void> {
  const ours = await line(report, 'pool address', async () => {
    await checkNode(context);
    return `${context.config.pool_address} is in the wallet, chain and script as at the first start`;
  });
  if (!ours) return;
  await line(report, 'coins', async () => {
    // What an incident was raised about is said in the next line.
    const [spend] = await foreignSpends(
      context,
      await incidentSubjects(context.database.knex, foreign_spend),
      1,
    );
    if (!spend) return 'none is newly spent by a transaction that the ledger does not know';
    throw new InvariantBroken(
      `${spend.coin} is spent by a transaction unknown to the ledger: a restored database, or `
        + 'another payer.',
    );
  });
  await line(report, 'incidents', async () => {
    const [incident, ...more] = await payingStopped(context.database.knex);
    if (!incident) return 'none stops paying';
    const others = more.length > 0 ? `, and ${more.length} more` : '';
    throw new InvariantBroken(`Incident ${incident.id} (${incident.kind}) stops paying${others}: `
      + `see \`obtc-payments resolve ${incident.id}\`.`);
  });
}

export const check: Action = async ({ config_file, json }) => {
  const config = loadConfig(config_file, process.env);
  const report: Report = {
    lines: [{ name: 'configuration', ok: true, detail: config.file }],
    status: exit_status.done,
  };
  for (const warning of config.warnings) {
    report.lines.push({ name: 'configuration', ok: true, detail: warning });
  }
  await checkAll(config, report);
  if (json) printJson({ ok: report.status === exit_status.done, checks: report.lines });
  else {
    printTable([{ heading: 'check' }, { heading: 'result' }, { heading: 'detail' }],
      report.lines.map(({ name, ok, detail }) => [name, ok ? 'ok' : 'FAILS', detail]));
  }
  return report.status;
};
