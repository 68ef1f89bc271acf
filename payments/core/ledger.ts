// The ledger's language: accounts, events that sum to zero, and what each decision posts. The balance of an
// account is the sum of its entries and nothing else. Signs: what came in from blocks is negative on
// `coinbase`; what is owed, promised, paid or kept is positive.
import { invariant } from '../../shared/errors.js';
import { satoshis, type Satoshis } from '../../shared/units.js';

export type LedgerAccount =
  | 'coinbase' | 'miner' | 'reserved' | 'paid' | 'network_fee' | 'pool_fee' | 'carry' | 'orphan_loss';
export type LedgerEventKind = 'settle' | 'reserve' | 'release' | 'pay' | 'reverse';

export interface LedgerEntry {
  readonly account: LedgerAccount;
  /** null on the accounts of the pool itself. */
  readonly user_id: number | null;
  readonly amount_sats: Satoshis;
}

/**
 * One entry for each account and user, zero amounts left out (the schema refuses both).
 * @throws InvariantBroken when the entries do not sum to zero: no such event may reach the ledger.
 */
export function balancedEntries(entries: readonly LedgerEntry[]): LedgerEntry[] {
  const net = new Map<string, LedgerEntry>();
  let total = 0n;
  for (const entry of entries) {
    total += entry.amount_sats;
    const key = `${entry.account} ${entry.user_id ?? ''}`;
    const amount_sats = satoshis((net.get(key)?.amount_sats ?? 0n) + entry.amount_sats);
    net.set(key, { ...entry, amount_sats });
  }
  invariant(
    total === 0n,
    `A ledger event must sum to zero and this one sums to ${total} satoshis; nothing was posted.`,
  );
  return [...net.values()].filter((entry) => entry.amount_sats !== 0n);
}

export interface SettledAmounts {
  readonly reward_sats: Satoshis;
  readonly pool_fee_sats: Satoshis;
  readonly carried_in_sats: Satoshis;
  readonly carried_out_sats: Satoshis;
  readonly credits: readonly { readonly user_id: number; readonly amount_sats: Satoshis }[];
}

/** A block is settled: reward + carried in = credits + pool fee + carried out. */
export function settleEntries(round: SettledAmounts): LedgerEntry[] {
  return balancedEntries([
    pool('coinbase', 0n - round.reward_sats),
    pool('pool_fee', round.pool_fee_sats),
    pool('carry', round.carried_out_sats - round.carried_in_sats),
    ...round.credits.map(({ user_id, amount_sats }) => ({ account: 'miner' as const, user_id, amount_sats })),
  ]);
}

/** What an account holds now, for taking back from it what a lost block had given. */
export interface BalancesNow {
  readonly miner: ReadonlyMap<number, Satoshis>;
  readonly pool_fee_sats: Satoshis;
  readonly carry_sats: Satoshis;
}

/**
 * A block left the chain after its credit. `given` are the entries that stand for it. From each account that
 * was given something, as much is taken back as it still holds; what has been paid on or promised already
 * becomes the pool's `orphan_loss`. What had been taken (the carry) is given back whole.
 */
export function reverseEntries(given: readonly LedgerEntry[], now: BalancesNow): LedgerEntry[] {
  const entries: LedgerEntry[] = [];
  let loss = 0n;
  for (const entry of given) {
    if (entry.amount_sats <= 0n) {
      entries.push({ ...entry, amount_sats: satoshis(0n - entry.amount_sats) });
      continue;
    }
    const taken = atMost(entry.amount_sats, holds(entry, now));
    entries.push({ ...entry, amount_sats: satoshis(-taken) });
    loss += entry.amount_sats - taken;
  }
  return balancedEntries([...entries, pool('orphan_loss', -loss)]);
}

/**
 * A lost block is in the active chain again: what is missing of its settlement is given back. A carry
 * that the reversal gave back may have gone to another round since; what of it is gone is the pool's
 * `orphan_loss`, so that the carry never falls below zero.
 */
export function restoreEntries(
  settled: readonly LedgerEntry[], net: readonly LedgerEntry[], carry_sats: Satoshis,
): LedgerEntry[] {
  const back = balancedEntries([
    ...settled,
    ...net.map((entry) => ({ ...entry, amount_sats: satoshis(0n - entry.amount_sats) })),
  ]);
  const taken = back.reduce(
    (sum, { account, amount_sats }) => (account === 'carry' ? sum - amount_sats : sum),
    0n,
  );
  const gone = taken > 0n ? taken - atMost(taken, carry_sats) : 0n;
  return balancedEntries([...back, pool('carry', gone), pool('orphan_loss', -gone)]);
}

/**
 * A payout that was promised before its users' block was lost is given up: what the loss could not take
 * then, because it was promised, is taken now, as far as the balances go. `net` is what is left of the
 * lost round.
 */
export function recoverEntries(
  net: readonly LedgerEntry[],
  balances: ReadonlyMap<number, Satoshis>,
): LedgerEntry[] {
  const taken = net.flatMap((entry): LedgerEntry[] => {
    const held = entry.account === 'miner' && entry.user_id !== null ? balances.get(entry.user_id) ?? 0n : 0n;
    return [
      {
        ...entry,
        amount_sats: satoshis(0n - atMost(entry.amount_sats > 0n ? entry.amount_sats : 0n, held)),
      },
    ];
  }).filter(({ amount_sats }) => amount_sats !== 0n);
  const recovered = taken.reduce((sum, { amount_sats }) => sum - amount_sats, 0n);
  return balancedEntries([...taken, pool('orphan_loss', recovered)]);
}

function holds(entry: LedgerEntry, now: BalancesNow): bigint {
  if (entry.account === 'miner') return now.miner.get(entry.user_id ?? 0) ?? 0n;
  if (entry.account === 'pool_fee') return now.pool_fee_sats;
  if (entry.account === 'carry') return now.carry_sats;
  // Only what an earlier reversal had lost and a return of the block has made good stands here.
  return entry.amount_sats;
}

function atMost(amount: bigint, held: bigint): bigint {
  if (held <= 0n) return 0n;
  return amount < held ? amount : held;
}

const pool = (account: LedgerAccount, amount: bigint): LedgerEntry =>
  ({ account, user_id: null, amount_sats: satoshis(amount) });
