import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blockHash, blockHeight, logPosition, shares } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import type { Reading } from './counter-lines.js';
import { applyStretch, type StretchLine, type StretchState, type UserCount } from './stretch.js';

const name = (text: string) => text as NameBytes;
const empty = (): StretchState => ({ users: new Map(), risen: new Set(), login_seen: false, notice_seen: false });
const file = (value: number): Reading => ({ counter: shares(BigInt(value)) });
const at = (value: number) => logPosition(BigInt(value));
const said = (position: number, user: string, counter: number): StretchLine =>
  ({ kind: 'shares', position: at(position), user: name(user), counter: shares(BigInt(counter)) });
const solved = (position: number, height = 7): StretchLine =>
  ({ kind: 'block', position: at(position), height: blockHeight(height), finder: name('anna.rig'), logged_at: '2026-11-20 09:22:01.823' });

/** Lays an outcome over the state, as the daemon does after the commit. */
function next(state: StretchState, outcome: ReturnType<typeof applyStretch>): StretchState {
  const users = new Map(state.users);
  for (const user of outcome.changed) users.set(user.name, user);
  return { users, risen: outcome.risen, login_seen: outcome.login_seen, notice_seen: outcome.notice_seen };
}

const apply = (state: StretchState, lines: StretchLine[], readings: [string, Reading][], end: number | null, sampled = false) =>
  applyStretch(state, { lines, readings: new Map(readings.map(([user, one]) => [name(user), one])), reading_position: end === null ? null : at(end), sampled });

describe('a stretch of the log', () => {
  test('a block takes the counts of the lines before it, not those of the file read later (D-24)', () => {
    const outcome = apply(empty(), [said(0, 'anna', 10), solved(50), said(90, 'anna', 25)], [['anna', file(30)]], 100);
    expect(outcome.snapshots[0]!.rows).toEqual([{ user: 'anna', share_count: 10n, difference: 10n, disputed_difference: 0n }]);
    expect(outcome.changed[0]).toMatchObject({ counter: 30n, ledger_count: 30n, snapshot_count: 10n });
  });

  test('only users whose count changed since the snapshot before have a row; the others keep theirs (D-7, D-8)', () => {
    const lines = [said(0, 'anna', 10), said(1, 'bert', 5), solved(2, 7), said(3, 'bert', 6), solved(4, 8), solved(5, 9)];
    const outcome = apply(empty(), lines, [['anna', file(10)], ['bert', file(6)]], 10);
    expect(outcome.snapshots.map((one) => one.rows.map((row) => [row.user, row.share_count, row.difference]))).toEqual([
      [['anna', 10n, 10n], ['bert', 5n, 5n]],
      [['bert', 6n, 1n]],
      [],
    ]);
  });

  test('fault 35: a user whose file vanished loses nothing and gains nothing (D-8)', () => {
    let state = next(empty(), apply(empty(), [said(0, 'anna', 10)], [['anna', file(10)]], 1));
    const outcome = apply(state, [said(2, 'anna', 12), solved(3)], [['anna', { absent: true }]], 4);
    state = next(state, outcome);
    expect(state.users.get(name('anna'))).toMatchObject({ ledger_count: 10n, counter: 10n });
    expect(outcome.incidents[0]).toMatchObject({ kind: 'line_dropped', user: 'anna' });
  });

  test('fault 35: rises before a fall are marked disputed in the snapshot that holds them (D-6)', () => {
    const state = next(empty(), apply(empty(), [said(0, 'anna', 100)], [['anna', file(100)]], 1));
    const outcome = apply(state, [said(2, 'anna', 130), solved(3), said(4, 'anna', 5), solved(5)], [['anna', file(9)]], 6);
    expect(outcome.snapshots.map((one) => one.rows[0])).toEqual([
      { user: 'anna', share_count: 130n, difference: 130n, disputed_difference: 30n },
      undefined,
    ]);
    expect(outcome.changed[0]).toMatchObject({ counter: 9n, ledger_count: 134n, disputed_count: 0n });
    expect(outcome.incidents).toMatchObject([{ kind: 'counter_fell' }]);
  });

  test('a flood of forged lines is one incident', () => {
    const lines = Array.from({ length: 500 }, (_, index) => said(index, `ghost${index}`, 1));
    expect(apply(empty(), lines, [], 1000).incidents).toMatchObject([{ kind: 'line_dropped', user: null, occurrences: 500 }]);
  });

  test('without any line of log level 5 a block is late, unless the files were sampled within two minutes', () => {
    expect(apply(empty(), [solved(1)], [], null).snapshots[0]!.quality).toBe('late');
    expect(apply(empty(), [solved(1)], [], null, true).snapshots[0]!.quality).toBe('minute');
    expect(apply(empty(), [{ kind: 'notice', position: at(0) }, solved(1), solved(2)], [], null).snapshots.map((one) => one.quality)).toEqual(['minute', 'late']);
  });

  test('a tip line before anybody logged in is marked so', () => {
    const tip = (position: number, digit: string): StretchLine =>
      ({ kind: 'tip', position: at(position), hash: blockHash(digit.repeat(64)), logged_at: '2026-11-20 09:21:15.880' });
    const outcome = apply(empty(), [tip(0, 'a'), { kind: 'login', position: at(1) }, tip(2, 'b')], [], null);
    expect(outcome.anchors.map((anchor) => anchor.before_login)).toEqual([true, false]);
  });
});

const user_line = fc.record({ kind: fc.constant('shares' as const), user: fc.constantFrom('a', 'b', 'c'), counter: fc.nat(50) });
const any_line = fc.oneof({ weight: 4, arbitrary: user_line }, { weight: 1, arbitrary: fc.constant({ kind: 'block' as const }) });
const any_log = fc.array(any_line, { maxLength: 60 }).map((lines) => lines.map((line, index) =>
  (line.kind === 'block' ? solved(index) : said(index, line.user, line.counter))));

describe('rule A: work is conserved', () => {
  const sumOf = (users: Iterable<UserCount>) => [...users].reduce((sum, user) => sum + user.ledger_count, 0n);

  test('all differences together, and what no snapshot holds yet, are the ledger counts', () => {
    fc.assert(fc.property(any_log, fc.array(fc.nat(60), { minLength: 3, maxLength: 3 }), (lines, files) => {
      const readings: [string, Reading][] = ['a', 'b', 'c'].map((user, index) => [user, file(files[index]!)]);
      const outcome = apply(empty(), lines, readings, 1000);
      const state = next(empty(), outcome);
      const inSnapshots = outcome.snapshots.flatMap((one) => one.rows).reduce((sum, row) => sum + row.difference, 0n);
      const open = [...state.users.values()].reduce((sum, user) => sum + user.ledger_count - user.snapshot_count, 0n);
      expect(inSnapshots + open).toBe(sumOf(state.users.values()));
      // From nothing, the files are the whole truth: what they say is what is counted.
      expect(sumOf(state.users.values())).toBe(files.reduce((sum, value) => sum + BigInt(value), 0n));
    }));
  });

  test('fault 35: a ledger count never falls, whatever lines and files say', () => {
    fc.assert(fc.property(fc.array(fc.tuple(any_log, fc.nat(60)), { maxLength: 6 }), (stretches) => {
      let state = empty();
      let before = 0n;
      for (const [lines, value] of stretches) {
        state = next(state, apply(state, lines, ['a', 'b', 'c'].map((user) => [user, file(value)]), 1000));
        const now = sumOf(state.users.values());
        expect(now).toBeGreaterThanOrEqual(before);
        before = now;
      }
    }));
  });
});
