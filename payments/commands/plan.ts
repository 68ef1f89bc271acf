// `plan`: the next batch exactly as the daemon would reserve it now, without paying it: outputs, coins, fee,
// and everyone who is not in it with the reason. Names that were not checked yet are counted, not guessed.
import { formatCoins } from '../../shared/amount.js';
import { printJson, printLines, printTable, type Action } from '../../shared/command.js';
import { satoshis } from '../../shared/units.js';
import { printable } from '../../shared/username.js';
import type { PaymentsContext } from '../context.js';
import { unaccepted_states } from '../core/payout-state.js';
import { batchesIn } from '../edges/batch-store.js';
import { nextBatch } from '../paying/next-batch.js';
import { whyPayingStopped } from '../paying/plan.js';
import { withPayments } from './open.js';

export interface PlanReport {
  /** Why nothing would be planned now although someone could be paid; null when it would. */
  readonly waits_for: string | null;
  readonly planned: string;
  readonly network_fee: string;
  readonly network_fee_from: 'miners' | 'pool';
  /** Coin per 1000 virtual bytes; null when it was not needed. */
  readonly fee_rate: string | null;
  readonly change: string;
  readonly coins: readonly { readonly txid: string; readonly index: number; readonly amount: string }[];
  readonly outputs: readonly {
    readonly address: string;
    readonly amount: string;
    readonly users: readonly {
      readonly user: string;
      readonly planned: string;
      readonly network_fee: string;
    }[];
  }[];
  readonly excluded: readonly {
    readonly users: readonly string[];
    readonly balance: string;
    readonly reason: string;
  }[];
  readonly unchecked_names: number;
}

export async function planReport(context: PaymentsContext): Promise<PlanReport> {
  const { draft, waiting, quarantined, fee_rate, postponed, unchecked } = await nextBatch(context);
  const [busy] = await batchesIn(context.database.knex, unaccepted_states);
  const in_the_way = busy
    ? `Batch ${busy.id} is ${busy.state}: the next one is planned when the node has accepted it.`
    : null;
  const none = satoshis(0n);
  return {
    waits_for: (await whyPayingStopped(context)) ?? in_the_way ?? postponed,
    planned: formatCoins(draft?.planned_sats ?? none),
    network_fee: formatCoins(draft?.network_fee_sats ?? none),
    network_fee_from: context.config.network_fee_from,
    fee_rate: fee_rate === null ? null : formatCoins(fee_rate),
    change: formatCoins(draft?.change_sats ?? none),
    coins: (draft?.coins ?? []).map(({ txid, index, amount }) => ({
      txid,
      index,
      amount: formatCoins(amount),
    })),
    outputs: (draft?.outputs ?? []).map(({ address, amount, users, fees }) => ({
      address,
      amount: formatCoins(amount),
      users: users.map(({ name, planned_sats }, position) => ({
        user: printable(name),
        planned: formatCoins(planned_sats),
        network_fee: formatCoins(fees[position] ?? none),
      })),
    })),
    excluded: [
      ...waiting.map(({ output, reason }) => ({
        users: output.users.map(({ name }) => printable(name)),
        balance: formatCoins(output.planned_sats),
        reason,
      })),
      ...quarantined.map(({ name, balance_sats, reason }) => ({
        users: [printable(name)],
        balance: formatCoins(balance_sats),
        reason,
      })),
    ],
    unchecked_names: unchecked,
  };
}

export const plan: Action = (command) => withPayments(command, async (context) => {
  const report = await planReport(context);
  if (command.json) return printJson(report);
  printLines([
    ...(report.waits_for === null ? [] : [`Nothing is planned now: ${report.waits_for}`]),
    `The next batch: ${report.outputs.length} outputs, ${report.planned} from ${report.coins.length} coins, `
      + `network fee ${report.network_fee} (from ${report.network_fee_from}), change ${report.change}`,
    ...(report.unchecked_names === 0 ? [] : [`${report.unchecked_names} names are not checked yet.`]),
  ]);
  printTable(
    [{ heading: 'address' }, { heading: 'amount', align: 'right' }, { heading: 'users' }],
    report.outputs.map(({ address, amount, users }) => [
      address,
      amount,
      users.map(({ user }) => user).join(' '),
    ]),
  );
  if (report.excluded.length === 0) return;
  printTable([{ heading: 'not in it' }, { heading: 'balance', align: 'right' }, { heading: 'why' }],
    report.excluded.map(({ users, balance, reason }) => [users.join(' '), balance, reason]));
});
