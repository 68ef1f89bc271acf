// Who is in the next batch, from balances alone: users with one script share one output; a script is paid
// when its users' balances together reach the minimum and its dust limit. Largest first, ties by the bytes
// of the script, so that the same balances always give the same list. Who does not fit waits, named with
// the reason; nobody is paid a part of a balance. What coins and fees allow is decided in `payout-draft`.
import { satoshis, type Satoshis } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { formatCoins, sumSatoshis } from '../../shared/amount.js';
import { dustLimit } from './output-script.js';

/** A user whose name may be paid, with the whole balance. */
export interface Payee {
  readonly user_id: number;
  readonly name: NameBytes;
  readonly address: string;
  /** scriptPubKey, lower-case hex, of one of the four known kinds. */
  readonly script: string;
  readonly balance_sats: Satoshis;
}

export interface PlannedUser {
  readonly user_id: number;
  readonly name: NameBytes;
  readonly address: string;
  readonly planned_sats: Satoshis;
}

/** One output of the next transaction, before the network fee. */
export interface PlannedOutput {
  readonly script: string;
  /** As the first of its users (by name) writes it. */
  readonly address: string;
  readonly users: readonly PlannedUser[];
  readonly planned_sats: Satoshis;
}

export interface Waiting {
  readonly output: PlannedOutput;
  /** One sentence for the operator and the miner. */
  readonly reason: string;
}

export interface PayoutPlan {
  readonly outputs: readonly PlannedOutput[];
  readonly waiting: readonly Waiting[];
}

/** The plan; users without a positive balance are left out, everyone else is in exactly one of both lists. */
export function planPayouts(
  payees: readonly Payee[],
  limits: { readonly min_payout_sats: Satoshis; readonly outputs_max: number },
): PayoutPlan {
  const outputs: PlannedOutput[] = [];
  const waiting: Waiting[] = [];
  for (const output of groupByScript(payees).sort(largestFirst)) {
    const reason = reasonToWait(output, limits, outputs.length);
    if (reason === null) outputs.push(output);
    else waiting.push({ output, reason });
  }
  return { outputs, waiting };
}

function reasonToWait(
  output: PlannedOutput,
  { min_payout_sats, outputs_max }: { readonly min_payout_sats: Satoshis; readonly outputs_max: number },
  taken: number,
): string | null {
  if (output.planned_sats < min_payout_sats) {
    return `Below the minimum payout of ${formatCoins(min_payout_sats)}.`;
  }
  const dust = dustLimit(output.script);
  if (output.planned_sats < dust) return `Below the dust limit of ${formatCoins(dust)}.`;
  if (taken >= outputs_max) return `The batch is full with ${outputs_max} outputs: in the next one.`;
  return null;
}

/** Users by script, in order of their names, whatever order they came in. */
export function groupByScript(payees: readonly Payee[]): PlannedOutput[] {
  const by_script = new Map<string, Payee[]>();
  for (const payee of payees) {
    if (payee.balance_sats <= 0n) continue;
    by_script.set(payee.script, [...(by_script.get(payee.script) ?? []), payee]);
  }
  return [...by_script].map(([script, members]) => plannedOutput(script, members));
}

function plannedOutput(script: string, members: readonly Payee[]): PlannedOutput {
  const users = [...members]
    .sort((a, b) => compareText(a.name, b.name))
    .map(({ user_id, name, address, balance_sats }) => ({
      user_id,
      name,
      address,
      planned_sats: balance_sats,
    }));
  return {
    script,
    address: users[0]?.address ?? '',
    users,
    planned_sats: sumSatoshis(users.map((user) => user.planned_sats)),
  };
}

/** Largest first, ties by script: also the order of the outputs in the transaction. */
export function largestFirst(a: PlannedOutput, b: PlannedOutput): number {
  if (a.planned_sats !== b.planned_sats) return a.planned_sats > b.planned_sats ? -1 : 1;
  return compareText(a.script, b.script);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const totalPlanned = (outputs: readonly PlannedOutput[]): Satoshis =>
  satoshis(outputs.reduce((sum, output) => sum + output.planned_sats, 0n));
