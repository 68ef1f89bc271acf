// The demo's own checks can fail: each is given evidence in which one thing is wrong.
import { describe, expect, it } from 'vitest';
import { parseCoins } from '../../shared/amount.js';
import { blockHash, satoshis } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { ownChecks, type Evidence } from './check.js';
import { expectedEarnings } from './expected-earnings.js';
import type { Miner, Solve } from './mining.js';

const name = (text: string) => text as NameBytes;
const counts = (ann: bigint, ben: bigint) => new Map([[name('ann'), ann], [name('ben'), ben]]);
const solve = (digit: string, height: number, ann: bigint, ben: bigint): Solve =>
  ({ hash: blockHash(digit.repeat(64)), height, worker: name('ann'), counts: counts(ann, ben) });
const solves = [solve('1', 11, 30n, 10n), solve('2', 12, 60n, 10n), solve('3', 13, 60n, 40n)];
const [first, orphan, third] = solves as [Solve, Solve, Solve];
const rewards = new Map([[first.hash, parseCoins('50')], [third.hash, parseCoins('50')]]);
const miner = (user: string, address: string | null): Miner =>
  ({ name: user, user: name(user), address, workers: [name(user)], shares_per_minute: 1 });
const settled = (height: number, hash: string, state: string) => ({
  height, hash, state, reward: '50.00000000', round_shares: '1', carried_in: '0', carried_out: '0',
  pool_fee: state === 'orphaned' ? '0' : '0.50000000', credited: state === 'orphaned' ? '0' : '49.50000000',
});

/** Ann earns 37.125 of the first block and 24.75 of the third, in whose round the orphan's work counts. */
const sound: Evidence = {
  miners: [miner('ann', 'A'), miner('ben', null)],
  solves, orphan,
  killed: { batch: 1, state: 'prepared', txid: 'aa' },
  expected: expectedEarnings(solves, rewards, 10_000n),
  chain: {
    rewards, spends: new Map([['aa', 114]]), paid: new Map([['A', parseCoins('61.874')]]),
    network_fees: parseCoins('0.001'), left: parseCoins('38.125'), tip: 120,
  },
  received: new Map([['A', parseCoins('61.874')]]),
  snapshots: new Map(solves.map(({ hash, counts: at }) => [hash, {
    quality: 'exact', shares: [...at].map(([user, count]) => ({ user, count: String(count), difference: '0' })),
  }])),
  found: [
    ...solves.map(({ hash, height }) => ({ height, hash, finder: 'ann', state: 'confirmed', active: true, reward: '50' })),
    { height: 14, hash: null, finder: 'mallory', state: 'unverified', active: null, reward: null },
  ],
  settled: [settled(11, first.hash, 'credited'), settled(12, orphan.hash, 'orphaned'), settled(13, third.hash, 'credited')],
  balances: [
    { user: 'ann', address: 'A', earned: '61.875', paid: '61.874', network_fee: '0.001', reserved: '0', balance: '0', state: 'below_threshold' },
    { user: 'ben', address: null, earned: '37.125', paid: '0', network_fee: '0', reserved: '0', balance: '37.125', state: 'quarantined' },
  ],
  payouts: [{ id: 1, state: 'final', txid: 'aa', network_fee: '0.001', outputs: [{ address: 'A', amount: '61.874', users: ['ann'] }] }],
};

const failing = (change: Partial<Evidence>): string[] =>
  ownChecks({ ...sound, ...change }).filter(({ ok }) => !ok).map((check) => check.name);

describe("the demo's own checks", () => {
  it('hold when everything is right', () => {
    expect(failing({})).toEqual([]);
  });

  const [ann, ben] = sound.balances as [Evidence['balances'][number], Evidence['balances'][number]];
  const [payout] = sound.payouts as [Evidence['payouts'][number]];
  it.each<[what: string, change: Partial<Evidence>, check: string]>([
    ['a block is recorded twice', { found: [...sound.found, sound.found[0]!] }, 'every block found is recorded once'],
    ['a share is missing at a block', { snapshots: new Map([...sound.snapshots, [first.hash, { ...sound.snapshots.get(first.hash)!, shares: [{ user: 'ann', count: '29', difference: '29' }, { user: 'ben', count: '10', difference: '10' }] }]]) }, 'every round is exact to the share'],
    ['a user is missing at a block', { snapshots: new Map([...sound.snapshots, [first.hash, { quality: 'exact', shares: [{ user: 'ann', count: '30', difference: '30' }] }]]) }, 'every round is exact to the share'],
    ['a block has no counts', { snapshots: new Map() }, 'every round is exact to the share'],
    ['a block was counted by counters after all', { snapshots: new Map([...sound.snapshots, [third.hash, { ...sound.snapshots.get(third.hash)!, quality: 'minute' }]]) }, 'every round is exact to the share'],
    ['a forged line is confirmed', { found: sound.found.map((block) => ({ ...block, state: 'confirmed' })) }, "a forged block line is nobody's block"],
    ['somebody earned a satoshi too much', { balances: [{ ...ann, earned: '61.87500003' }, ben] }, 'everyone earned by the shares'],
    ['the pool kept less than its fee', { settled: sound.settled.map((block) => ({ ...block, pool_fee: '0' })) }, 'everyone earned by the shares'],
    ['the wallet has less than was paid', { received: new Map() }, 'everyone got what the ledger says was paid'],
    ['a miner was paid twice', { chain: { ...sound.chain, paid: new Map([['A', parseCoins('123.748')]]) } }, 'everyone got what the ledger says was paid'],
    ['a second transaction spends the pool\'s coins', { chain: { ...sound.chain, spends: new Map([['aa', 114], ['bb', 115]]) } }, 'every payout is in the chain once, and nothing else is'],
    ['nobody was paid', { payouts: [] }, 'every payout is in the chain once, and nothing else is'],
    ['the orphan was credited', { settled: sound.settled.map((block) => ({ ...block, state: 'credited' })) }, 'the orphan paid nobody'],
    ['the interrupted payout was signed anew', { payouts: [{ ...payout, txid: 'bb' }] }, 'the payout at which payments was killed was paid once'],
    ['a satoshi is missing', { chain: { ...sound.chain, left: satoshis(sound.chain.left - 1n) } }, 'no satoshi is missing'],
  ])('fail when %s', (_, change, check) => {
    expect(failing(change)).toContain(check);
  });
});
