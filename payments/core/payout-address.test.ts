import { describe, expect, it } from 'vitest';
import type { NameBytes } from '../../shared/username.js';
import { addressText, decideAddress } from './payout-address.js';

const pool_script = `0014${'aa'.repeat(20)}`;
const script = `0014${'bb'.repeat(20)}`;
const valid = { valid: true, script, witness_version: 0 };

describe('a name that is an address is paid', () => {
  it.each([
    ['bech32', { valid: true, script, witness_version: 0 }],
    ['bech32 of a script', { valid: true, script: `0020${'bb'.repeat(32)}`, witness_version: 0 }],
    ['old style', { valid: true, script: `76a914${'bb'.repeat(20)}88ac`, witness_version: null }],
    ['old style script', { valid: true, script: `a914${'bb'.repeat(20)}87`, witness_version: null }],
  ])('%s', (_, facts) => {
    expect(decideAddress('name', facts, false, pool_script)).toMatchObject({ state: 'payable', script: facts.script });
  });
});

describe('fault 37: a name that must not be paid keeps its balance and says why (D-12)', () => {
  it.each([
    ['no address', 'bob', { valid: false, script: null, witness_version: null }, false, /not an address/],
    ['bytes that no address has', null, null, false, /bytes/],
    ['an unknown witness version', 'a', { valid: true, script: `5120${'bb'.repeat(32)}`, witness_version: 1 }, false, /version 1/],
    ['a script of an unknown form', 'a', { valid: true, script: '51', witness_version: null }, false, /form/],
    ['the pool itself', 'a', { ...valid, script: pool_script }, false, /pool's own/],
    ['another address of the own wallet', 'a', valid, true, /own wallet/],
  ])('%s', (_, address, facts, is_mine, reason) => {
    const decision = decideAddress(address, facts, is_mine, pool_script);
    expect(decision.state).toBe('quarantined');
    expect(decision.reason).toMatch(reason);
  });
});

it('asks the node of no name with spaces, escapes, backslashes or bytes above 7f', () => {
  for (const name of ['a b', 'a\x1b[2J', 'a\\x41', 'caf\xe9', 'a\nb', 'a\0']) expect(addressText(name as NameBytes)).toBeNull();
  expect(addressText('1BoatSLRHtKNngkdXEeobR76b53LETtpyT' as NameBytes)).toBe('1BoatSLRHtKNngkdXEeobR76b53LETtpyT');
});
