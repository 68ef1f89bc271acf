// The checks of `audit` that need only the database: rules A and B from the facts, and the ledger's own sums.
import type { Knex } from 'knex';
import { formatCoins } from '../../shared/amount.js';
import { satoshis } from '../../shared/units.js';
import { printable } from '../../shared/username.js';
import type { AuditCheck, PaymentsContext } from '../context.js';
import { cutViolations, roundViolations } from '../core/audit-rounds.js';
import { differencesIn, isBaseline } from '../edges/facts.js';
import { accountBalances, minerBalances, roundEntries, unbalancedEvents } from '../edges/ledger-store.js';
import { allRounds, type Round } from '../edges/round-store.js';
import { wrongSums } from '../edges/sums-store.js';

const shown_max = 5;

/** What held, or the first violations. */
export function verdict(violations: readonly string[], held: string): { ok: boolean; detail: string } {
  if (violations.length === 0) return { ok: true, detail: held };
  const more = violations.length > shown_max ? `; and ${violations.length - shown_max} more` : '';
  return { ok: false, detail: violations.slice(0, shown_max).join('; ') + more };
}

type Finding = Promise<{ ok: boolean; detail: string }>;
const inOneView = (work: (knex: Knex) => Finding) =>
  ({ database }: PaymentsContext): Finding => database.snapshot(work);

async function workIsConserved(knex: Knex): Finding {
  const rounds = await allRounds(knex);
  const violations = cutViolations(rounds);
  const cuts = rounds.filter(({ cut_from, cut_to }) => cut_to > cut_from);
  const [first] = cuts;
  if (!first) return verdict(violations, 'no work has been settled yet');
  const from = cuts.reduce((least, { cut_from }) => (cut_from < least ? cut_from : least), first.cut_from);
  const to = cuts.reduce((most, { cut_to }) => (cut_to > most ? cut_to : most), first.cut_to);
  const in_snapshots = sum((await workByUser(knex, { cut_from: from, cut_to: to })).values());
  const in_rounds = sum(cuts.map(({ round_shares }) => round_shares));
  if (from !== 0n && !(await isBaseline(knex, from))) {
    violations.push(`the first round starts at ${from}, which is no baseline`);
  }
  if (in_snapshots !== in_rounds) {
    violations.push(`the snapshots hold ${in_snapshots} shares up to the last cut, the rounds ${in_rounds}`);
  }
  return verdict(violations, `${in_rounds} shares in ${cuts.length} rounds, each once`);
}

async function roundsDivideTheirRewards(knex: Knex): Finding {
  const rounds = await allRounds(knex);
  const violations: string[] = [];
  for (const round of rounds) {
    violations.push(
      ...roundViolations(round, await workByUser(knex, round), await roundEntries(knex, round.id)),
    );
  }
  return verdict(
    violations,
    `${rounds.length} rounds: reward + carried in = credits + pool fee + carried out`,
  );
}

/** Counted here anew: whole differences, less the disputed part of a dropped dispute. */
async function workByUser(
  knex: Knex,
  { cut_from, cut_to }: Pick<Round, 'cut_from' | 'cut_to'>,
): Promise<Map<number, bigint>> {
  const work = new Map<number, bigint>();
  for (const row of await differencesIn(knex, cut_from, cut_to)) {
    const counted = row.difference - (row.dispute === 'dropped' ? row.disputed_difference : 0n);
    if (counted > 0n) work.set(row.user_id, (work.get(row.user_id) ?? 0n) + counted);
  }
  return work;
}

async function eventsSumToZero(knex: Knex): Finding {
  const violations = (await unbalancedEvents(knex)).map(
    ({ event_id, total_sats }) => `event ${event_id} sums to ${total_sats} satoshis`,
  );
  const all = sum(Object.values(await accountBalances(knex)));
  if (all !== 0n) violations.push(`all entries together sum to ${all} satoshis`);
  return verdict(violations, 'every event and all of them together sum to zero');
}

async function keptSumsAreTheLedgers(knex: Knex): Finding {
  return verdict(await wrongSums(knex), 'what is kept of each user and account is the sum of its entries');
}

async function usersAddUp(knex: Knex): Finding {
  const users = await minerBalances(knex);
  const violations = users
    .filter(
      ({ earned_sats, paid_sats, network_fee_sats, reserved_sats, balance_sats }) =>
        earned_sats !== paid_sats + network_fee_sats + reserved_sats + balance_sats,
    )
    .map(
      ({ name, earned_sats }) =>
        `${printable(name)} has earned ${formatCoins(earned_sats)}, which is not the sum of the rest`,
    );
  return verdict(violations, `${users.length} users: earned = paid + network fee + reserved + balance`);
}

async function nothingIsNegative(knex: Knex): Finding {
  const violations = (await minerBalances(knex)).flatMap(({ name, balance_sats, reserved_sats }) => [
    ...(balance_sats < 0n ? [`${printable(name)} has a balance of ${formatCoins(balance_sats)}`] : []),
    ...(reserved_sats < 0n ? [`${printable(name)} has ${formatCoins(reserved_sats)} reserved`] : []),
  ]);
  const { carry, pool_fee } = await accountBalances(knex);
  if (carry < 0n) violations.push(`the carry is ${formatCoins(satoshis(carry))}`);
  if (pool_fee < 0n) violations.push(`the pool's fee account is ${formatCoins(pool_fee)}`);
  return verdict(violations, 'no balance is below zero');
}

const sum = (amounts: Iterable<bigint>): bigint => {
  let total = 0n;
  for (const amount of amounts) total += amount;
  return total;
};

export const factsAndLedgerChecks: readonly AuditCheck[] = [
  { name: 'work is conserved: every share difference is in one round', run: inOneView(workIsConserved) },
  {
    name: 'money is conserved: every round divides its reward exactly',
    run: inOneView(roundsDivideTheirRewards),
  },
  { name: 'ledger events sum to zero', run: inOneView(eventsSumToZero) },
  { name: 'kept sums equal the ledger', run: inOneView(keptSumsAreTheLedgers) },
  { name: 'every user adds up', run: inOneView(usersAddUp) },
  { name: 'no balance is negative', run: inOneView(nothingIsNegative) },
];
