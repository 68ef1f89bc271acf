// A window whose lines are folded gives the rows that reading it line by line gives, whatever stands in the log and
// wherever reads are cut.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { logPosition, shares, type Shares } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import { boundsOf, createCounterFold, unsoundUsers } from './core/counter-fold.js';
import { noShares, type Reading } from './core/counter-lines.js';
import { scanLog } from './core/log-line.js';
import { applyStretch, type StretchLine, type StretchOutcome, type StretchState, type UserCount } from './core/stretch.js';
import type { LogFiles, LogPart, StoredCursor } from './edges/log-files.js';
import { wholeLines } from './edges/log-plain.js';
import { piece_limits, readWindow, type LogPiece, type PieceLimits } from './log-piece.js';

const seconds = fc.integer({ min: 10, max: 11 });
const names = ['anna', 'bea', '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2', 'odd name', 'a:{b', 'c\\x', 'nobody', 'n'.repeat(128)];
const stampOf = (second: number): string => `[2026-11-20 09:32:${second}.378] `;

/** As ckpool writes them, and in forms that it does not write. */
const userJson = (counter: bigint | number, form: number): string => [
  `{"hashrate1m": "16.3G", "hashrate5m": "13.4G", "hashrate1hr": "2.47G", "hashrate1d": "0", "hashrate7d": "16.1M", "lastupdate": 1795167164, "workers": 1, "shares": ${counter}, "bestshare": 16730.93}`,
  `{"shares": ${counter}}`,
  `{"hashrate1m": "16.3G", "hashrate5m": "13.4G", "hashrate1hr": "2.47G", "hashrate1d": "0", "hashrate7d": "16.1M", "lastupdate": 1795167164, "workers": 01, "shares": ${counter}, "bestshare": 16730.93}`,
  `{"hashrate1m": "16.3G", "shares": ${counter}`,
][form]!;

const line = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(seconds, fc.constantFrom(...names), fc.bigInt(0n, 12n), fc.constantFrom(0, 0, 0, 0, 1, 2, 3))
    .map(([second, name, counter, form]) => `${stampOf(second)}User ${name}:${userJson(counter, form)}`) },
  { weight: 1, arbitrary: fc.constantFrom('9007199254740991', '9007199254740993', '999999999999999', '1000000000000000')
    .map((counter) => `${stampOf(10)}User anna:${userJson(BigInt(counter), 0)}`) },
  { weight: 2, arbitrary: seconds.map((second) => `${stampOf(second)}Solved and confirmed block 157 by anna.rig`) },
  { weight: 1, arbitrary: fc.constantFrom(
    `${stampOf(10)}Pool:{"SPS1m": 1.0}`, `${stampOf(10)}Block hash changed to ${'ab'.repeat(32)}`, 'x'.repeat(300),
    `${stampOf(10)}Possible block solve diff 1311.787555 !`, `${stampOf(10)}User anna:{"ha${stampOf(11)}User bea:${userJson(5, 0)}`,
    `${stampOf(10)}Authorised client 4 worker x`, '', `${stampOf(10)}User bea:${userJson(7, 0)}\r`,
  ) },
);

/** Mostly honest: counters that rise and files that bear them out. */
const honest = fc.array(fc.tuple(seconds, fc.constantFrom('anna', 'bea'), fc.integer({ min: 0, max: 3 }), fc.boolean()), { maxLength: 30 })
  .map((steps) => {
    const counters = new Map([['anna', 4], ['bea', 0]]);
    return steps.flatMap(([second, name, by, solves]) => {
      counters.set(name, counters.get(name)! + by);
      const told = `${stampOf(second)}User ${name}:${userJson(counters.get(name)!, 0)}`;
      return solves && by === 3 ? [told, `${stampOf(second)}Solved and confirmed block 5 by ${name}`] : [told];
    });
  });

const reading = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(0n, 14n).map((counter): Reading => ({ counter: shares(counter) })) },
  { weight: 2, arbitrary: fc.constant<Reading>({ counter: shares(200n) }) },
  { weight: 1, arbitrary: fc.constantFrom<Reading>({ absent: true }, { unreadable: 'torn' }, { counter: shares(2n ** 60n) }) },
);

const situation = fc.record({
  lines: fc.oneof(fc.array(line, { maxLength: 40 }), honest),
  readings: fc.tuple(...names.map(() => fc.option(reading, { freq: 5 }))),
  counters: fc.tuple(...names.map(() => fc.constantFrom(0n, 0n, 4n, 2n ** 54n))),
  seen: fc.boolean(),
  limits: fc.record({
    read_bytes: fc.integer({ min: 600, max: 3_000 }), piece_bytes: fc.integer({ min: 600, max: 9_000 }),
    piece_lines: fc.integer({ min: 1, max: 30 }),
  }),
});

const userOf = (name: string, counter: bigint): UserCount => ({
  id: null, name: name as NameBytes, counter: shares(counter), ledger_count: shares(counter),
  snapshot_count: noShares, disputed_count: noShares,
});

describe('a window of the log', () => {
  test.each<['before' | 'after']>([['before'], ['after']])('gives what its lines give one by one, the files read %s it', async (when) => {
    await fc.assert(fc.asyncProperty(situation, async (one) => {
      const bytes = Buffer.from(one.lines.map((text) => `${text}\n`).join(''), 'latin1');
      const readings = new Map<NameBytes, Reading>();
      one.readings.forEach((read, index) => { if (read) readings.set(names[index] as NameBytes, read); });
      const users = new Map<NameBytes, UserCount>();
      one.counters.forEach((counter, index) => {
        if (counter > 0n) users.set(names[index] as NameBytes, userOf(names[index]!, counter));
      });
      const before = { users, risen: new Set(users.keys()), login_seen: one.seen, notice_seen: one.seen };
      const [inWindows, inPieces] = [
        await through(bytes, before, readings, (state, from) => folded(bytes, state, readings, when, one.limits, from)),
        await through(bytes, before, readings, (_, from) => plain(bytes, one.limits, from)),
      ];
      expect(inWindows).toEqual(inPieces);
    }), { numRuns: 1_500 });
  });

  test('holds one line a user and block, however many there were', async () => {
    const told = [1, 2, 3, 4].flatMap((turn) => ['anna', 'bea'].map((name) => `${stampOf(10)}User ${name}:${userJson(turn, 0)}\n`));
    const block = `${stampOf(11)}Solved and confirmed block 5 by anna\n`;
    const bytes = Buffer.from([...told, block, ...told.slice(-2), ...told.slice(-2)].join(''));
    const state = { users: new Map(), risen: new Set<NameBytes>(), login_seen: true, notice_seen: true };
    const readings = new Map(['anna', 'bea'].map((name) => [name as NameBytes, { counter: shares(9n) }]));
    const { lines } = await folded(bytes, state, readings, 'before', piece_limits, 0);
    expect(lines.map((one) => [one.kind, Number(one.position) - 5_000])).toEqual([
      ['shares', bytes.indexOf(told[7]!)], ['shares', bytes.indexOf(told[7]!)], ['block', bytes.indexOf(block)],
      ['shares', bytes.lastIndexOf(told[7]!)], ['shares', bytes.lastIndexOf(told[7]!)],
    ]);
  });
});

/** What is left when all was read and applied, and everything that was told on the way. */
async function through(
  bytes: Buffer, before: StretchState, readings: ReadonlyMap<NameBytes, Reading>,
  next: (state: StretchState, from: number) => Promise<LogPiece>,
) {
  const users = new Map(before.users);
  let state: StretchState = { ...before, users };
  const told: StretchOutcome[] = [];
  for (let from = 0; from < bytes.length;) {
    const { lines, consumed } = await next(state, from);
    if (consumed === 0n) throw new Error('every window goes on');
    from += Number(consumed);
    const outcome = applyStretch(state, {
      lines, readings, sampled: false, reading_position: from < bytes.length ? null : logPosition(BigInt(log_start + from)),
    });
    for (const user of outcome.changed) users.set(user.name, user);
    state = { ...outcome, users };
    told.push(outcome);
  }
  const incidents = new Map<string, number>();
  for (const { kind, user, detail, occurrences } of told.flatMap((outcome) => outcome.incidents)) {
    const key = [kind, user, detail].join('/');
    incidents.set(key, (incidents.get(key) ?? 0) + occurrences);
  }
  return {
    users, risen: state.risen, login_seen: state.login_seen, notice_seen: state.notice_seen, incidents,
    anchors: told.flatMap((outcome) => outcome.anchors),
    // Users are independent of each other: the order in which they are told says nothing.
    snapshots: told.flatMap((outcome) => outcome.snapshots)
      .map((snapshot) => ({ ...snapshot, rows: [...snapshot.rows].sort((one, other) => (one.user < other.user ? -1 : 1)) })),
  };
}

async function folded(
  bytes: Buffer, state: StretchState, readings: ReadonlyMap<NameBytes, Reading>, when: 'before' | 'after',
  limits: PieceLimits, from: number,
): Promise<LogPiece> {
  const source = { log_files: inMemory(bytes), fold, clock, limits };
  const counterOf = (user: NameBytes): Shares => state.users.get(user)?.counter ?? noShares;
  const window = {
    cursor: { log_start: BigInt(log_start), file_offset: BigInt(from) } as StoredCursor, part: { end: BigInt(bytes.length) } as LogPart,
    until: BigInt(bytes.length), bytes_max: 1e9, single: when === 'after', goes_on: when === 'before' && from > 0,
    login_seen: state.login_seen, notice_seen: state.notice_seen,
    boundsOf: (user: NameBytes) => boundsOf(counterOf(user), when === 'before' ? readings.get(user) : null),
  };
  const piece = await readWindow(source, window);
  const unsound = when === 'before' ? [] : unsoundUsers(piece.lines, readings);
  return unsound.length === 0 ? piece : readWindow(source, window, unsound);
}

/** One piece as replay reads it. */
function plain(bytes: Buffer, { piece_bytes, piece_lines }: PieceLimits, from: number): Promise<LogPiece> {
  const { lines, consumed } = scanLog(bytes.subarray(from, from + piece_bytes), { lines_max: piece_lines });
  const position = (offset: number) => logPosition(BigInt(log_start + from + offset));
  return Promise.resolve({
    lines: lines.map((one): StretchLine => ({ ...one, position: position(one.offset) })), consumed: BigInt(consumed),
  });
}

const log_start = 5_000;

/** One for all: what a window leaves in it is nothing to the next. */
const fold = createCounterFold();
const clock = { now_ms: () => 0, monotonic_ms: () => 0, sleep: () => Promise.resolve() };

/** One file, of these bytes. */
const inMemory = (bytes: Buffer): LogFiles => ({
  survey: () => Promise.reject(new Error('not asked')),
  read: (part, from, bytes_max) => Promise.resolve(Buffer.from(wholeLines(
    bytes.subarray(Number(from), Math.min(Number(part.end), Number(from) + bytes_max)),
  ))),
  skipLine: (_, from) => Promise.resolve(BigInt(bytes.indexOf('\n', Number(from)) + 1)),
  close: () => Promise.resolve(),
});
