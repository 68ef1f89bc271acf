// `explain <user> [block]`: every number of a miner's pay with its source, from the share counts in the
// snapshots through the split of each round to the payouts. The division is done again here and shown beside
// what was credited.
import { formatCoins } from '../../shared/amount.js';
import { printJson, printLines, type Action } from '../../shared/command.js';
import { ConfigurationFault } from '../../shared/errors.js';
import { satoshis } from '../../shared/units.js';
import { parsePrintable, printable } from '../../shared/username.js';
import type { PaymentsContext } from '../context.js';
import {
  balanceChanges, differencesOfUser, payoutsOfUser, type UserDifference, type UserEntry,
} from '../edges/explanation.js';
import { userNamed, type User } from '../edges/facts.js';
import { nextRoundStart, roundsNamed, roundsWith, type Round } from '../edges/round-store.js';
import { balanceLines, type BalanceLine } from './balances.js';
import { withPayments } from './open.js';

export interface RoundOfUser {
  readonly height: number;
  readonly hash: string;
  readonly state: Round['state'];
  /** The snapshots of the round in which the user's count had grown. */
  readonly snapshots: readonly {
    readonly snapshot: number;
    readonly height: number | null;
    readonly state: string;
    readonly quality: string;
    readonly dispute: string;
    readonly share_count: string;
    readonly difference: string;
    readonly disputed_difference: string;
  }[];
  readonly shares: string;
  readonly round_shares: string;
  readonly reward: string;
  readonly pool_fee: string;
  readonly carried_in: string;
  /** reward - pool fee + carried in: what is divided. */
  readonly divided: string;
  /** divided × shares / round shares, rounded down, and the satoshi of rounding, if it fell to this user. */
  readonly part: string;
  readonly rounding: string;
  readonly credit: string;
  /** Taken back because the block left the chain. */
  readonly reversed: string;
}

export interface Explanation extends BalanceLine {
  readonly rounds: readonly RoundOfUser[];
  readonly payouts: readonly {
    readonly batch: number;
    readonly state: string;
    readonly txid: string | null;
    readonly address: string;
    /** planned = output + network fee; both null until the batch is prepared. */
    readonly planned: string;
    readonly network_fee: string | null;
    readonly output: string | null;
  }[];
  readonly changes: readonly {
    readonly at: string;
    readonly kind: string;
    readonly cause: string;
    readonly amount: string;
  }[];
  /** Work that stands in no round yet. */
  readonly unsettled_shares: string;
}

/** `block`: a height or a hash; null: all. */
export async function explainUser(
  context: PaymentsContext,
  user: User,
  block: string | null,
): Promise<Explanation> {
  const { knex } = context.database;
  const [line] = await balanceLines(context, user);
  if (!line) throw new ConfigurationFault([`There is no user ${printable(user.name)}.`]);
  const differences = await differencesOfUser(knex, user.user_id);
  const changes = await balanceChanges(knex, user.user_id);
  const cut = await nextRoundStart(knex);
  const changed = changesByRound(changes);
  const wanted = block !== null ? await roundsNamed(knex, block) : await roundsWith(
    knex, [...changed.keys()].filter((id) => id !== null), differences.map(({ place }) => place));
  const worked = differencesByRound(wanted, differences);
  const rounds = wanted.map((round) => roundOfUser(round, worked.get(round.id) ?? [], changed.get(round.id) ?? []));
  return {
    ...line,
    rounds:
      block === null
        ? rounds.filter(({ shares, credit }) => shares !== '0' || credit !== '0.00000000')
        : rounds,
    payouts: (await payoutsOfUser(knex, user.user_id)).map(
      ({ batch_id, batch_state, txid, address, planned_sats, network_fee_sats }) => ({
        batch: batch_id,
        state: batch_state,
        txid,
        address,
        planned: formatCoins(planned_sats),
        network_fee: network_fee_sats === null ? null : formatCoins(network_fee_sats),
        output: network_fee_sats === null ? null : formatCoins(satoshis(planned_sats - network_fee_sats)),
      }),
    ),
    changes: changes.map(({ kind, cause, amount_sats, occurred_at }) => ({
      at: `${occurred_at.replace(' ', 'T')}Z`,
      kind,
      cause,
      amount: formatCoins(amount_sats),
    })),
    unsettled_shares: sum(differences.filter(({ place }) => place > cut).map(counted)).toString(),
  };
}

/** Both in the order of places: one walk along the two, however long they are. */
function differencesByRound(
  rounds: readonly Round[], differences: readonly UserDifference[],
): ReadonlyMap<number, readonly UserDifference[]> {
  const by_place = rounds.filter(({ cut_from, cut_to }) => cut_to > cut_from)
    .sort((left, right) => (left.cut_from < right.cut_from ? -1 : 1));
  const found = new Map<number, readonly UserDifference[]>();
  let next = 0;
  for (const { id, cut_from, cut_to } of by_place) {
    while (next < differences.length && differences[next]!.place <= cut_from) next += 1;
    const first = next;
    while (next < differences.length && differences[next]!.place <= cut_to) next += 1;
    found.set(id, differences.slice(first, next));
  }
  return found;
}

function changesByRound(changes: readonly UserEntry[]): ReadonlyMap<number | null, readonly UserEntry[]> {
  const found = new Map<number | null, UserEntry[]>();
  for (const change of changes) {
    const known = found.get(change.round_id);
    if (known) known.push(change);
    else found.set(change.round_id, [change]);
  }
  return found;
}

/** `own`: the user's differences in the round; `of_round`: what its events posted to the user. */
function roundOfUser(
  round: Round,
  own: readonly UserDifference[],
  of_round: readonly UserEntry[],
): RoundOfUser {
  const worked = sum(own.map(counted));
  const divided = round.reward_sats - round.pool_fee_sats + round.carried_in_sats;
  const credit = of_round.find(({ kind }) => kind === 'settle')?.amount_sats ?? satoshis(0n);
  const part =
    round.round_shares > 0n && round.state !== 'orphaned' ? (divided * worked) / round.round_shares : 0n;
  const later = sum(of_round.map(({ amount_sats }) => amount_sats)) - credit;
  return {
    height: round.height, hash: round.block_hash, state: round.state,
    snapshots: own.map((snapshot) => ({
      snapshot: snapshot.snapshot_id,
      height: snapshot.height,
      state: snapshot.state,
      quality: snapshot.quality,
      dispute: snapshot.dispute,
      share_count: snapshot.share_count.toString(),
      difference: snapshot.difference.toString(),
      disputed_difference: snapshot.disputed_difference.toString(),
    })),
    shares: worked.toString(), round_shares: round.round_shares.toString(),
    reward: formatCoins(round.reward_sats), pool_fee: formatCoins(round.pool_fee_sats),
    carried_in: formatCoins(round.carried_in_sats), divided: formatCoins(satoshis(divided)),
    part: formatCoins(satoshis(part)), rounding: formatCoins(satoshis(credit - part)),
    credit: formatCoins(credit), reversed: formatCoins(satoshis(-later)),
  };
}

const counted = ({ dispute, difference, disputed_difference }: UserDifference): bigint =>
  (dispute === 'dropped' ? difference - disputed_difference : difference);
const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);

export const explain: Action = (command) => withPayments(command, async (context) => {
  const [given = '', block = null] = command.arguments;
  const name = parsePrintable(given);
  const user = name === null ? null : await userNamed(context.database.knex, name);
  if (!user) {
    throw new ConfigurationFault([
      `There is no user ${given}; see \`obtc-payments balances\` for the names as they are written.`,
    ]);
  }
  const explanation = await explainUser(context, user, block);
  if (block !== null && explanation.rounds.length === 0) {
    throw new ConfigurationFault([
      `Block ${block} is not a decided block of this pool; see \`obtc-payments blocks\`.`,
    ]);
  }
  if (command.json) return printJson(explanation);
  printLines(linesOf(explanation));
});

function* linesOf(explanation: Explanation): Generator<string> {
  const { user, address, state, earned, paid, network_fee, reserved, balance } = explanation;
  yield `${user}: ${state}, paid to ${address ?? 'no address'}`;
  yield `earned ${earned} = paid ${paid} + network fee ${network_fee} `
    + `+ reserved ${reserved} + balance ${balance}`;
  for (const round of explanation.rounds) {
    yield `block ${round.height} (${round.state}) ${round.hash}`;
    for (const { snapshot, height, share_count, difference, quality } of round.snapshots) {
      const place = height === null ? 'the baseline' : `block ${height}`;
      yield `  snapshot ${snapshot} at ${place} (${quality}): `
        + `count ${share_count}, ${difference} more than before`;
    }
    yield `  ${round.reward} reward - ${round.pool_fee} pool fee `
      + `+ ${round.carried_in} carried in = ${round.divided}`;
    yield `  ${round.divided} x ${round.shares} / ${round.round_shares} shares = ${round.part}, `
      + `rounding ${round.rounding}: credit ${round.credit}`;
    if (round.state === 'lost') yield `  the block left the chain: ${round.reversed} taken back`;
  }
  for (const { batch, state: batch_state, planned, network_fee: fee, output, txid } of explanation.payouts) {
    yield `payout in batch ${batch} (${batch_state}): ${planned} - ${fee ?? 'a network fee not fixed yet'} `
      + `= ${output ?? '-'} in ${txid ?? 'no transaction yet'}`;
  }
  yield `${explanation.unsettled_shares} shares are in no settled round yet`;
}
