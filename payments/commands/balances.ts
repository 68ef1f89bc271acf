// `balances`: what each user has earned, was paid and is owed. For every user
// earned = paid + network fee + reserved + balance.
import { formatCoins } from '../../shared/amount.js';
import { printJson, printTable, type Action } from '../../shared/command.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import { printable } from '../../shared/username.js';
import type { PaymentsContext } from '../context.js';
import { payoutAddresses, type PayoutAddress } from '../edges/address-store.js';
import { allUsers, type User } from '../edges/facts.js';
import { minerBalances } from '../edges/ledger-store.js';
import { usersInHeldBatches } from '../edges/overview.js';
import { withPayments } from './open.js';

export type BalanceState = 'payable' | 'below_threshold' | 'quarantined' | 'held';

export interface BalanceLine {
  readonly user: string;
  readonly address: string | null;
  readonly earned: string;
  readonly paid: string;
  readonly network_fee: string;
  readonly reserved: string;
  readonly balance: string;
  readonly state: BalanceState;
}

/** Every user that accounting knows, with or without money, by name; or the line of one. */
export async function balanceLines(
  { database, config }: Pick<PaymentsContext, 'database' | 'config'>, only?: User,
): Promise<BalanceLine[]> {
  return database.snapshot(async (transaction) => {
    const addresses = await payoutAddresses(transaction, only?.user_id);
    const held = await usersInHeldBatches(transaction);
    // Of one user: those who share the output script as well.
    const users = only && [only.user_id, ...addresses.keys()];
    const sums = new Map((await minerBalances(transaction, users)).map((sum) => [sum.user_id, sum]));
    const balanceOf = (user_id: number): Satoshis => sums.get(user_id)?.balance_sats ?? satoshis(0n);
    const perScript = balancePerScript(addresses, balanceOf);
    const coins = (amount: Satoshis | undefined): string => formatCoins(amount ?? satoshis(0n));
    return (only ? [only] : await allUsers(transaction)).map(({ user_id, name }): BalanceLine => {
      const sum = sums.get(user_id);
      const address = addresses.get(user_id);
      const owed = address?.script ? perScript.get(address.script) ?? satoshis(0n) : balanceOf(user_id);
      return {
        user: printable(name),
        address: address?.address ?? null,
        earned: coins(sum?.earned_sats),
        paid: coins(sum?.paid_sats),
        network_fee: coins(sum?.network_fee_sats),
        reserved: coins(sum?.reserved_sats),
        balance: coins(sum?.balance_sats),
        state: balanceState(address, held.has(user_id), owed, config.min_payout_sats),
      };
    });
  });
}

/** `owed`: the balance of all users that share the output script, to which the threshold applies. */
function balanceState(
  address: PayoutAddress | undefined, in_held_batch: boolean, owed: Satoshis, min_payout_sats: Satoshis,
): BalanceState {
  if (address?.state === 'quarantined') return 'quarantined';
  if (in_held_batch) return 'held';
  return owed > 0n && owed >= min_payout_sats ? 'payable' : 'below_threshold';
}

function balancePerScript(
  addresses: ReadonlyMap<number, PayoutAddress>, balanceOf: (user_id: number) => Satoshis,
): Map<string, Satoshis> {
  const sums = new Map<string, Satoshis>();
  for (const { user_id, script, state } of addresses.values()) {
    if (script === null || state !== 'payable') continue;
    sums.set(script, satoshis((sums.get(script) ?? 0n) + balanceOf(user_id)));
  }
  return sums;
}

export const balances: Action = (command) => withPayments(command, async (context) => {
  const lines = await balanceLines(context);
  if (command.json) return printJson(lines);
  printTable(
    [
      { heading: 'user' },
      { heading: 'address' },
      { heading: 'earned', align: 'right' },
      { heading: 'paid', align: 'right' },
      { heading: 'network fee', align: 'right' },
      { heading: 'reserved', align: 'right' },
      { heading: 'balance', align: 'right' },
      { heading: 'state' },
    ],
    lines.map((line) => [
      line.user,
      line.address,
      line.earned,
      line.paid,
      line.network_fee,
      line.reserved,
      line.balance,
      line.state,
    ]),
  );
});
