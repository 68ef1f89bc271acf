import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { unpackRecording, type Recording, type RecordingName } from '../../lab/recordings.js';
import { scanLog, type LogLine } from './log-line.js';

const stamp = '[2026-11-20 09:32:15.378] ';
const at = '2026-11-20 09:32:15.378';
const hash = '1d04ab1390c62d93c8163c96d49a62fa1a9c2656a709df8f84576c3346eaec54';
const json = '{"hashrate1m": "16.3G", "lastupdate": 1795167164, "workers": 1, "shares": 2274, "bestshare": 0.0}';

const scan = (text: string) => scanLog(Buffer.from(text, 'latin1'));
const facts = (text: string) =>
  scan(text).lines.filter((line) => line.kind !== 'login' && line.kind !== 'notice');

describe('a line that says something', () => {
  it.each<[string, string, object]>([
    ['a solved block', `${stamp}Solved and confirmed block 157 by muwj.worker1`,
      { kind: 'block', offset: 0, height: 157, finder: 'muwj.worker1', logged_at: at }],
    ['a name with spaces and a phrase of its own', `${stamp}Solved and confirmed block 5 by a by b on SV1`,
      { kind: 'block', offset: 0, height: 5, finder: 'a by b on SV1', logged_at: at }],
    ['a name of which nothing is left on the line', `${stamp}Solved and confirmed block 5 by `,
      { kind: 'block', offset: 0, height: 5, finder: '', logged_at: at }],
    ['the highest height', `${stamp}Solved and confirmed block 2147483647 by x`,
      { kind: 'block', offset: 0, height: 2147483647, finder: 'x', logged_at: at }],
    ['a block of a trusted remote pool', `${stamp}Block 158 solved by a.b @ c @ server 2!`,
      { kind: 'block', offset: 0, height: 158, finder: 'a.b @ c', logged_at: at }],
    ['a carriage return', `${stamp}Solved and confirmed block 7 by x\r`,
      { kind: 'block', offset: 0, height: 7, finder: 'x', logged_at: at }],
    ['glued to a torn line (D-25)', `${stamp}Blo[2026-11-20 09:32:16.000] Solved and confirmed block 8 by x`,
      { kind: 'block', offset: 29, height: 8, finder: 'x', logged_at: '2026-11-20 09:32:16.000' }],
    ['bytes that are no text', `${stamp}Solved and confirmed block 9 by \xff\x00\x1b[2J`,
      { kind: 'block', offset: 0, height: 9, finder: '\xff\x00\x1b[2J', logged_at: at }],
    ['a stamp of an older ckpool, without milliseconds', '[2026-11-20 09:34:01] Solved and confirmed block 996 by evil3',
      { kind: 'block', offset: 0, height: 996, finder: 'evil3', logged_at: '2026-11-20 09:34:01' }],
    ['a tip', `${stamp}Block hash changed to ${hash}`, { kind: 'tip', offset: 0, hash, logged_at: at }],
    ['shares', `${stamp}User bcrt1q3:${json}`,
      { kind: 'shares', offset: 0, user: 'bcrt1q3', counter: 2274n }],
    ['shares of a hostile name', `${stamp}User a:{b by \xff Pool:{${':'}${json}`,
      { kind: 'shares', offset: 0, user: 'a:{b by \xff Pool:{', counter: 2274n }],
    ['shares beyond 53 bits', `${stamp}User u:{"shares": 9007199254740993}`,
      { kind: 'shares', offset: 0, user: 'u', counter: 9007199254740993n }],
  ])('%s', (_, line, expected) => {
    expect(facts(`${line}\n`)).toEqual([expected]);
    const padded = facts(`${stamp}Possible block solve diff 1.5 !\n${line}\n${stamp}x\n`);
    expect(padded).toEqual([{ ...expected, offset: (expected as { offset: number }).offset + 58 }]);
  });

  it('two messages in one line are two, each cut where the next begins', () => {
    expect(facts(`${stamp}Solved and confirmed block 1 by a${stamp}Solved and confirmed block 2 by b\n`)).toMatchObject([
      { offset: 0, height: 1, finder: 'a' }, { offset: 59, height: 2, finder: 'b' },
    ]);
  });
});

describe('a line that says nothing', () => {
  it.each<[string, string]>([
    ['the form without height of a node (D-26)', `${stamp}Solved and confirmed block!`],
    ['a phrase in a name, without a stamp before it (D-31)', `${stamp}Authorised client 4 worker x Solved and confirmed block 998 by x`],
    ['a phrase without any stamp', 'Solved and confirmed block 5 by x'],
    ['a torn height (D-25)', `${stamp}Solved and confirmed block 15`],
    ['a height beyond an int', `${stamp}Solved and confirmed block 2147483648 by x`],
    ['a height of many digits', `${stamp}Solved and confirmed block 99999999999999999999 by x`],
    ['a negative height', `${stamp}Solved and confirmed block -1 by x`],
    ['a rejected block', `${stamp}Submitted, but had block 135 rejected`],
    ['a short hash', `${stamp}Block hash changed to ${hash.slice(1)}`],
    ['a long hash', `${stamp}Block hash changed to ${hash}0`],
    ['a hash in capitals', `${stamp}Block hash changed to ${hash.toUpperCase()}`],
    ['the user line of a solve', `${stamp}User u:{"hashrate1m": "281G", "hashrate5m": "228G"}`],
    ['a worker line', `${stamp}Worker u.w:${json}`],
    ['shares of a worker name', `${stamp}User u.w:${json}`],
    ['shares of a name with an underscore', `${stamp}User u_w:${json}`],
    ['shares of a path', `${stamp}User ../../etc:${json}`],
    ['shares of nobody', `${stamp}User :${json}`],
    ['shares of too long a name', `${stamp}User ${'u'.repeat(128)}:${json}`],
    ['torn shares', `${stamp}User u:{"hashrate1m": "281G", "shares": 22`],
    ['shares glued over', `${stamp}User u:{"shares": 22${stamp}Possible block solve diff 1 !"}`],
    ['negative shares', `${stamp}User u:{"shares": -5}`],
    ['a line over 64 KiB', `${stamp}Solved and confirmed block 5 by ${'x'.repeat(65_536)}`],
  ])('%s', (_, line) => {
    expect(facts(`${line}\n`)).toEqual([]);
  });

  it('a line without its end is not consumed: it is still being written (D-25)', () => {
    const whole = `${stamp}Solved and confirmed block 15 by x\n`;
    expect(scan(`${whole}${stamp}Solved and confirmed block 16 by`)).toMatchObject({ consumed: whole.length });
    expect(scan(stamp)).toEqual({ lines: [], consumed: 0 });
    expect(scan('')).toEqual({ lines: [], consumed: 0 });
  });
});

describe('a login', () => {
  it.each<[string, string]>([
    ['at an authorisation', `${stamp}Authorised client 3 worker x as user x`],
    ['at a line without a stamp', ' as user evil2'],
    ['at an empty line', ''],
    ['at a refused name', `${stamp}127.0.0.1:18443 Failed to get valid json response to validate_address evil2`],
    ['at a block line', `${stamp}Solved and confirmed block 5 by x`],
    ['at a user line', `${stamp}User u:${json}`],
    ['at a torn line', '[2026-11-2'],
  ])('is seen %s', (_, line) => {
    const before = `${stamp}ckpool stratifier starting\n${stamp}Setting maxclients to 18000\n`;
    expect(scan(`${before}${line}\n${line}\n`).lines.filter((one) => one.kind === 'login'))
      .toEqual([{ kind: 'login', offset: before.length }]);
  });
});

describe('a notice', () => {
  const submitting = `${stamp}Submitting block data!\n`;
  const solved = `${stamp}Solved and confirmed block 5 by x\n`;

  it('is told once, and once more after each block', () => {
    const kinds = scan(submitting + submitting + solved + solved + submitting + submitting).lines.map((line) => line.kind);
    expect(kinds.filter((kind) => kind !== 'login')).toEqual(['notice', 'block', 'block', 'notice']);
  });

  it('is a tip as well, and a tip is told although a notice was', () => {
    const tip = `${stamp}Block hash changed to ${hash}\n`;
    expect(scan(tip + tip).lines.map((line) => line.kind)).toEqual(['notice', 'tip', 'tip']);
  });

  it('is absent from a log of level 4', () => {
    const log = `${stamp}Possible block solve diff 1 !\n${stamp}BLOCK ACCEPTED!\n${solved}`;
    expect(scan(log).lines.map((line) => line.kind)).toEqual(['login', 'block']);
  });
});

describe('a recorded log', () => {
  let recording: Recording | null = null;
  const open = async (name: RecordingName) => (recording = await unpackRecording(name));
  afterEach(async () => recording?.remove());

  it('of a busy pool gives every solve in order, and nothing from its noise', async () => {
    const { log_file, truth } = await open('busy');
    const files = await Promise.all(['.1', '.2', ''].map((suffix) => readFile(log_file + suffix)));
    const blocks = files.flatMap((bytes) => scanLog(bytes).lines).filter((line) => line.kind === 'block');
    expect(blocks.map(({ height, finder, logged_at }) => [height, finder, logged_at]))
      .toEqual(truth.solves.map(({ height, worker, time }) => [height, worker, time]));
    for (const bytes of files) expect(scanLog(bytes).lines).toEqual(byTheBook(bytes));
  });

  it('fault 31: with forged solve lines gives them, for the node to refuse (D-31)', async () => {
    const { log_file } = await open('forged-solves');
    const bytes = await readFile(log_file);
    const blocks = scanLog(bytes).lines.filter((line) => line.kind === 'block');
    expect(new Set(blocks.map(({ height, logged_at }) => `${height} ${logged_at}`))).toEqual(new Set([
      '997 2026-11-20 09:34:00.000', '996 2026-11-20 09:34:01',
    ]));
    expect(scanLog(bytes).lines).toEqual(byTheBook(bytes));
  });

  it.each<RecordingName>(['hostile-names', 'full-disk'])('of %s is read as by the book (D-31)', async (name) => {
    const { log_file } = await open(name);
    const bytes = await readFile(log_file);
    expect(scanLog(bytes).lines).toEqual(byTheBook(bytes));
  });
});

describe('whatever the bytes', () => {
  const fragments = [
    stamp, stamp, stamp, '[2026-11-20 09:34:01] ', '[2026-11-20 09:3', '\n', '\n', '\n', '\r\n', 'Solved and confirmed block ',
    'Block ', ' solved by ', ' by ', ' @ ', '!', '5', '157', '99999999999', 'Block hash changed to ', hash, hash.slice(9),
    'User ', 'name', 'na.me', ':', ':{', json, '{"shares": 7}', '{"shares": 7', 'Submitting block data!', 'Pool:{',
    'Stored local workbase with 8 transactions', 'Possible block solve diff 1311.787555 !', 'Authorised client 3 worker ',
    'Setting maxclients to 18000', 'x'.repeat(65_000), 'y'.repeat(600), '\0', '\xff', '] ', 'validate', '/users/',
  ];
  const anyLog = fc.array(fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...fragments) },
    { weight: 4, arbitrary: fc.constantFrom('5', '157').map((height) => `${stamp}Solved and confirmed block ${height} by w.x\n`) },
    { weight: 4, arbitrary: fc.constantFrom(`${stamp}User u:${json}\n`, `${stamp}Block hash changed to ${hash}\n`) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')) },
  ), { maxLength: 60 }).map((parts) => Buffer.from(parts.join(''), 'latin1'));

  it('a scan says what reading line by line says', () => {
    fc.assert(fc.property(anyLog, (bytes) => {
      const { lines, consumed } = scanLog(bytes);
      expect(lines).toEqual(byTheBook(bytes));
      expect(consumed).toBe(bytes.toString('latin1').lastIndexOf('\n') + 1);
    }), { numRuns: 2000 });
  });

  it('fault 30: it does not matter where the reads are cut', () => {
    fc.assert(fc.property(anyLog, fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (bytes, sizes) => {
      const pieces: LogLine[] = [];
      let start = 0;
      for (let end = 0, turn = 0; end < bytes.length; turn++) {
        end = Math.min(bytes.length, end + sizes[turn % sizes.length]!);
        const { lines, consumed } = scanLog(bytes.subarray(start, end));
        pieces.push(...lines.map((line) => ({ ...line, offset: line.offset + start })));
        start += consumed;
      }
      expect(withoutRepeats(pieces)).toEqual(scanLog(bytes).lines);
    }), { numRuns: 500 });
  });

  it('it does not matter how few lines one scan may give', () => {
    fc.assert(fc.property(anyLog, fc.integer({ min: 1, max: 5 }), (bytes, lines_max) => {
      const pieces: LogLine[] = [];
      let start = 0;
      for (let consumed = -1; consumed !== 0; start += consumed) {
        const scan = scanLog(bytes.subarray(start), { lines_max });
        consumed = scan.consumed;
        pieces.push(...scan.lines.map((line) => ({ ...line, offset: line.offset + start })));
        expect(scan.lines.every((line) => line.offset < scan.consumed)).toBe(true);
      }
      expect(start).toBe(scanLog(bytes).consumed);
      expect(withoutRepeats(pieces)).toEqual(scanLog(bytes).lines);
    }), { numRuns: 500 });
  });

  it('fault 30: nothing throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      expect(scanLog(bytes).consumed).toBeLessThanOrEqual(bytes.length);
    }));
  });
});

it('64 MB of noise are stepped over in well under a second or two (D-38)', () => {
  const noise = `${stamp}Possible block solve diff 1311.787555 !\n`;
  const bytes = Buffer.from(noise.repeat(Math.ceil(64e6 / noise.length)), 'latin1');
  const started_ms = performance.now();
  expect(scanLog(bytes)).toEqual({ lines: [], consumed: bytes.length });
  expect(performance.now() - started_ms).toBeLessThan(5000);
});

it('names made to be slow to read do not hold up the log', () => {
  const name = ' @ '.repeat(320);
  const bytes = Buffer.from(`${stamp}Block 1 solved by ${name}\n`.repeat(4000), 'latin1');
  const began = process.cpuUsage();
  expect(scanLog(bytes).lines).toEqual([expect.objectContaining({ kind: 'login' })]);
  const { user, system } = process.cpuUsage(began);
  expect((user + system) / 1000).toBeLessThan(500);
});

/** Several scans repeat their login, and a notice where a later one begins. */
function withoutRepeats(lines: readonly LogLine[]): LogLine[] {
  let login = false;
  let notice = false;
  return lines.filter((line) => {
    if (line.kind === 'login' && login) return false;
    if (line.kind === 'notice' && notice) return false;
    login ||= line.kind === 'login';
    if (line.kind === 'notice') notice = true;
    if (line.kind === 'block') notice = false;
    return true;
  });
}

/** The same rules, written plainly: line by line, everything decoded, no searching ahead. */
function byTheBook(bytes: Buffer): LogLine[] {
  const text = bytes.toString('latin1');
  const lines: LogLine[] = [];
  let start = 0;
  for (const line of text.split('\n').slice(0, -1)) {
    if (line.length <= 65_536) readLine(line, start, lines);
    start += line.length + 1;
  }
  return withoutRepeats(lines);
}

function readLine(line: string, start: number, lines: LogLine[]): void {
  const stamps = '\\[\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d(?:\\.\\d{3})?\\] ';
  const marks = ['User ', 'Worker ', ' user', ' worker', ' client', 'Client', 'uthori', 'username', 'workername',
    'validate', 'Solved and', 'solved by', '/users/', '/workers/'];
  // A line that begins without this ckpool's own full stamp is evidence of a newline in a name.
  if (!/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] /.test(line) || marks.some((mark) => line.includes(mark))) {
    lines.push({ kind: 'login', offset: start });
  }
  const phrases = 'Solved and confirmed block |Block |User |Submitting block data!|Pool:\\{|Stored local workbase';
  let offset = start;
  for (const piece of line.split(new RegExp(`(?=${stamps}(?:${phrases}))`))) {
    const logged_at = piece.slice(1, piece.indexOf(']'));
    const message = piece.slice(logged_at.length + 3).replace(/\r$/, '');
    if (new RegExp(`^${stamps}(?:${phrases})`).test(piece)) readMessage(message, { offset, logged_at }, lines);
    offset += piece.length;
  }
}

function readMessage(message: string, place: { offset: number; logged_at: string }, lines: LogLine[]): void {
  const solved = /^Solved and confirmed block (\d+) by ([^\n]*)$/.exec(message) ?? /^Block (\d+) solved by ([^\n]*) @ [^\n]*!$/.exec(message);
  const tip = /^Block hash changed to ([0-9a-f]{64})$/.exec(message);
  const user = /^User ([^./_\n]{1,127}):(\{.*)$/s.exec(message);
  if (solved && Number(solved[1]) < 2 ** 31 && String(Number(solved[1])) === solved[1]) {
    lines.push({ kind: 'block', ...place, height: Number(solved[1]) as never, finder: solved[2]!.slice(0, 999) as never });
  }
  if (tip || /^(Submitting|Pool|Stored)/.test(message)) lines.push({ kind: 'notice', offset: place.offset });
  if (tip) lines.push({ kind: 'tip', ...place, hash: tip[1] as never });
  if (user) {
    try {
      const { shares } = JSON.parse(user[2]!) as { shares?: unknown };
      if (Number.isSafeInteger(shares)) lines.push({ kind: 'shares', offset: place.offset, user: user[1] as never, counter: BigInt(shares as number) as never });
    } catch {
      // Torn or not JSON: it says nothing.
    }
  }
}
