import { describe, expect, test } from 'vitest';
import { blockHeight, logPosition, shares } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import type { Reading } from './counter-lines.js';
import type { StretchLine, UserCount } from './stretch.js';
import { blockWithoutNotice, isEveryoneDue, isFresh, isNoise, isSampleDue, telling } from './what-to-read.js';

const anna = 'anna' as NameBytes;
const position = logPosition(0n);
const solved: StretchLine = { kind: 'block', position, height: blockHeight(7), finder: anna, logged_at: '2026-11-20 09:22:01.823' };
const notice: StretchLine = { kind: 'notice', position };
const login: StretchLine = { kind: 'login', position };
const said = (counter: bigint): StretchLine => ({ kind: 'shares', position, user: anna, counter: shares(counter) });
const times = (everyone_read_ms: number | null, noticed_ms: number | null = null) =>
  ({ now_ms: 10_000_000, everyone_read_ms, noticed_ms, sample_period_ms: 60_000 });

describe('all user files are read', () => {
  test('when they never were, and once an hour', () => {
    expect([null, 10_000_000 - 3_599_999, 10_000_000 - 3_600_000].map((at) => isEveryoneDue(times(at)))).toEqual([true, false, true]);
  });

  test('every minute while no line of log level 5 is seen (D-26)', () => {
    expect(isSampleDue(false, times(9_940_000))).toBe(true);
    expect(isSampleDue(false, times(9_940_001))).toBe(false);
    expect(isSampleDue(true, times(null))).toBe(false);
  });

  test('not because a block line was the last of a look: the next notice follows within a second', () => {
    expect(isSampleDue(false, times(6_500_000, 9_999_000))).toBe(false);
  });

  test('at a block line that no line of level 5 stands before', () => {
    expect(blockWithoutNotice(false, [login, solved])).toBe(true);
    expect(blockWithoutNotice(true, [solved])).toBe(false);
    expect(blockWithoutNotice(false, [notice, solved, solved])).toBe(true);
  });
});

test('a block counts as timed to the minute when all files were read within two', () => {
  expect([null, 9_880_000, 9_879_999].map((at) => isFresh(times(at)))).toEqual([false, true, false]);
});

test('only lines that change nothing are noise', () => {
  const known = { login_seen: true, notice_seen: true };
  expect(isNoise(known, [login, notice])).toBe(true);
  expect(isNoise({ ...known, notice_seen: false }, [notice])).toBe(false);
  expect(isNoise(known, [said(1n)])).toBe(false);
});

describe('of a reading is stored', () => {
  const user = (count: bigint): UserCount =>
    ({ id: 1, name: anna, counter: shares(count), ledger_count: shares(count), snapshot_count: shares(0n), disputed_count: shares(0n) });
  const stored = (count: bigint, lines: StretchLine[], reading: Reading) =>
    telling(new Map(count > 0n ? [[anna, user(count)]] : []), lines, new Map([[anna, reading]])).size === 1;

  test.each<[string, bigint, StretchLine[], Reading, boolean]>([
    ['what the last line says too: nothing', 5n, [said(9n)], { counter: shares(9n) }, false],
    ['what was known before: nothing', 5n, [], { counter: shares(5n) }, false],
    ['more than the last line', 5n, [said(9n)], { counter: shares(10n) }, true],
    ['less than a forged line', 5n, [said(900n)], { counter: shares(5n) }, true],
    ['a file that is not there', 5n, [said(9n)], { absent: true }, true],
    ["a user's first count, whatever the lines say", 0n, [said(9n)], { counter: shares(9n) }, true],
    ['nothing of a user who has no shares', 0n, [], { counter: shares(0n) }, false],
  ])('%s', (_, count, lines, reading, expected) => {
    expect(stored(count, lines, reading)).toBe(expected);
  });
});
