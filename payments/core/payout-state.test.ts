import { describe, expect, it } from 'vitest';
import { batch_states, nextState, type BatchEvent, type BatchState } from './payout-state.js';

const permitted: readonly (readonly [BatchState, BatchEvent, BatchState])[] = [
  ['planned', 'prepare', 'prepared'],
  ['planned', 'release', 'released'],
  ['prepared', 'accept', 'broadcast'],
  ['prepared', 'hold', 'held'],
  ['broadcast', 'confirm', 'confirmed'],
  ['broadcast', 'hold', 'held'],
  ['confirmed', 'bury', 'final'],
  ['confirmed', 'reorg', 'broadcast'],
  ['final', 'reorg', 'broadcast'],
  ['held', 'retry', 'prepared'],
  ['held', 'release', 'released'],
];
const events: readonly BatchEvent[] = ['prepare', 'accept', 'confirm', 'bury', 'reorg', 'hold', 'retry', 'release'];

describe('every pair of state and event', () => {
  for (const state of batch_states) {
    for (const event of events) {
      const wanted = permitted.find(([from, on]) => from === state && on === event)?.[2] ?? null;
      it(`${state} + ${event} = ${wanted ?? 'refused'}`, () => {
        expect(nextState(state, event, 'prepared')).toBe(wanted);
      });
    }
  }
});

it('a held batch goes back to where it was held, and nowhere without that', () => {
  expect(nextState('held', 'retry', 'broadcast')).toBe('broadcast');
  expect(nextState('held', 'retry', null)).toBeNull();
});

it('a signed batch is never released without having been held', () => {
  for (const state of ['prepared', 'broadcast', 'confirmed', 'final'] as const) expect(nextState(state, 'release')).toBeNull();
});
