// What ckpool's counters would have given each user of a round, and what the share logs give: two counts of the
// same stretch of work, side by side. Pure integer arithmetic: parts are millionths of the round, worth is satoshis of
// the block's reward before the pool's and the network's fees.
//
// The parts are those of the work between two cuts. The worth follows payments: the work of an orphan counts in the
// round of the next block in the chain, and a reward without any work goes to the next round that has some. So a
// round is handed out once both counts know which work its reward is split over.
import { createHash } from 'node:crypto';
import { satoshis, type BlockHash, type Satoshis, type Shares } from '../../shared/units.js';
import { nameToBuffer, type NameBytes } from '../../shared/username.js';

export const whole_ppm = 1_000_000n;

export type WorkByUser = ReadonlyMap<NameBytes, Shares>;

/** The work between two decided cuts, counted twice. */
export interface CountedRound {
  readonly hash: BlockHash;
  /** In the active chain; only then its reward has a worth. */
  readonly active: boolean;
  readonly reward_sats: Satoshis;
  readonly counters: WorkByUser;
  /** Null: there is nothing to compare, the counters decided this round or a part of it. */
  readonly share_logs: WorkByUser | null;
  /** False before a baseline: no reward is split over such work. */
  readonly is_paid: boolean;
}

export interface UserComparison {
  readonly user: NameBytes;
  readonly counters: bigint;
  readonly share_logs: bigint | null;
  /** Millionths of the round; null where a count shows no work at all. They sum to a million. */
  readonly counters_ppm: bigint | null;
  readonly share_logs_ppm: bigint | null;
  /** By how much the share logs give more; null where there are not two parts. They sum to zero. */
  readonly points_ppm: bigint | null;
  /** Before fees. Null for an orphan, and where the work that the reward is split over is not known. */
  readonly counters_sats: bigint | null;
  readonly share_logs_sats: bigint | null;
  readonly gain_sats: bigint | null;
}

export interface ComparedRound<Round extends CountedRound> {
  readonly round: Round;
  readonly counters_total: bigint;
  readonly share_logs_total: bigint | null;
  /** Most work by the share logs first. */
  readonly users: readonly UserComparison[];
  /** Whose part differs most; null where there are not two parts. */
  readonly largest: UserComparison | null;
  /** What the counters would have given to others: the sum of all gains, which is that of all losses. */
  readonly moved_sats: bigint | null;
}

export interface RoundComparison<Round extends CountedRound> {
  /** The next round in the order of cuts. Returns those that are complete with it, in order. */
  add(round: Round): ComparedRound<Round>[];
  /** What is left when there are no more rounds: a reward that still waits for work has no worth yet. */
  end(): ComparedRound<Round>[];
}

/** What a reward is split over: undefined while that is open, null when it cannot be known or is nothing. */
type Payee = WorkByUser | null | undefined;

interface Pending<Round> {
  readonly round: Round;
  readonly payees: Record<Side, Payee>;
}
type Side = 'counters' | 'share_logs';
const sides: readonly Side[] = ['counters', 'share_logs'];

export function compareRounds<Round extends CountedRound>(): RoundComparison<Round> {
  const queue: Pending<Round>[] = [];
  /** The work since the last block in the chain; null where a part of it is not known. */
  const since: Record<Side, WorkByUser | null> = { counters: new Map(), share_logs: new Map() };
  const waiting: Record<Side, Pending<Round>[]> = { counters: [], share_logs: [] };

  function settle(side: Side, pending: Pending<Round>): void {
    const { round, payees } = pending;
    since[side] = sumOf(since[side], round.is_paid ? round[side] : new Map());
    if (!round.active) {
      payees[side] = null;
      return;
    }
    waiting[side].push(pending);
    const work = since[side];
    since[side] = new Map();
    if (work && totalOf(work) === 0n) return;
    for (const each of waiting[side].splice(0)) each.payees[side] = work;
  }

  return {
    add(round) {
      const pending: Pending<Round> = { round, payees: { counters: undefined, share_logs: undefined } };
      queue.push(pending);
      for (const side of sides) settle(side, pending);
      const open = queue.findIndex(({ payees }) => sides.some((side) => payees[side] === undefined));
      return queue.splice(0, open < 0 ? queue.length : open).map(compared);
    },
    end: () => queue.splice(0).map(compared),
  };
}

function sumOf(before: WorkByUser | null, more: WorkByUser | null): WorkByUser | null {
  if (!before || !more) return null;
  if (before.size === 0) return more;
  const sums = new Map(before);
  for (const [user, work] of more) sums.set(user, ((sums.get(user) ?? 0n) + work) as Shares);
  return sums;
}

function compared<Round extends CountedRound>({ round, payees }: Pending<Round>): ComparedRound<Round> {
  const { hash, reward_sats, counters, share_logs } = round;
  const parts = { counters: split(whole_ppm, counters, hash), share_logs: split(whole_ppm, share_logs, hash) };
  const worth = {
    counters: split(reward_sats, payees.counters, hash), share_logs: split(reward_sats, payees.share_logs, hash),
  };
  const names = new Set([counters, share_logs, worth.counters, worth.share_logs].flatMap((map) => [...map?.keys() ?? []]));
  const users = [...names].map((user): UserComparison => {
    const of = (map: ReadonlyMap<NameBytes, bigint> | null) => (map ? map.get(user) ?? 0n : null);
    const counters_ppm = of(parts.counters);
    const share_logs_ppm = of(parts.share_logs);
    const counters_sats = of(worth.counters);
    const share_logs_sats = of(worth.share_logs);
    return {
      user, counters: counters.get(user) ?? 0n, share_logs: of(share_logs),
      counters_ppm, share_logs_ppm, points_ppm: difference(share_logs_ppm, counters_ppm),
      counters_sats, share_logs_sats, gain_sats: difference(share_logs_sats, counters_sats),
    };
  }).sort(byWork);
  return {
    round, users,
    counters_total: totalOf(counters),
    share_logs_total: share_logs && totalOf(share_logs),
    largest: users.reduce<UserComparison | null>(furtherOff, null),
    moved_sats: worth.counters && worth.share_logs && users.reduce((sum, { gain_sats }) => sum + above(gain_sats), 0n),
  };
}

const difference = (more: bigint | null, less: bigint | null): bigint | null =>
  more === null || less === null ? null : more - less;
const above = (value: bigint | null): bigint => (value !== null && value > 0n ? value : 0n);
const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);

const byWork = (a: UserComparison, b: UserComparison): number =>
  sign((b.share_logs ?? b.counters) - (a.share_logs ?? a.counters)) || sign(b.counters - a.counters)
  || (a.user < b.user ? -1 : 1);
const sign = (value: bigint): number => (value > 0n ? 1 : value < 0n ? -1 : 0);

function furtherOff(found: UserComparison | null, next: UserComparison): UserComparison | null {
  if (next.points_ppm === null) return found;
  const further = found === null || magnitude(next.points_ppm) > magnitude(found.points_ppm!);
  return further ? next : found;
}

export function totalOf(work: WorkByUser): bigint {
  let total = 0n;
  for (const shares of work.values()) total += shares;
  return total;
}

/**
 * `amount` in proportion to work, by the rule of payments: whole units, and the few that remain to the largest
 * fractions, between equal ones to the smallest SHA-256 of (block hash, user name). Null where there is no work.
 */
export function split(amount: bigint, work: Payee, hash: BlockHash): ReadonlyMap<NameBytes, Satoshis> | null {
  const total = work ? totalOf(work) : 0n;
  if (!work || total === 0n) return null;
  const parts = new Map<NameBytes, Satoshis>();
  const fractions: { user: NameBytes; fraction: bigint; key: string }[] = [];
  let left = amount;
  for (const [user, shares] of work) {
    const part = (amount * shares) / total;
    parts.set(user, satoshis(part));
    fractions.push({ user, fraction: amount * shares - part * total, key: '' });
    left -= part;
  }
  // Keys are only needed between equal fractions; made for all of them, they would be most of the work.
  const keyOf = (one: (typeof fractions)[number]) => (one.key ||= tieKey(hash, one.user));
  fractions.sort((a, b) => sign(b.fraction - a.fraction) || (keyOf(a) < keyOf(b) ? -1 : 1));
  for (const { user } of fractions.slice(0, Number(left))) parts.set(user, satoshis(parts.get(user)! + 1n));
  return parts;
}

const tieKey = (hash: BlockHash, user: NameBytes): string =>
  createHash('sha256').update(Buffer.from(hash, 'hex')).update(nameToBuffer(user)).digest('hex');

/** Millionths as percent or points, always four decimals: "12.3456", "-0.0001". */
export function formatPercent(ppm: bigint): string {
  const size = magnitude(ppm);
  return `${ppm < 0n ? '-' : ''}${size / 10_000n}.${(size % 10_000n).toString().padStart(4, '0')}`;
}
