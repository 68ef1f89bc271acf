import { describe, expect, test } from 'vitest';
import { blockHash, blockHeight } from '../../shared/units.js';
import { floorAbove, namesTipAtStart } from './floor.js';

const noon_seconds = Date.parse('2026-11-20T12:00:00Z') / 1000;
const candidate = (time_seconds: number, logged_at = '2026-11-20 12:00:00.000', before_login = false) => ({
  logged_at, before_login,
  header: { hash: blockHash('a'.repeat(64)), height: blockHeight(121), previous_hash: null, confirmations: 9, time_seconds },
});

describe('whether a line names the tip at which the pool began', () => {
  test.each([
    ['a block of this minute', candidate(noon_seconds), true],
    ['a block of yesterday noon', candidate(noon_seconds - 86_400), true],
    ['an older block: forged, or ckpool woke beside a node that slept', candidate(noon_seconds - 86_401), false],
    ['an old block before any login: nobody can have forged it', candidate(0, undefined, true), true],
    ['a stamp from long before the block: nobody knew of it then', candidate(noon_seconds, '2001-01-01 00:00:00.000'), false],
    ['a stamp that is no time', candidate(noon_seconds, '2026-99-99 99:99:99.999'), false],
  ])('%s', (_, given, expected) => {
    expect(namesTipAtStart(given)).toBe(expected);
  });

  test('the floor is one above it', () => {
    expect(floorAbove(blockHeight(121))).toBe(122);
  });
});
