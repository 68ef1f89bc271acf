// `audit`: every invariant over ledger, facts, chain and wallet, a line for each. Read-only and without the
// lease, so it may run beside the daemon; a check that fails is looked at again, because a payout may
// have been sent between two of its reads. A failure that stays is one.
import { exit_status, printJson, printTable, type Action } from '../../shared/command.js';
import type { AuditCheck, PaymentsContext } from '../context.js';
import { payoutChecks } from '../paying/audit.js';
import { chainChecks } from './audit-chain.js';
import { factsAndLedgerChecks } from './audit-checks.js';
import { withPayments } from './open.js';

export interface AuditLine {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

const looks_max = 3;
const look_again_ms = 500;

/** @throws OutsideFailure when node or database is out of reach: then nothing is known. */
export async function auditLines(context: PaymentsContext): Promise<AuditLine[]> {
  const lines: AuditLine[] = [];
  for (const check of [...factsAndLedgerChecks, ...chainChecks, ...payoutChecks]) {
    lines.push({ name: check.name, ...(await patiently(context, check)) });
  }
  return lines;
}

async function patiently(
  context: PaymentsContext,
  check: AuditCheck,
): Promise<{ ok: boolean; detail: string }> {
  for (let look = 1; ; look += 1) {
    const { ok, detail } = await check.run(context);
    if (ok || look === looks_max) return { ok, detail };
    await context.clock.sleep(look_again_ms);
  }
}

export const audit: Action = (command) => withPayments(command, async (context) => {
  const checks = await auditLines(context);
  const ok = checks.every((check) => check.ok);
  if (command.json) printJson({ ok, checks });
  else {
    printTable([{ heading: 'check' }, { heading: 'result' }, { heading: 'detail' }],
      checks.map((check) => [check.name, check.ok ? 'ok' : 'VIOLATED', check.detail]));
  }
  return ok ? exit_status.done : exit_status.failed;
});
