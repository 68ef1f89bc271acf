// Rules A and B over stored rounds, judged from the numbers alone and in another way than they were made:
// nothing here calls the code that settles. Each function returns one sentence for each violation.
import type { Place, Satoshis, Shares } from '../../shared/units.js';
import type { LedgerEntry } from './ledger.js';
import type { RoundState } from './block-state.js';

export interface AuditedRound {
  readonly id: number;
  readonly height: number;
  readonly state: RoundState;
  readonly reward_sats: Satoshis;
  readonly pool_fee_ppm: bigint;
  readonly pool_fee_sats: Satoshis;
  readonly carried_in_sats: Satoshis;
  readonly credited_sats: Satoshis;
  readonly carried_out_sats: Satoshis;
  readonly round_shares: Shares;
  readonly cut_from: Place;
  readonly cut_to: Place;
}

/** Rule A: the stretches of work follow each other without gap or overlap. */
export function cutViolations(rounds: readonly AuditedRound[]): string[] {
  const cuts = rounds.filter(({ cut_from, cut_to }) => cut_to > cut_from)
    .sort((left, right) => (left.cut_from < right.cut_from ? -1 : 1));
  const violations: string[] = [];
  cuts.forEach((cut, index) => {
    const before = cuts[index - 1];
    if (before && before.cut_to !== cut.cut_from) {
      violations.push(
        `round ${cut.id} starts at ${cut.cut_from}, the one before it ends at ${before.cut_to}`,
      );
    }
    if (cut.state === 'orphaned') violations.push(`round ${cut.id} is orphaned and has taken work`);
  });
  return violations;
}

/**
 * Rule B for one round, with the work of its stretch by user, and the entries of the event that
 * settled it (empty for an orphan).
 */
export function roundViolations(
  round: AuditedRound, work: ReadonlyMap<number, bigint>, entries: readonly LedgerEntry[],
): string[] {
  const violations: string[] = [];
  const expect = (holds: boolean, sentence: string): void => {
    if (!holds) violations.push(`round ${round.id} (block ${round.height}): ${sentence}`);
  };
  const total = [...work.values()].reduce((sum, count) => sum + count, 0n);
  expect(total === round.round_shares, `${total} shares in its snapshots, ${round.round_shares} in the round`);
  if (round.state === 'orphaned') {
    expect(entries.length === 0, 'orphaned, and the ledger has an event for it');
    return violations;
  }
  const { reward_sats, pool_fee_sats, carried_in_sats, credited_sats, carried_out_sats } = round;
  expect(reward_sats + carried_in_sats === credited_sats + pool_fee_sats + carried_out_sats,
    'reward + carried in is not credits + pool fee + carried out');
  expect(
    pool_fee_sats === (reward_sats * round.pool_fee_ppm) / 1_000_000n,
    `the pool fee of ${pool_fee_sats} is not its rate`,
  );
  const booked = (account: LedgerEntry['account']): bigint =>
    entries
      .filter((entry) => entry.account === account)
      .reduce((sum, { amount_sats }) => sum + amount_sats, 0n);
  expect(
    booked('coinbase') + reward_sats === 0n,
    `the ledger took ${-booked('coinbase')} in, the reward is ${reward_sats}`,
  );
  expect(booked('pool_fee') === pool_fee_sats, 'the ledger booked another pool fee');
  expect(booked('carry') === carried_out_sats - carried_in_sats, 'the ledger booked another carry');
  expect(booked('miner') === credited_sats, 'the ledger booked other credits');
  const divisible = reward_sats - pool_fee_sats + carried_in_sats;
  expect(credited_sats === (total > 0n ? divisible : 0n), 'what there was to divide was not credited');
  for (const sentence of creditViolations(divisible, total, work, entries)) expect(false, sentence);
  return violations;
}

/** Nobody is a satoshi or more away from the exact share, and nobody without work has a credit. */
function creditViolations(
  divisible: bigint, total: bigint, work: ReadonlyMap<number, bigint>, entries: readonly LedgerEntry[],
): string[] {
  const credits = new Map(entries.filter(({ account }) => account === 'miner')
    .map(({ user_id, amount_sats }) => [user_id ?? 0, amount_sats as bigint]));
  const violations: string[] = [];
  for (const user_id of new Set([...credits.keys(), ...work.keys()])) {
    const credit = credits.get(user_id) ?? 0n;
    const off = credit * total - divisible * (work.get(user_id) ?? 0n);
    const exact =
      total > 0n ? off < total && -off < total && (work.has(user_id) || credit === 0n) : credit === 0n;
    if (exact) continue;
    violations.push(
      `user ${user_id} was credited ${credit} for `
        + `${work.get(user_id) ?? 0n} of ${total} shares of ${divisible}`,
    );
  }
  return violations;
}
