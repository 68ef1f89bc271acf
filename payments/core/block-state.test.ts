import { describe, expect, it } from 'vitest';
import { blockHash, blockHeight } from '../../shared/units.js';
import { correction, notDueBecause, standing, type ChainView } from './block-state.js';

const ours = blockHash('0a'.repeat(32));
const other = blockHash('0b'.repeat(32));
const view = (change: Partial<ChainView> = {}): ChainView =>
  ({ tip_height: blockHeight(300), synced: true, complete_height: blockHeight(300), complete_in_chain: true, ...change });

describe('a block is due', () => {
  it.each([
    ['at exactly its maturity', 200, view(), true],
    ['not one block earlier (D-36)', 201, view(), false],
    ['not while the chain is shorter than its maturity (D-36)', 50, view({ tip_height: blockHeight(60) }), false],
    ['not when the node has lost height below it', 200, view({ tip_height: blockHeight(150) }), false],
    ['not on a node that is catching up (D-4, D-36)', 200, view({ synced: false }), false],
    ['not before accounting has looked', 200, view({ complete_height: null }), false],
    ['not above what accounting has read', 200, view({ complete_height: blockHeight(199) }), false],
    ['at the height that accounting has read', 200, view({ complete_height: blockHeight(200) }), true],
    ['not when accounting was on another branch', 200, view({ complete_in_chain: false }), false],
  ])('%s', (_, height, chain, due) => {
    expect(notDueBecause(blockHeight(height), 100, chain) === null).toBe(due);
  });
});

describe('whether a block is in the active chain', () => {
  it('is read from the hash at its height, not from the node knowing it (D-3)', () => {
    expect(standing(ours, ours)).toBe('in_chain');
    expect(standing(ours, other)).toBe('replaced');
  });

  it('stays unknown without an answer: trouble makes no orphan (D-4)', () => {
    expect(standing(ours, null)).toBe('unknown');
  });
});

describe('a decision that the chain no longer bears out', () => {
  it.each([
    ['credited', 'in_chain', null], ['credited', 'replaced', 'lose'], ['credited', 'unknown', null],
    ['orphaned', 'in_chain', 'credit'], ['orphaned', 'replaced', null], ['orphaned', 'unknown', null],
    ['lost', 'in_chain', 'restore'], ['lost', 'replaced', null], ['lost', 'unknown', null],
  ] as const)('%s and %s: %s', (state, now, expected) => {
    expect(correction(state, now)).toBe(expected);
  });
});
