// A payout that a restored ledger has lost, read back from its transaction: who was paid what, and what was
// withheld from whom. The split of the fee is not in the transaction, so it is made again, pro rata to what was
// paid; nobody is charged more than the ledger owes. A transaction that is not shaped as a payout of this program,
// pays somebody whom the ledger does not owe, or pays more than it owes, is refused with a sentence.
import { formatCoins, sumSatoshis } from '../../shared/amount.js';
import { blockHash, satoshis, shares, type Satoshis } from '../../shared/units.js';
import { printable } from '../../shared/username.js';
import type { Coin } from './coin-choice.js';
import type { Draft } from './payout-draft.js';
import { groupByScript, type Payee, type PlannedOutput, type PlannedUser } from './payout-plan.js';
import { splitReward } from './reward-split.js';

export interface LostPayout {
  /** What it spends, with amounts. */
  readonly coins: readonly Coin[];
  /** In the order of the transaction. */
  readonly outputs: readonly { readonly script: string; readonly amount: Satoshis }[];
}

export interface BookingTerms {
  readonly pool_script: string;
  readonly network_fee_from: 'miners' | 'pool';
}

export type Booking = { readonly draft: Draft } | { readonly refused: string };

/** The payout as a draft whose amounts are parts of what is owed. */
export function bookingOf(lost: LostPayout, owed: readonly Payee[], terms: BookingTerms): Booking {
  const { coins, outputs } = lost;
  const [first_coin] = coins;
  const change = outputs.filter(({ script }) => script === terms.pool_script);
  const paid = outputs.filter(({ script }) => script !== terms.pool_script);
  const change_is_last = change.length === 0 || (change.length === 1 && outputs.at(-1) === change[0]);
  const network_fee_sats = satoshis(sum(coins) - sum(outputs));
  if (!first_coin || !change_is_last || paid.length === 0 || network_fee_sats < 0n) {
    return { refused: 'It does not have the form of a payout.' };
  }
  const groups = new Map(groupByScript(owed).map((group) => [group.script, group]));
  const shared: SharedOutput[] = [];
  for (const { script, amount } of paid) {
    const group = groups.get(script);
    groups.delete(script);
    if (!group) {
      return { refused: `It pays ${formatCoins(amount)} to a script of nobody whom the ledger owes (${script.slice(0, 80)}).` };
    }
    if (amount > group.planned_sats) return { refused: paysMoreThanOwed(group, amount) };
    shared.push({ group, amount, parts: split(amount, group.users, first_coin) });
  }
  const withheld = terms.network_fee_from === 'miners' ? withhold(shared, network_fee_sats, first_coin) : noFee(shared);
  if (!withheld) {
    return {
      refused: `With its network fee of ${formatCoins(network_fee_sats)} it took more from its users than the ledger owes them.`,
    };
  }
  const drafted = shared.map((output, index) => drafting(output, withheld[index] ?? []));
  return {
    draft: {
      outputs: drafted, coins, network_fee_sats,
      change_sats: satoshis(sum(change)),
      planned_sats: sumSatoshis(drafted.map(({ planned_sats }) => planned_sats)),
    },
  };
}

/** An output and what each of its users has of it; `group` holds what they are owed. */
interface SharedOutput {
  readonly group: PlannedOutput;
  readonly amount: Satoshis;
  readonly parts: readonly Satoshis[];
}

/** Who has no satoshi of it (an owner of dust behind the same script) had no part in it. */
function drafting({ group, amount, parts }: SharedOutput, withheld: readonly Satoshis[]): Draft['outputs'][number] {
  const shared = group.users.map((user, index) => {
    const fee = withheld[index] ?? satoshis(0n);
    return { fee, user: { ...user, planned_sats: satoshis((parts[index] ?? 0n) + fee) } };
  }).filter(({ user }) => user.planned_sats > 0n);
  const users = shared.map(({ user }) => user);
  const fees = shared.map(({ fee }) => fee);
  return { ...group, users, fees, amount, planned_sats: sumSatoshis(users.map(({ planned_sats }) => planned_sats)) };
}

const noFee = (outputs: readonly SharedOutput[]): Satoshis[][] =>
  outputs.map(({ parts }) => parts.map(() => satoshis(0n)));

/** Pro rata to what was paid; where somebody is not owed that much, the satoshis go to who still is. */
function withhold(outputs: readonly SharedOutput[], fee_sats: Satoshis, first_coin: Coin): Satoshis[][] | null {
  const users = outputs.flatMap(({ group, parts }) =>
    group.users.map((user, index) => ({ ...user, paid: parts[index] ?? satoshis(0n) })));
  const wanted = split(fee_sats, users.map((user) => ({ ...user, planned_sats: user.paid })), first_coin);
  const fees = users.map(({ planned_sats: owed, paid }, index) => smaller(wanted[index] ?? 0n, owed - paid));
  let missing = fee_sats - fees.reduce((total, fee) => total + fee, 0n);
  users.forEach(({ planned_sats: owed, paid }, index) => {
    const more = smaller(missing, owed - paid - (fees[index] ?? 0n));
    fees[index] = (fees[index] ?? 0n) + more;
    missing -= more;
  });
  if (missing > 0n) return null;
  let start = 0;
  return outputs.map(({ parts }) => fees.slice(start, start += parts.length).map(satoshis));
}

const split = (amount: Satoshis, users: readonly PlannedUser[], { txid }: Coin): Satoshis[] =>
  splitReward(
    amount,
    users.map(({ user_id, name, planned_sats }) => ({ user_id, name, shares: shares(planned_sats) })),
    blockHash(txid),
  ).map(({ amount_sats }) => amount_sats);

function paysMoreThanOwed({ users, planned_sats }: PlannedOutput, amount: Satoshis): string {
  return `It pays ${users.map(({ name }) => printable(name)).join(', ')} ${formatCoins(amount)}, and the ledger owes `
    + `${formatCoins(planned_sats)}.`;
}

const smaller = (one: bigint, other: bigint): bigint => (one < other ? one : other);
const sum = (amounts: readonly { readonly amount: Satoshis }[]): bigint =>
  amounts.reduce((total, { amount }) => total + amount, 0n);
