// The demo's own checks, beside the audit of payments: what the miners did and what the chain shows, against
// what the daemons say. Values in, verdicts out.
import { formatCoins, parseCoins, sumSatoshis } from '../../shared/amount.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import type { Balances, Check, FoundBlocks, Payouts, SettledBlocks, Snapshot } from './answers.js';
import type { ChainAudit } from './chain-audit.js';
import type { ExpectedEarnings } from './expected-earnings.js';
import type { KilledPayout } from './kill-while-paying.js';
import type { Miner, Solve } from './mining.js';

export interface Evidence {
  readonly miners: readonly Miner[];
  readonly solves: readonly Solve[];
  readonly orphan: Solve;
  readonly killed: KilledPayout;
  readonly expected: ExpectedEarnings;
  readonly chain: ChainAudit;
  /** By address, as the miners' own wallet counts it. */
  readonly received: ReadonlyMap<string, Satoshis>;
  readonly found: FoundBlocks;
  /** What accounting counts at each block of `solves`, by hash. */
  readonly snapshots: ReadonlyMap<string, Snapshot>;
  readonly settled: SettledBlocks;
  readonly balances: Balances;
  readonly payouts: Payouts;
}

const nothing = satoshis(0n);
const total = (amounts: readonly string[]): Satoshis => sumSatoshis(amounts.map(parseCoins));

type Faults = (evidence: Evidence) => string[];

/** A check holds when nothing speaks against it; `held` says then what was looked at. */
export function ownChecks(evidence: Evidence): Check[] {
  const { solves, expected, payouts, orphan, killed, chain } = evidence;
  const check = (name: string, faultsOf: Faults, held: string): Check => {
    const faults = faultsOf(evidence);
    return { name, ok: faults.length === 0, detail: faults.length === 0 ? held : faults.join('; ') };
  };
  return [
    check('every block found is recorded once', blocksRecorded,
      `${solves.length} blocks, with their real hashes`),
    check('every round is exact to the share', countsAtBlocks,
      `at ${solves.length} blocks the accepted shares up to the solving one, itself included`),
    check("a forged block line is nobody's block", forgedUnverified, 'unverified, and no money moved for it'),
    check('everyone earned by the shares', earnedByShares,
      `${expected.rounds} rounds, counted again from what the miners did`),
    check('everyone got what the ledger says was paid', receivedAsPaid,
      "as the miners' own wallet counts it"),
    check('every payout is in the chain once, and nothing else is', payoutsInChain,
      `${payouts.length} transactions spend the pool's coins`),
    check('the orphan paid nobody', orphanPaidNobody,
      `block ${orphan.height}; its work counted in the next round`),
    check('the payout at which payments was killed was paid once', killedPaidOnce,
      `payout ${killed.batch}: the transaction that was signed before the kill`),
    check('no satoshi is missing', nothingMissing,
      `rewards = paid + network fees + the ${formatCoins(chain.left)} that the pool still holds`),
  ];
}

function blocksRecorded({ solves, found, settled }: Evidence): string[] {
  const faults = solves.flatMap(({ hash, height, worker }) => {
    const recorded = found.filter((block) => block.hash === hash);
    const right =
      recorded.length === 1 && recorded[0]!.state === 'confirmed' && recorded[0]!.finder === worker;
    if (right) return [];
    return [
      `block ${height} ${hash} is recorded ${recorded.length} times, `
        + `finder ${recorded[0]?.finder ?? 'unknown'}`,
    ];
  });
  const known = found.filter(({ state }) => state !== 'unverified').length;
  if (known !== solves.length) faults.push(`${known} blocks are recorded, ${solves.length} were found`);
  if (settled.length !== solves.length) {
    faults.push(`${settled.length} blocks are settled, ${solves.length} were found`);
  }
  return faults;
}

function countsAtBlocks({ miners, solves, snapshots }: Evidence): string[] {
  return solves.flatMap(({ hash, height, counts }) => {
    const snapshot = snapshots.get(hash);
    if (snapshot === undefined) return [`accounting has no counts at block ${height}`];
    const faults = snapshot.quality !== 'exact'
      ? [`the counts at block ${height} are called "${snapshot.quality}"`]
      : [];
    for (const { name, user } of miners) {
      const counted = snapshot.shares.find((line) => line.user === user)?.count ?? '0';
      const should = counts.get(user) ?? 0n;
      if (counted !== should.toString()) {
        faults.push(`${name} has ${counted} shares at block ${height}, it should be ${should}`);
      }
    }
    return faults;
  });
}

function forgedUnverified({ found, settled }: Evidence): string[] {
  const forged = found.filter(({ state }) => state === 'unverified');
  if (forged.length !== 1) return [`${forged.length} block lines are unverified, one was forged`];
  return settled.some(({ height }) => height === forged[0]!.height)
    ? [`block ${forged[0]!.height} was settled`]
    : [];
}

function earnedByShares({ miners, expected, balances, settled }: Evidence): string[] {
  const faults = miners.flatMap(({ name, user }) => {
    const earned = parseCoins(balances.find((line) => line.user === user)?.earned ?? '0');
    const difference = earned - (expected.earned.get(user) ?? 0n);
    if (difference >= 0n && difference <= BigInt(expected.rounds)) return [];
    const should = formatCoins(expected.earned.get(user) ?? nothing);
    return [`${name} was credited ${formatCoins(earned)}, the shares say ${should}`];
  });
  const pool_fee = total(settled.map((block) => block.pool_fee));
  if (pool_fee !== expected.pool_fee) {
    faults.push(`the pool fee is ${formatCoins(pool_fee)}, it should be ${formatCoins(expected.pool_fee)}`);
  }
  return faults;
}

function receivedAsPaid({ miners, balances, received, chain }: Evidence): string[] {
  return miners.flatMap(({ name, user, address }) => {
    const paid = parseCoins(balances.find((line) => line.user === user)?.paid ?? '0');
    const in_wallet = address === null ? nothing : received.get(address) ?? nothing;
    const in_chain = address === null ? nothing : chain.paid.get(address) ?? nothing;
    if (paid === in_wallet && paid === in_chain) return [];
    return [`${name} was paid ${formatCoins(paid)} by the ledger, the wallet has ${formatCoins(in_wallet)}, `
      + `the chain ${formatCoins(in_chain)}`];
  });
}

function payoutsInChain({ payouts, chain, miners }: Evidence): string[] {
  const known = new Set(payouts.map(({ txid }) => txid));
  const addresses = new Set(miners.map(({ address }) => address));
  const faults = payouts.length === 0 ? ['nobody was paid'] : [];
  for (const { id, state, txid } of payouts) {
    if (txid === null || !chain.spends.has(txid)) faults.push(`payout ${id} (${state}) is not in the chain`);
  }
  for (const txid of chain.spends.keys()) {
    if (!known.has(txid)) faults.push(`${txid} spends the pool's coins and is no payout`);
  }
  for (const address of chain.paid.keys()) {
    if (!addresses.has(address)) faults.push(`${address} was paid and is no miner`);
  }
  return faults;
}

function orphanPaidNobody({ orphan, settled, chain }: Evidence): string[] {
  const line = settled.find(({ hash }) => hash === orphan.hash);
  const faults = chain.rewards.has(orphan.hash) ? [`block ${orphan.height} is in the chain after all`] : [];
  if (line?.state !== 'orphaned' || parseCoins(line.credited) !== 0n) {
    faults.push(`block ${orphan.height} is ${line?.state ?? 'unknown'}, credited ${line?.credited ?? '-'}`);
  }
  return faults;
}

function killedPaidOnce({ killed, payouts, chain }: Evidence): string[] {
  const line = payouts.find(({ id }) => id === killed.batch);
  const right = line?.state === 'final' && line.txid === killed.txid && chain.spends.has(killed.txid);
  if (right) return [];
  return [
    `payout ${killed.batch} had transaction ${killed.txid}, `
      + `it is ${line?.state ?? 'gone'} with ${line?.txid ?? 'none'}`,
  ];
}

function nothingMissing({ chain, balances, settled, payouts }: Evidence): string[] {
  const rewards = sumSatoshis(chain.rewards.values());
  const paid = sumSatoshis(chain.paid.values());
  const owed = total(balances.flatMap(({ balance, reserved }) => [balance, reserved]));
  const carried =
    total(settled.map(({ carried_out }) => carried_out))
    - total(settled.map(({ carried_in }) => carried_in));
  const pool_fee = total(settled.map((block) => block.pool_fee));
  const kept = satoshis(owed + carried + pool_fee);
  const gone = satoshis(paid + chain.network_fees + chain.left);
  const faults: string[] = [];
  if (rewards !== gone) {
    faults.push(`the chain pays ${formatCoins(rewards)} in and shows ${formatCoins(gone)}`);
  }
  if (chain.left !== kept) {
    faults.push(`the pool holds ${formatCoins(chain.left)}, the ledger says ${formatCoins(kept)}`);
  }
  if (total(payouts.map(({ network_fee }) => network_fee)) !== chain.network_fees) {
    faults.push('the network fees of the ledger are not those of the chain');
  }
  return faults;
}
