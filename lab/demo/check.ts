// The demo's own checks, beside the audit of payments: what the miners did and what the chain shows, against
// what the daemons say. Values in, verdicts out.
import { formatCoins, parseCoins, sumSatoshis } from '../../shared/amount.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import type { Balances, Check, FoundBlocks, Payouts, SettledBlocks } from './answers.js';
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
  readonly settled: SettledBlocks;
  readonly balances: Balances;
  readonly payouts: Payouts;
}

const nothing = satoshis(0n);
const total = (amounts: readonly string[]): Satoshis => sumSatoshis(amounts.map(parseCoins));

export function ownChecks(evidence: Evidence): Check[] {
  const checks: readonly [name: string, faults: (evidence: Evidence) => string[], held: string][] = [
    ['every block found is recorded once', blocksRecorded, `${evidence.solves.length} blocks, with their real hashes`],
    ['a forged block line is nobody\'s block', forgedUnverified, 'unverified, and no money moved for it'],
    ['everyone earned by the shares', earnedByShares, `${evidence.expected.rounds} rounds, counted again from what the miners did`],
    ['everyone got what the ledger says was paid', receivedAsPaid, 'as the miners\' own wallet counts it'],
    ['every payout is in the chain once, and nothing else is', payoutsInChain, `${evidence.payouts.length} transactions spend the pool's coins`],
    ['the orphan paid nobody', orphanPaidNobody, `block ${evidence.orphan.height}; its work counted in the next round`],
    ['the payout at which payments was killed was paid once', killedPaidOnce, `payout ${evidence.killed.batch}: the transaction that was signed before the kill`],
    ['no satoshi is missing', nothingMissing, `rewards = paid + network fees + the ${formatCoins(evidence.chain.left)} that the pool still holds`],
  ];
  return checks.map(([name, faults, held]) => {
    const found = faults(evidence);
    return { name, ok: found.length === 0, detail: found.length === 0 ? held : found.join('; ') };
  });
}

function blocksRecorded({ solves, found, settled }: Evidence): string[] {
  const faults = solves.flatMap(({ hash, height, worker }) => {
    const recorded = found.filter((block) => block.hash === hash);
    const right = recorded.length === 1 && recorded[0]!.state === 'confirmed' && recorded[0]!.finder === worker;
    return right ? [] : [`block ${height} ${hash} is recorded ${recorded.length} times, finder ${recorded[0]?.finder ?? 'unknown'}`];
  });
  const known = found.filter(({ state }) => state !== 'unverified').length;
  if (known !== solves.length) faults.push(`${known} blocks are recorded, ${solves.length} were found`);
  if (settled.length !== solves.length) faults.push(`${settled.length} blocks are settled, ${solves.length} were found`);
  return faults;
}

function forgedUnverified({ found, settled }: Evidence): string[] {
  const forged = found.filter(({ state }) => state === 'unverified');
  if (forged.length !== 1) return [`${forged.length} block lines are unverified, one was forged`];
  return settled.some(({ height }) => height === forged[0]!.height) ? [`block ${forged[0]!.height} was settled`] : [];
}

function earnedByShares({ miners, expected, balances, settled }: Evidence): string[] {
  const faults = miners.flatMap(({ name, user }) => {
    const earned = parseCoins(balances.find((line) => line.user === user)?.earned ?? '0');
    const difference = earned - (expected.earned.get(user) ?? 0n);
    return difference >= 0n && difference <= BigInt(expected.rounds) ? []
      : [`${name} was credited ${formatCoins(earned)}, the shares say ${formatCoins(expected.earned.get(user) ?? nothing)}`];
  });
  const pool_fee = total(settled.map((block) => block.pool_fee));
  if (pool_fee !== expected.pool_fee) faults.push(`the pool fee is ${formatCoins(pool_fee)}, it should be ${formatCoins(expected.pool_fee)}`);
  return faults;
}

function receivedAsPaid({ miners, balances, received, chain }: Evidence): string[] {
  return miners.flatMap(({ name, user, address }) => {
    const paid = parseCoins(balances.find((line) => line.user === user)?.paid ?? '0');
    const in_wallet = address === null ? nothing : received.get(address) ?? nothing;
    const in_chain = address === null ? nothing : chain.paid.get(address) ?? nothing;
    return paid === in_wallet && paid === in_chain ? []
      : [`${name} was paid ${formatCoins(paid)} by the ledger, the wallet has ${formatCoins(in_wallet)}, the chain ${formatCoins(in_chain)}`];
  });
}

function payoutsInChain({ payouts, chain, miners }: Evidence): string[] {
  const known = new Set(payouts.map(({ txid }) => txid));
  const addresses = new Set(miners.map(({ address }) => address));
  return [
    ...payouts.filter(({ txid }) => txid === null || !chain.spends.has(txid)).map(({ id, state }) => `payout ${id} (${state}) is not in the chain`),
    ...[...chain.spends.keys()].filter((txid) => !known.has(txid)).map((txid) => `${txid} spends the pool's coins and is no payout`),
    ...[...chain.paid.keys()].filter((address) => !addresses.has(address)).map((address) => `${address} was paid and is no miner`),
    ...(payouts.length === 0 ? ['nobody was paid'] : []),
  ];
}

function orphanPaidNobody({ orphan, settled, chain }: Evidence): string[] {
  const line = settled.find(({ hash }) => hash === orphan.hash);
  return [
    ...(line?.state === 'orphaned' && parseCoins(line.credited) === 0n ? [] : [`block ${orphan.height} is ${line?.state ?? 'unknown'}, credited ${line?.credited ?? '-'}`]),
    ...(chain.rewards.has(orphan.hash) ? [`block ${orphan.height} is in the chain after all`] : []),
  ];
}

function killedPaidOnce({ killed, payouts, chain }: Evidence): string[] {
  const line = payouts.find(({ id }) => id === killed.batch);
  const right = line?.state === 'final' && line.txid === killed.txid && chain.spends.has(killed.txid);
  return right ? [] : [`payout ${killed.batch} had transaction ${killed.txid}, it is ${line?.state ?? 'gone'} with ${line?.txid ?? 'none'}`];
}

function nothingMissing({ chain, balances, settled, payouts }: Evidence): string[] {
  const rewards = sumSatoshis(chain.rewards.values());
  const paid = sumSatoshis(chain.paid.values());
  const owed = total(balances.flatMap(({ balance, reserved }) => [balance, reserved]));
  const carried = total(settled.map(({ carried_out }) => carried_out)) - total(settled.map(({ carried_in }) => carried_in));
  const pool_fee = total(settled.map((block) => block.pool_fee));
  const kept = satoshis(owed + carried + pool_fee);
  return [
    ...(rewards === paid + chain.network_fees + chain.left ? [] : [`the chain pays ${formatCoins(rewards)} in and shows ${formatCoins(satoshis(paid + chain.network_fees + chain.left))}`]),
    ...(chain.left === kept ? [] : [`the pool holds ${formatCoins(chain.left)}, the ledger says ${formatCoins(kept)}`]),
    ...(total(payouts.map(({ network_fee }) => network_fee)) === chain.network_fees ? [] : ['the network fees of the ledger are not those of the chain']),
  ];
}
