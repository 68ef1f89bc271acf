import { describe, expect, test } from 'vitest';
import { blockHash, blockHeight, logPosition } from '../../shared/units.js';
import { inLogOrder } from './block-list.js';
import { floorAbove, namesTipAtStart } from './floor.js';
import { pairBlocks, type UnpairedBlock } from './pairing.js';
import type { NameBytes } from '../../shared/username.js';

const place = (value: number | null) => (value === null ? null : logPosition(BigInt(value)));
function block(digit: string, height: number, anchor: number | null, more: Partial<{ parent: number; next: number; active: boolean; header_at: string; solver: UnpairedBlock['solver'] }> = {}): UnpairedBlock {
  return {
    hash: blockHash(digit.repeat(64)), height: blockHeight(height), active: more.active ?? true, header_at: more.header_at ?? '2026-11-20 09:00:00.000',
    anchor: place(anchor), parent_anchor: place(more.parent ?? null), next_anchor: place(more.next ?? null),
    solver: more.solver ?? null,
  };
}
const line = (snapshot_id: number, height: number, position: number, finder = 'a.rig', logged_at = '2026-11-20 09:00:00.000') =>
  ({ snapshot_id, height: blockHeight(height), position: logPosition(BigInt(position)), finder: finder as NameBytes, logged_at });
/** Solved so many milliseconds after 2026-11-20 09:00. */
const solvedBy = (worker: string, after_ms: number) => {
  const at_ms = Date.parse('2026-11-20T09:00:00Z') + after_ms;
  return { worker: worker as NameBytes, created: { seconds: Math.floor(at_ms / 1000), nanoseconds: (at_ms % 1000) * 1_000_000 } };
};
const pairs = (blocks: UnpairedBlock[], lines: ReturnType<typeof line>[]) =>
  Object.fromEntries(pairBlocks(blocks, lines).map((pair) => [pair.hash[0], pair.snapshot_id]));

describe('which line belongs to which block', () => {
  test('the line nearest to the anchor, before it or after it', () => {
    expect(pairs([block('a', 7, 100)], [line(1, 7, 90), line(2, 7, 500)])).toEqual({ a: 1 });
    expect(pairs([block('a', 7, 100)], [line(1, 7, 110)])).toEqual({ a: 1 });
  });
  test('two own blocks at one height are two blocks, each with its own line (D-20)', () => {
    expect(pairs([block('a', 7, 100), block('b', 7, 300)], [line(1, 7, 95), line(2, 7, 310)])).toEqual({ a: 1, b: 2 });
    expect(pairs([block('a', 7, 100), block('b', 7, 300)], [line(2, 7, 310)])).toEqual({ b: 2 });
  });
  test('fault 31: a forged line before the height was worked on is nobody\'s (D-31)', () => {
    expect(pairs([block('a', 7, 100, { parent: 80 })], [line(1, 7, 79)])).toEqual({});
    expect(pairs([block('a', 7, 100, { parent: 80 })], [line(1, 7, 79), line(2, 7, 130)])).toEqual({ a: 2 });
  });
  test('a line of another height is never taken', () => {
    expect(pairs([block('a', 7, 100)], [line(1, 8, 100)])).toEqual({});
  });
  test('a block that never was the tip takes the last line of its height before the next tip', () => {
    expect(pairs([block('a', 7, null, { parent: 50, next: 100 })], [line(1, 7, 60), line(2, 7, 70), line(3, 7, 130)])).toEqual({ a: 2 });
  });
  test('a proven block takes the line of its worker, however near another\'s stands', () => {
    expect(pairs([block('a', 7, 100, { solver: solvedBy('b.rig', 0) })], [line(1, 7, 100), line(2, 7, 900, 'b.rig')])).toEqual({ a: 2 });
    expect(pairs([block('a', 7, 100, { solver: solvedBy('b.rig', 0) })], [line(1, 7, 100)])).toEqual({});
  });
  test('of a worker\'s two blocks at one height each takes the line of its moment, in any time zone', () => {
    const blocks = [block('a', 7, 100, { solver: solvedBy('a.rig', 0) }), block('b', 7, 100, { solver: solvedBy('a.rig', 60_000) })];
    expect(pairs(blocks, [line(2, 7, 110, 'a.rig', '2026-11-20 14:31:00.050'), line(1, 7, 120, 'a.rig', '2026-11-20 14:30:00.090')]))
      .toEqual({ a: 1, b: 2 });
  });
  test('a forged copy of a proven block\'s line is nobody\'s', () => {
    const proven = block('a', 7, 100, { solver: solvedBy('a.rig', 5_000) });
    expect(pairs([proven], [line(1, 7, 90, 'a.rig', '2026-11-20 09:03:00.000'), line(2, 7, 101, 'a.rig', '2026-11-20 09:00:05.060')])).toEqual({ a: 2 });
    expect(pairs([proven, block('b', 7, null, { parent: 50 })], [line(2, 7, 101, 'a.rig', '2026-11-20 09:00:05.060')])).toEqual({ a: 2 });
  });
  test('a block refused beside the accepted one does not take its line', () => {
    expect(pairs([block('a', 7, 100, { parent: 50 }), block('b', 7, null, { parent: 50, next: 100, active: false })], [line(1, 7, 95)])).toEqual({ a: 1 });
  });
  test('without anchors (log level 4) earlier blocks take earlier lines', () => {
    const first = block('a', 7, null, { header_at: '2026-11-20 09:00:01.000', active: false });
    const second = block('b', 7, null, { header_at: '2026-11-20 09:00:09.000' });
    expect(pairs([first, second], [line(1, 7, 10), line(2, 7, 90)])).toEqual({ a: 1, b: 2 });
    expect(pairs([first, second], [line(1, 7, 10)])).toEqual({ b: 1 });
  });
});

describe('the floor', () => {
  const header = { hash: blockHash('a'.repeat(64)), height: blockHeight(121), previous_hash: null, confirmations: 3, time_seconds: Date.parse('2026-11-18T00:00:00Z') / 1000 };
  test('what the address mined before ckpool started is not the pool\'s', () => {
    expect(namesTipAtStart({ logged_at: '2026-11-20 09:21:15.880', before_login: true, header })).toBe(true);
    expect(floorAbove(header.height)).toBe(122);
  });
  test('after a login only a block that was fresh at that stamp counts: an old hash can be forged', () => {
    expect(namesTipAtStart({ logged_at: '2026-11-20 09:21:15.880', before_login: false, header })).toBe(false);
    expect(namesTipAtStart({ logged_at: '2026-11-18 20:00:00.000', before_login: false, header })).toBe(true);
  });
});

describe('the order of the list', () => {
  const entry = (height: number, position: number | null, hash: string | null = String(height)) => ({ height, log_position: position === null ? null : BigInt(position), hash });
  test('is that of the log; a block without a line stands after the block below it', () => {
    const list = inLogOrder([entry(9, 300), entry(7, 100), entry(8, null), entry(997, 150, null)]);
    expect(list.map((one) => one.height)).toEqual([7, 8, 997, 9]);
  });
  test('a lineless block below all others comes first', () => {
    expect(inLogOrder([entry(9, 300), entry(5, null)]).map((one) => one.height)).toEqual([5, 9]);
  });
  test('two lineless blocks of one height both stand there', () => {
    expect(inLogOrder([entry(7, 100), entry(8, null, 'b'), entry(8, null, 'a'), entry(8, 200, 'c')]).map((one) => one.hash)).toEqual(['7', 'a', 'b', 'c']);
  });
});
