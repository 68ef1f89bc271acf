import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unpackRecording, type Recording } from '../../lab/recordings.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import { recoverShares } from './share-line.js';
import { compareMoments, comparePlaces, type ShareMoment, type SharePlace } from './share-order.js';
import { createShareTally, type ShareTally, type TallyFault } from './share-tally.js';
import { addWorks, noWork, parseWork, wholeShares, workOfShares, type Work } from './share-work.js';

const file = { height: 122, workinfoid: '6b00110b00000001' };

interface LineFields {
  user?: string;
  worker?: string;
  diff?: string;
  sdiff?: string;
  result?: string;
  errn?: string;
  created?: string;
  clientid?: string;
  agent?: string;
}

const line = (fields: LineFields = {}): string => {
  const { user = 'muwjS9zu', worker = `${user}.worker1`, diff = '8.0', sdiff = '1138.0692777380423' } = fields;
  const { result = 'true', errn = '0', created = '1795166478,982694376', clientid = '1', agent = 'miner/1.0' } = fields;
  return `{"workinfoid": 7710181301000601601, "clientid": ${clientid}, "enonce1": "0c11006b", "nonce2": "dc8d", `
    + `"nonce": "2abb66f0", "ntime": "6b00110e", "diff": ${diff}, "sdiff": ${sdiff}, "hash": "12184723a25a7999", `
    + `"result": ${result}, "errn": ${errn}, "createdate": "${created}", "createby": "code", `
    + `"createcode": "parse_submit", "createinet": "127.0.0.1:3390", "workername": "${worker}", `
    + `"username": "${user}", "address": "127.0.0.1", "agent": "${agent}"}`;
};

const lines = (...texts: string[]): Buffer => Buffer.from(texts.map((text) => `${text}\n`).join(''));
const name = (text: string) => nameFromBuffer(Buffer.from(text));
const whole = (tally: ShareTally, bucket = 0) =>
  Object.fromEntries([...tally.work(bucket)].map(([user, work]) => [user, Number(wholeShares(work))]));

/** What the tally must be: every line by itself, the careful way. */
function naive(bytes: Buffer, cuts: readonly SharePlace[] = []) {
  const buckets = Array.from({ length: cuts.length + 1 }, () => new Map<NameBytes, Work>());
  const faults: TallyFault[] = [];
  const moments: ShareMoment[] = [];
  let [accepted, count, start] = [0, 0, 0];
  for (let end = bytes.indexOf('\n'); end >= 0; end = bytes.indexOf('\n', start)) {
    const text = bytes.subarray(start, end);
    if (!/^[ \t\r]*$/.test(text.toString('latin1'))) {
      count += 1;
      const { shares, fault } = recoverShares(text);
      if (fault !== '') faults.push({ offset: start, fault });
      for (const { share, offset } of shares) {
        moments.push(share.created);
        if (!share.accepted) continue;
        accepted += 1;
        const place = { ...share.created, ...file, offset: start + offset };
        const bucket = buckets[cuts.filter((cut) => comparePlaces(cut, place) < 0).length]!;
        if (share.work > 0n) bucket.set(share.user, addWorks(bucket.get(share.user) ?? noWork, share.work));
      }
    }
    start = end + 1;
  }
  moments.sort(compareMoments);
  return { buckets, accepted, lines: count, faults, consumed: start, first: moments[0] ?? null, last: moments.at(-1) ?? null };
}

const earlier = (a: ShareMoment | null, b: ShareMoment | null) => (a && b ? (compareMoments(a, b) <= 0 ? a : b) : a ?? b);
const later = (a: ShareMoment | null, b: ShareMoment | null) => (a && b ? (compareMoments(a, b) >= 0 ? a : b) : a ?? b);

/** The same by the tally, given piece after piece as a reader would. */
function tallied(bytes: Buffer, pieces: readonly number[], cuts: readonly SharePlace[] = []) {
  const tally = createShareTally(cuts);
  const faults: TallyFault[] = [];
  let sum = { accepted: 0, lines: 0, first: null as ShareMoment | null, last: null as ShareMoment | null };
  let offset = 0;
  for (const end of [...pieces.map((piece) => piece % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    if (end <= offset) continue;
    const taken = tally.take(bytes.subarray(offset, end), file, offset);
    expect(taken.faults).toHaveLength(Math.min(100, taken.fault_count));
    faults.push(...taken.faults);
    sum = {
      accepted: sum.accepted + taken.accepted, lines: sum.lines + taken.lines,
      first: earlier(sum.first, taken.first), last: later(sum.last, taken.last),
    };
    offset += taken.consumed;
  }
  const buckets = Array.from({ length: cuts.length + 1 }, (_, bucket) => tally.work(bucket));
  return { buckets, ...sum, faults, consumed: offset };
}

describe('the tally of shares', () => {
  test('sums what was accepted for each user, and nothing else', () => {
    const tally = createShareTally();
    const bytes = lines(
      line(), line({ diff: '59.0', worker: 'muwjS9zu_rig' }), line({ user: 'other' }),
      line({ result: 'false, "reject-reason": "Stale"', errn: '2', diff: '1000.0' }),
      line({ result: 'false', diff: '1000.0' }), line({ diff: '0.0', user: 'nothing' }),
    );
    const taken = tally.take(bytes, file, 0);
    expect(taken).toMatchObject({ consumed: bytes.length, accepted: 4, lines: 6, fault_count: 0, faults: [] });
    expect(whole(tally)).toEqual({ muwjS9zu: 67, other: 8 });
    tally.clear();
    expect(tally.work(0).size).toBe(0);
    expect(whole(createShareTally(), 7)).toEqual({});
  });

  test('a line without its end waits', () => {
    const tally = createShareTally();
    const bytes = lines(line(), line({ user: 'late' }));
    const first = tally.take(bytes.subarray(0, bytes.length - 1), file, 0);
    expect(first).toMatchObject({ consumed: line().length + 1, accepted: 1, fault_count: 0 });
    expect(tally.take(bytes.subarray(first.consumed), file, first.consumed).accepted).toBe(1);
    expect(whole(tally)).toEqual({ muwjS9zu: 8, late: 8 });
    expect(tally.take(Buffer.alloc(0), file, 9)).toEqual({
      consumed: 0, accepted: 0, lines: 0, first: null, last: null, faults: [], fault_count: 0,
    });
  });

  test('a glued line gives the share that is whole in it, and a fault', () => {
    const tally = createShareTally();
    const taken = tally.take(lines(line(), line({ user: 'torn' }).slice(0, 333) + line({ user: 'glued' })), file, 1000);
    expect(taken).toMatchObject({
      accepted: 2, lines: 2, fault_count: 1,
      faults: [{ offset: 1000 + line().length + 1, fault: 'not one flat JSON object' }],
    });
    expect(whole(tally)).toEqual({ muwjS9zu: 8, glued: 8 });
  });

  test('first and last are the earliest and latest moments, of rejected shares too', () => {
    const taken = createShareTally().take(lines(
      line({ created: '1795166478,60' }), line({ created: '1795166478,7' }), line({ created: '1795166479,1', result: 'false' }),
    ), file, 0);
    expect(taken.first).toEqual({ seconds: 1795166478, nanoseconds: 7 });
    expect(taken.last).toEqual({ seconds: 1795166479, nanoseconds: 1 });
  });

  test('names at most 100 faults and counts the rest', () => {
    const taken = createShareTally().take(Buffer.from('rubbish\n'.repeat(5000)), file, 0);
    expect(taken).toMatchObject({ lines: 5000, fault_count: 5000, accepted: 0 });
    expect(taken.faults).toHaveLength(100);
  });

  test('more users than it has slots for are all counted', () => {
    const tally = createShareTally();
    const users = Array.from({ length: 66_000 }, (_, index) => `u${index.toString(36)}`);
    expect(tally.take(lines(...users.map((user) => line({ user }))), file, 0).accepted).toBe(66_000);
    expect(tally.work(0).size).toBe(66_000);
    expect([...tally.work(0).values()].every((work) => work === workOfShares(8n))).toBe(true);
    tally.clear();
    tally.take(lines(line({ user: 'u1' }), line({ user: 'late' })), file, 0);
    expect(whole(tally)).toEqual({ u1: 8, late: 8 });
  });

  test('large and small difficulties of one user are one sum', () => {
    const tally = createShareTally();
    const diffs = ['9007199254740991.0', '1.0', '0.5', '999999999.0', '1000000000.0', '1e-18'];
    tally.take(lines(...diffs.map((diff) => line({ diff }))), file, 0);
    expect(tally.work(0).get(name('muwjS9zu')))
      .toBe(workOfShares(2n ** 53n + 1_999_999_999n) + 5n * 10n ** 17n + 1n);
  });

  test('the share at a cut belongs before it, one of the same nanosecond behind it does not', () => {
    const at = '1795166478,7';
    const bytes = lines(line({ created: at, user: 'a' }), line({ created: at, user: 'b' }), line({ created: at, user: 'c' }));
    const cut = { ...file, seconds: 1795166478, nanoseconds: 7, offset: line({ created: at, user: 'a' }).length + 1 };
    const tally = createShareTally([cut]);
    tally.take(bytes, file, 0);
    tally.take(bytes, { ...file, height: 121 }, 0);
    tally.take(bytes, { ...file, workinfoid: '6b00110b0000000a' }, 0);
    expect(whole(tally, 0)).toEqual({ a: 16, b: 16, c: 8 });
    expect(whole(tally, 1)).toEqual({ a: 8, b: 8, c: 16 });
  });
});

const anyName = fc.oneof(
  fc.constantFrom('muwjS9zu', 'bc1qxyz', 'a', 'x'.repeat(127), 'x'.repeat(128), '', 'a.b', '..', 'é', '😀', '\x7f',
    'a\\"b', 'a\\\\', '\\n', '\\ud83d\\ude00', '\\ud83d', '\\u0041', 'a{', '{}', 'abcd"', 'tab\tbed', 'a/b', 'a, b'),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => JSON.stringify(text).slice(1, -1)),
);
const seldom = <T>(usual: T, ...unusual: T[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(usual, ...unusual) });
const created = fc.tuple(fc.integer({ min: 100, max: 103 }), fc.constantFrom(0, 7, 60, 999_999_999))
  .map(([seconds, nanoseconds]) => `${seconds},${nanoseconds}`);

const anyLine = fc.record<LineFields>({
  user: fc.oneof({ weight: 3, arbitrary: fc.constantFrom('muwjS9zu', 'bc1qxyz') }, { weight: 1, arbitrary: anyName }),
  diff: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('1.0', '8.0', '999999999.0') },
    { weight: 1, arbitrary: fc.constantFrom('1234567890.0', '0.001', '1e-05', '2.5e3', '0.0', '8', '-1.0', '08.0', '.0', '9007199254740992.0', 'true') },
  ),
  sdiff: seldom('27.10457353869892', '-1.0', '1e20', '1.5e-07', '3', '-', '1.', '01.5', '-.5', '1.0.0', '12.é'),
  result: seldom('true', 'false', 'false, "reject-reason": "Stale"', 'false, "reject-reason": "a\\"b"', 'null', '"true"', 'true '),
  errn: seldom('0', '2', '-5', '00', '', '1.0'),
  created: fc.oneof({ weight: 9, arbitrary: created }, { weight: 1, arbitrary: fc.constantFrom('100', '0,0', '01,5', '100,07', '100,1000000000', '9999999999,1', '10000000000,1', ',', '-1,0') }),
  clientid: seldom('1', '0', '07', '-1', '99999999999999999999', ''),
  agent: seldom('miner/1.0', '', '\\\\', 'a b!', '"', '"}', '\\"diff\\": 9.0, ', '\x01', 'ü', '{"workinfoid": 1, '),
}).map(line);

const damaged = fc.tuple(anyLine, fc.nat(), fc.nat(8), fc.uint8Array({ maxLength: 6 })).map(([text, at, lost, put]) => {
  const bytes = Buffer.from(text);
  const place = at % (bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, place), put, bytes.subarray(place + lost)]);
});

const anyText = fc.oneof(
  { weight: 6, arbitrary: anyLine.map((text) => Buffer.from(text)) },
  { weight: 3, arbitrary: damaged },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.constantFrom('', '\r', ' ', '\0\0\0', `${line()}\r`, ` ${line()}`, line() + line()).map((text) => Buffer.from(text)) },
);
const anyLog = fc.tuple(fc.array(anyText, { maxLength: 12 }), fc.boolean()).map(([texts, ended]) =>
  Buffer.concat(texts.flatMap((text, index) =>
    (index < texts.length - 1 || ended ? [text, Buffer.from('\n')] : [text]))));
const anyPieces = fc.array(fc.nat(8000), { maxLength: 6 });
const anyCuts = fc.array(fc.record<SharePlace>({
  seconds: fc.integer({ min: 99, max: 104 }), nanoseconds: fc.constantFrom(0, 7, 60), height: fc.integer({ min: 121, max: 123 }),
  workinfoid: fc.constantFrom('6b00110b00000000', '6b00110b00000001', '~'), offset: fc.nat(4000),
}), { maxLength: 4 }).map((cuts) => cuts.sort(comparePlaces));

describe('whatever the bytes', () => {
  test('the tally is the sum of its lines, one by one, however the bytes are cut into pieces', () => {
    fc.assert(fc.property(anyLog, anyPieces, anyCuts, (bytes, pieces, cuts) => {
      expect(tallied(bytes, pieces, cuts)).toEqual(naive(bytes, cuts));
    }), { numRuns: 1000 });
  });

  test('a line of a known client is what it says, whichever of its bytes is another', () => {
    const usual = Buffer.from(`${line({ diff: '59.0', agent: 'ü \\n' })}\n`);
    for (const byte of Buffer.from('~"\\\x01\xff0 ,{', 'latin1')) {
      const changed = Array.from(usual, (_, at) => Buffer.concat([usual.subarray(0, at), Buffer.of(byte), usual.subarray(at + 1)]));
      const bytes = Buffer.concat(changed.flatMap((each) => [usual, each]));
      const { faults, ...sums } = tallied(bytes, []);
      expect({ ...sums, faults: faults.length }).toEqual({ ...naive(bytes), faults: Math.min(100, naive(bytes).faults.length) });
    }
  });

  test('buckets share out the whole: none of it twice, none of it nowhere', () => {
    fc.assert(fc.property(anyLog, anyCuts, (bytes, cuts) => {
      const sum = new Map<NameBytes, Work>();
      for (const [user, work] of tallied(bytes, [], cuts).buckets.flatMap((bucket) => [...bucket])) {
        sum.set(user, addWorks(sum.get(user) ?? noWork, work));
      }
      expect(sum).toEqual(tallied(bytes, []).buckets[0]);
    }));
  });

  test('the order of lines and of files changes no sum', () => {
    const parts = fc.array(fc.tuple(fc.constantFrom(121, 122, 123), anyLine), { maxLength: 12 })
      .chain((some) => fc.tuple(fc.constant(some), fc.shuffledSubarray(some, { minLength: some.length })));
    fc.assert(fc.property(parts, anyCuts, ([some, shuffled], cuts) => {
      const [one, other] = [some, shuffled].map((order) => {
        const tally = createShareTally(cuts);
        // A share keeps its place in its file; only when it is read changes.
        for (const part of order) tally.take(lines(part[1]), { ...file, height: part[0] }, some.indexOf(part) * 1000);
        return [...cuts, null].map((_, bucket) => tally.work(bucket));
      });
      expect(one).toEqual(other);
    }));
  });

  test('decimal difficulties are summed exactly', () => {
    const diff = fc.tuple(fc.nat(2000), fc.stringMatching(/^\d{1,17}$/)).map(([count, fraction]) => `${count}.${fraction}`);
    fc.assert(fc.property(fc.array(diff, { maxLength: 30 }), (diffs) => {
      const tally = createShareTally();
      tally.take(lines(...diffs.map((text) => line({ diff: text }))), file, 0);
      const sum = diffs.reduce((total, text) => {
        const [count = '', fraction = ''] = text.split('.');
        return total + BigInt(count + fraction) * 10n ** BigInt(18 - fraction.length);
      }, 0n);
      expect(tally.work(0).get(name('muwjS9zu')) ?? noWork).toBe(sum);
      expect(diffs.every((text) => parseWork(text) !== null)).toBe(true);
    }));
  });
});

describe('the share logs of a real pool', () => {
  let recording: Recording;
  const logs: { height: number; workinfoid: string; bytes: Buffer }[] = [];

  beforeAll(async () => {
    recording = await unpackRecording('busy');
    const entries = await readdir(recording.log_directory, { withFileTypes: true, recursive: true });
    for (const entry of entries.filter(({ name: entry_name }) => entry_name.endsWith('.sharelog'))) {
      logs.push({
        height: parseInt(entry.parentPath.slice(-8), 16),
        workinfoid: entry.name.replace('.sharelog', ''),
        bytes: await readFile(join(entry.parentPath, entry.name)),
      });
    }
  });
  afterAll(() => recording.remove());

  test('give each user at each block exactly what was accepted up to the share that solved it', () => {
    for (const solve of recording.truth.solves) {
      const path = solve.solving_share.file.split('/');
      const log = logs.find(({ workinfoid }) => `${workinfoid}.sharelog` === path.at(-1))!;
      const [seconds = 0, nanoseconds = 0] = solve.solving_share.createdate.split(',').map(Number);
      const text = log.bytes.toString('latin1');
      const offset = text.lastIndexOf('\n', text.indexOf(`"${solve.solving_share.createdate}"`)) + 1;
      const tally = createShareTally([{ height: log.height, workinfoid: log.workinfoid, seconds, nanoseconds, offset }]);
      for (const each of logs) expect(tally.take(each.bytes, each, 0).fault_count).toBe(0);
      for (const [user, truth] of Object.entries(solve.users)) {
        expect(whole(tally)[user] ?? 0).toBe(truth.accepted_difficulty_to_solving_share);
      }
    }
  });

  test('are what their lines say, damaged as they may be', () => {
    const bytes = Buffer.concat(logs.map((log) => log.bytes)).subarray(0, 100_000);
    expect(tallied(bytes, [1, 7777, 50_000])).toEqual(naive(bytes));
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 20 }), (changes) => {
      const changed = Buffer.from(bytes.subarray(0, 20_000));
      for (const [at, byte] of changes) changed[at % changed.length] = byte;
      expect(tallied(changed, [])).toEqual(naive(changed));
    }), { numRuns: 100 });
  });
});
