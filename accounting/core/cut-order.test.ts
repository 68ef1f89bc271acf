import { describe, expect, test } from 'vitest';
import { blockHash, blockHeight, logPosition } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { planCuts, type UndecidedBlock } from './cut-order.js';

const noon = Date.parse('2026-11-20T12:00:00Z') / 1000;

function block(digit: string, height: number, line: { position: number; logged_at: string } | null, created: number | null): UndecidedBlock {
  return {
    id: height, hash: blockHash(digit.repeat(64)), height: blockHeight(height),
    line: line && { snapshot_id: height, position: logPosition(BigInt(line.position)), logged_at: line.logged_at, quality: 'minute' },
    solver: created === null ? null : {
      worker: 'a.rig' as NameBytes,
      place: { seconds: noon + created, nanoseconds: 5, height, workinfoid: '6b00110b00000001', offset: 0 },
    },
  };
}
const at = (position: number, logged_at: string) => ({ position, logged_at });
const order = (blocks: UndecidedBlock[], zone_ms = 0) => planCuts(blocks, null, zone_ms).map(({ block: { hash } }) => hash[0]).join('');

describe('the order in which work is cut', () => {
  test('is that of the solving shares, whatever the log says', () => {
    expect(order([block('b', 8, at(10, '2026-11-20 12:00:00.000'), 20), block('a', 7, at(90, '2026-11-20 12:09:00.000'), 10)])).toBe('ab');
    expect(order([block('b', 8, null, 20), block('a', 7, at(90, '2026-11-20 12:00:10.000'), 10)])).toBe('ab');
  });

  test('of a block whose share is lost it is that of its line, by the stamp', () => {
    const blocks = [block('a', 7, at(10, '2026-11-20 12:00:10.050'), 10), block('b', 8, at(20, '2026-11-20 12:00:15.000'), null), block('c', 9, at(30, '2026-11-20 12:00:20.060'), 20)];
    expect(order(blocks)).toBe('abc');
    expect(planCuts(blocks, null, 0)[1]!.at).toMatchObject({ seconds: noon + 15, nanoseconds: 999_999 });
  });

  test('a proven block tells the time zone of the log, wherever this machine stands', () => {
    const blocks = [block('a', 7, at(10, '2026-11-20 17:30:10.050'), 10), block('b', 8, at(20, '2026-11-20 17:30:15.000'), null)];
    expect(planCuts(blocks, null, 3_600_000)[1]!.at.seconds).toBe(noon + 15);
  });

  test.each<[string, string]>([
    ['a stamp before its neighbour', '2026-11-20 11:00:00.000'],
    ['a stamp behind its neighbour', '2026-11-20 13:00:00.000'],
    ['a stamp that is none', 'x'],
  ])('%s moves no block past the proven ones around its line', (_, logged_at) => {
    const blocks = [block('a', 7, at(10, '2026-11-20 12:00:10.050'), 10), block('b', 8, at(20, logged_at), null), block('c', 9, at(30, '2026-11-20 12:00:20.060'), 20)];
    const seconds = planCuts(blocks, null, 0).map((cut) => cut.at.seconds - noon);
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
    expect(new Set([10, 20])).toContain(seconds[1]);
  });

  test('a lone block takes the zone from the latest proven one, and is never cut before it', () => {
    const decided = { at: { seconds: noon, nanoseconds: 0, height: 6, workinfoid: '6b00110b00000001', offset: 0 }, line: { position: logPosition(5n), logged_at: '2026-11-20 21:00:00.060' } };
    const planned = (logged_at: string) => planCuts([block('b', 8, at(20, logged_at), null)], decided, 0)[0]!.at.seconds - noon;
    expect(planned('2026-11-20 21:05:00.000')).toBe(300);
    expect(planned('2026-11-20 20:00:00.000')).toBe(0);
  });

  test('without any proof it is that of this machine\'s zone', () => {
    expect(planCuts([block('a', 7, at(10, '2026-11-20 14:00:00.000'), null)], null, -7_200_000)[0]!.at.seconds).toBe(noon);
  });
});
