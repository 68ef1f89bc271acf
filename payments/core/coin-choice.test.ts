import { describe, expect, it } from 'vitest';
import type { UnspentOutput } from '../../shared/bitcoind/node.js';
import { satoshis, transactionId } from '../../shared/units.js';
import { isOurs, oldestFirst } from './coin-choice.js';

const pool_script = `0014${'ff'.repeat(20)}`;
const coinbase = transactionId('a'.repeat(64));
const payout = transactionId('b'.repeat(64));
const known = {
  pool_script, coinbases: new Set<string>([coinbase]), own_change: new Set([`${payout}:1`]), promised: new Set([`${coinbase}:9`]),
};
const coin: UnspentOutput = { txid: coinbase, index: 0, amount: satoshis(1n), script: pool_script, confirmations: 101, coinbase: true };

describe('coins that payments spends', () => {
  it.each([
    ['a coinbase of a credited round, 100 blocks under the tip', coin],
    ['our own confirmed change', { ...coin, txid: payout, index: 1, coinbase: false, confirmations: 1 }],
  ])('%s', (_, one) => { expect(isOurs(one, known)).toBe(true); });
});

describe('coins that payments never spends', () => {
  it.each([
    ['a coinbase that is one block too young', { ...coin, confirmations: 100 }],
    ['the coinbase of a round that is not credited', { ...coin, txid: transactionId('c'.repeat(64)) }],
    ['another output of that coinbase', { ...coin, script: `0014${'00'.repeat(20)}` }],
    ['a coin that a transaction of ours spends', { ...coin, index: 9 }],
    ["the operator's own money on the pool's address", { ...coin, txid: transactionId('d'.repeat(64)), coinbase: false }],
    ['change that is not confirmed', { ...coin, txid: payout, index: 1, coinbase: false, confirmations: 0 }],
    ["a payee's output of our own payout", { ...coin, txid: payout, index: 0, coinbase: false }],
  ])('%s', (_, one) => { expect(isOurs(one, known)).toBe(false); });
});

it('the oldest coins go first, whatever order the wallet lists them in', () => {
  const coins = [101, 300, 200].map((confirmations, position) =>
    ({ txid: transactionId(String(position).repeat(64)), index: 0, amount: satoshis(1n), confirmations }));
  expect(oldestFirst(coins).map(({ confirmations }) => confirmations)).toEqual([300, 200, 101]);
  expect(oldestFirst([...coins].reverse())).toEqual(oldestFirst(coins));
});
