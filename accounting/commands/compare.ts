// `compare [block]`: what ckpool's counters would have given the users of a round, and what the share logs give;
// without a block one row a round, with one a row a user. Only reads. Works through the rounds one by one, so that
// a pool with many users and years of blocks fits into memory.
import type { Knex } from 'knex';
import { formatCoins } from '../../shared/amount.js';
import { printJson, printLines, printTable, type Action } from '../../shared/command.js';
import { ConfigurationFault } from '../../shared/errors.js';
import { satoshis } from '../../shared/units.js';
import { printable, type NameBytes } from '../../shared/username.js';
import { compareRounds, formatPercent, type ComparedRound, type UserComparison } from '../core/compare-rounds.js';
import { readRounds, readWork, type ReadRound, type RoundFact } from '../edges/compare-reader.js';
import { withFacts } from './open.js';

type Compared = ComparedRound<ReadRound>;

export const compare: Action = (context) => withFacts(context, (database) => database.snapshot(async (transaction) => {
  const [block] = context.arguments;
  const facts = await readRounds(transaction);
  if (block === undefined) {
    const overview = await overviewOf(eachCompared(transaction, facts));
    return context.json ? printJson(overview) : printOverview(overview);
  }
  const wanted = roundNamed(facts, block);
  const round = await comparedOne(transaction, facts, wanted);
  return context.json ? printJson(roundAsJson(round)) : printRound(round);
}));

async function* eachCompared(transaction: Knex.Transaction, facts: readonly RoundFact[]): AsyncGenerator<Compared> {
  const comparison = compareRounds<ReadRound>();
  for (const fact of facts) yield* comparison.add(await readWork(transaction, fact));
  yield* comparison.end();
}

/** Begins where the work of its reward does, and ends as soon as it is known what that is split over. */
async function comparedOne(
  transaction: Knex.Transaction, facts: readonly RoundFact[], wanted: number,
): Promise<Compared> {
  const start = facts.findLastIndex(({ active }, index) => active && index < wanted) + 1;
  for await (const round of eachCompared(transaction, facts.slice(start))) {
    if (round.round.hash === facts[wanted]!.hash) return round;
  }
  throw new Error(`the round of block ${facts[wanted]!.hash} was lost on the way`);
}

function roundNamed(facts: readonly RoundFact[], block: string): number {
  if (!/^(?:\d{1,10}|[0-9a-f]{4,64})$/.test(block)) {
    throw new ConfigurationFault([`${JSON.stringify(block)} is neither a height nor (the beginning of) a block hash.`]);
  }
  const is_height = /^\d{1,10}$/.test(block);
  const found = facts.filter(({ height, hash }) => (is_height ? height === Number(block) : hash.startsWith(block)));
  if (found.length === 1) return facts.indexOf(found[0]!);
  throw new ConfigurationFault([found.length === 0
    ? `There is no block ${block} whose counts are decided; \`compare\` lists those there are.`
    : `${block} names ${found.length} blocks: say which by its hash: ${found.map(({ hash }) => hash).join(', ')}`]);
}

interface Overview {
  readonly rounds: readonly RoundLine[];
  readonly totals: {
    readonly rounds: number;
    readonly compared: number;
    /** Of those compared: ckpool's log has no line of it, so that the counters were never asked. */
    readonly without_line: number;
    /** Of those compared that have one: no counter had moved since the line before. */
    readonly without_counter_work: number;
    readonly largest: (Largest & { readonly height: number; readonly hash: string }) | null;
    /** Of the blocks whose worth is known by both counts. */
    readonly reward: string;
    readonly moved: string;
  };
  /** The worth of all these blocks, by user. */
  readonly users: readonly {
    readonly user: string; readonly counters_worth: string; readonly share_logs_worth: string; readonly gain: string;
  }[];
}
type RoundLine = ReturnType<typeof lineOf>;
type Largest = NonNullable<ReturnType<typeof largestOf>>;

async function overviewOf(rounds: AsyncIterable<Compared>): Promise<Overview> {
  const lines: RoundLine[] = [];
  const sums = { compared: 0, without_line: 0, without_counter_work: 0, reward: 0n, moved: 0n };
  const worths = new Map<NameBytes, Worth>();
  let worst: { round: Compared; points: bigint } | null = null;
  for await (const round of rounds) {
    lines.push(lineOf(round));
    if (round.share_logs_total === null) continue;
    sums.compared += 1;
    if (!round.round.lines) sums.without_line += 1;
    else if (round.counters_total === 0n) sums.without_counter_work += 1;
    if (round.moved_sats !== null) {
      sums.reward += round.round.reward_sats;
      sums.moved += round.moved_sats;
      addWorths(worths, round.users);
    }
    const points = absolute(round.largest?.points_ppm ?? 0n);
    if (points > (worst?.points ?? 0n)) worst = { round, points };
  }
  return {
    rounds: lines,
    totals: {
      rounds: lines.length,
      compared: sums.compared,
      without_line: sums.without_line,
      without_counter_work: sums.without_counter_work,
      largest: worst && {
        height: worst.round.round.height, hash: worst.round.round.hash, ...largestOf(worst.round)!,
      },
      reward: coins(sums.reward),
      moved: coins(sums.moved),
    },
    users: [...worths].sort(byShareLogs).map(([user, { counters, share_logs }]) => ({
      user: printable(user), counters_worth: coins(counters), share_logs_worth: coins(share_logs),
      gain: coins(share_logs - counters),
    })),
  };
}

interface Worth { readonly counters: bigint; readonly share_logs: bigint }

function addWorths(worths: Map<NameBytes, Worth>, users: readonly UserComparison[]): void {
  for (const { user, counters_sats, share_logs_sats } of users) {
    const { counters, share_logs } = worths.get(user) ?? { counters: 0n, share_logs: 0n };
    worths.set(user, { counters: counters + counters_sats!, share_logs: share_logs + share_logs_sats! });
  }
}

const byShareLogs = ([a, { share_logs: of_a }]: [NameBytes, Worth], [b, { share_logs: of_b }]: [NameBytes, Worth]): number =>
  of_a > of_b ? -1 : of_a < of_b || a > b ? 1 : -1;

function lineOf(compared: Compared) {
  const { height, hash, finder, active, reward_sats, nothing_because, lines } = compared.round;
  return {
    height, hash, finder: printable(finder), active,
    reward: coins(reward_sats),
    users: compared.users.filter(({ counters, share_logs }) => counters > 0n || (share_logs ?? 0n) > 0n).length,
    has_line: lines !== null,
    counters: compared.counters_total.toString(),
    share_logs: compared.share_logs_total?.toString() ?? null,
    nothing_because,
    largest: largestOf(compared),
    moved: coins(compared.moved_sats),
  };
}

function largestOf({ largest }: Compared) {
  if (!largest) return null;
  return { user: largest.points_ppm === 0n ? null : printable(largest.user), points: formatPercent(largest.points_ppm!) };
}

function coins(amount_sats: bigint): string;
function coins(amount_sats: bigint | null): string | null;
function coins(amount_sats: bigint | null): string | null {
  return amount_sats === null ? null : formatCoins(satoshis(amount_sats));
}
const percent = (ppm: bigint | null): string | null => (ppm === null ? null : formatPercent(ppm));
const absolute = (value: bigint): bigint => (value < 0n ? -value : value);

const nothing_to_compare = {
  counters: 'the counters decided it, no share log was read',
  gap: 'share logs do not hold all of its work, the counters filled in',
  baseline: 'it begins with a baseline, at which the counters have no reading',
};

function printOverview({ rounds, totals, users }: Overview): void {
  printTable(
    [
      { heading: 'height', align: 'right' }, { heading: 'hash' }, { heading: 'finder' },
      { heading: 'users', align: 'right' }, { heading: 'by counters', align: 'right' },
      { heading: 'by share logs', align: 'right' }, { heading: 'points', align: 'right' }, { heading: 'whose' },
      { heading: 'moved', align: 'right' }, { heading: 'remark' },
    ],
    rounds.map((line) => [
      line.height, line.hash.slice(0, 16), line.finder, line.users, line.counters, line.share_logs,
      line.largest?.points, line.largest?.user, line.moved, remarkOf(line),
    ]),
  );
  if (users.length > 0) {
    printLines(['']);
    printTable(
      [
        { heading: 'user' }, { heading: 'worth by counters', align: 'right' },
        { heading: 'worth by share logs', align: 'right' }, { heading: 'gain', align: 'right' },
      ],
      users.map((one) => [one.user, one.counters_worth, one.share_logs_worth, one.gain]),
    );
  }
  printLines(['', ...summaryOf(totals)]);
}

function remarkOf({ active, counters, has_line, nothing_because }: RoundLine): string {
  const remark = nothing_because ? `nothing to compare (${nothing_because})`
    : !has_line ? 'no line in the log'
      : counters === '0' ? 'no work by counters' : '';
  return [...(active ? [] : ['orphan']), ...(remark === '' ? [] : [remark])].join(', ');
}

function summaryOf(totals: Overview['totals']): string[] {
  const { rounds, compared, without_line, without_counter_work, largest, reward, moved } = totals;
  if (compared === 0) {
    return [`${rounds} rounds, and nothing to compare: share logs decided none of them.`];
  }
  return [
    `${compared} of ${rounds} rounds compared; in ${without_counter_work} of them the counters show no work at all`
      + (without_line > 0 ? `, and ${without_line} have no line in the log.` : '.'),
    largest
      ? `Largest difference: ${largest.points} points, ${largest.user ?? ''}, block ${largest.height} ${largest.hash}.`
      : 'No part differs.',
    `By the counters ${moved} of ${reward} coins would have gone to others (before fees).`,
  ];
}

function roundAsJson(compared: Compared) {
  return { ...lineOf(compared), users: compared.users.map(userAsJson) };
}

/** `worth` before fees; `gain` is what the share logs give more. */
const userAsJson = (one: UserComparison) => ({
  user: printable(one.user),
  counters: one.counters.toString(),
  share_logs: one.share_logs?.toString() ?? null,
  counters_percent: percent(one.counters_ppm),
  share_logs_percent: percent(one.share_logs_ppm),
  points: percent(one.points_ppm),
  counters_worth: coins(one.counters_sats),
  share_logs_worth: coins(one.share_logs_sats),
  gain: coins(one.gain_sats),
});

function printRound(compared: Compared): void {
  const { round, counters_total, users } = compared;
  const { height, hash, finder, active, reward_sats, nothing_because, lines } = round;
  printLines([`Block ${height} ${hash}, found by ${printable(finder)}: `
    + (active ? `${coins(reward_sats)} before fees.` : 'an orphan, so its work has no worth of its own.')]);
  if (nothing_because) printLines([`There is nothing to compare: ${nothing_to_compare[nothing_because]}.`]);
  else if (counters_total === 0n) {
    const because = lines ? 'The counters show no work at all' : "ckpool's log has no line of it";
    printLines([active ? `${because}: by the counters its reward goes to the next round with work.` : `${because}.`]);
  }
  const share_logs = nothing_because === null;
  printTable(
    [
      { heading: 'user' }, { heading: 'by counters', align: 'right' }, { heading: '%', align: 'right' },
      ...(share_logs ? ['by share logs', '%', 'points'].map((heading) => ({ heading, align: 'right' as const })) : []),
      { heading: 'worth by counters', align: 'right' },
      ...(share_logs ? ['worth by share logs', 'gain'].map((heading) => ({ heading, align: 'right' as const })) : []),
    ],
    users.map(userAsJson).map((one) => [
      one.user, one.counters, one.counters_percent,
      ...(share_logs ? [one.share_logs, one.share_logs_percent, one.points] : []),
      one.counters_worth,
      ...(share_logs ? [one.share_logs_worth, one.gain] : []),
    ]),
  );
}
