// The log: lines, stamps, where logins begin. Real lines, damaged, in whatever pieces they are read.
import fc from 'fast-check';
import { createCounterFold } from '../../../accounting/core/counter-fold.js';
import { isUserName, scanLog, type LogLine } from '../../../accounting/core/log-line.js';
import { firstLogin } from '../../../accounting/core/log-login.js';
import { firstStamp, newline, stampAt, stampMs, stamp_pattern } from '../../../accounting/core/log-stamp.js';
import { isBlockHeight } from '../../../shared/units.js';
import type { Corpus } from '../corpus.js';
import { damaged, damagedLines } from '../mutator.js';
import { must, mustEqual, target, withinTime, type Target } from '../target.js';

/** What six long lines may take; they take a few milliseconds. */
const scan_limit_ms = 400;
const counter_max = 2n ** 63n - 1n;
const whole_stamp = new RegExp(`^${stamp_pattern}$`);

export const logTargets = ({ log_lines }: Corpus): readonly Target[] => [
  target('log-line', 'A scan of any bytes ends soon, throws nothing and claims only what ckpool could have meant.',
    damagedLines(log_lines, 6), checkScan),
  target('log-pieces', 'Wherever a log is cut into pieces, its lines are the same.',
    fc.tuple(damagedLines(log_lines, 8), fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 4 })), checkPieces),
  target('log-folded', 'Lines about users that are folded say together what they say one by one.',
    damagedLines(log_lines, 6), checkFolded),
  target('log-login', 'The first line that may carry a name is found, the earlier for more bytes never.',
    fc.tuple(damagedLines(log_lines, 6), fc.nat(5)), checkLogin),
  target('log-stamp', 'A stamp is one that stands in the bytes, or there is none.', damaged(log_lines), checkStamp),
];

function checkScan(bytes: Buffer): void {
  const { lines, consumed } = withinTime(scan_limit_ms, () => scanLog(bytes));
  mustEqual(consumed, bytes.lastIndexOf(newline) + 1, 'what is consumed ends with the last newline');
  let before = 0;
  for (const line of lines) {
    must(line.offset >= before && line.offset < consumed, `the offset ${line.offset} is out of order`);
    before = line.offset;
    checkLine(line, bytes);
  }
}

function checkLine(line: LogLine, bytes: Buffer): void {
  switch (line.kind) {
    case 'block':
      must(isBlockHeight(line.height), 'a block has a height');
      must(line.finder.length <= 999 && !line.finder.includes('\n'), 'a finder is a part of one line');
      break;
    case 'shares':
      must(isUserName(line.user) && line.user.length <= 127, 'counts belong to what can be a user');
      must(line.counter >= 0n && line.counter <= counter_max, 'a counter is what ckpool can count to');
      break;
    case 'tip':
      must(/^[0-9a-f]{64}$/.test(line.hash), 'a tip is a hash');
      break;
    case 'login':
    case 'notice':
      return;
  }
  const stamp = bytes.toString('latin1', line.offset + 1, bytes.indexOf(']', line.offset));
  must(whole_stamp.test(stamp), 'a message has a stamp');
  if (line.kind !== 'shares') mustEqual(line.logged_at, stamp, 'it was logged then');
}

/** A login is told once a scan, a notice once a scan and after each block: not by every piece again. */
const facts = (lines: readonly LogLine[]): LogLine[] => lines.filter(({ kind }) => kind !== 'login' && kind !== 'notice');

function checkPieces([bytes, sizes]: [Buffer, number[]]): void {
  const pieces: LogLine[] = [];
  let start = 0;
  for (let end = 0, turn = 0; end < bytes.length; turn++) {
    end = Math.min(bytes.length, end + sizes[turn % sizes.length]! * Math.max(1, Math.floor(bytes.length / 4000)));
    const { lines, consumed } = scanLog(bytes.subarray(start, end));
    pieces.push(...lines.map((line) => ({ ...line, offset: line.offset + start })));
    start += consumed;
  }
  const whole = scanLog(bytes).lines;
  mustEqual(facts(pieces), facts(whole), 'the facts of the pieces');
  for (const kind of ['login', 'notice'] as const) {
    const first = (lines: readonly LogLine[]) => lines.find((line) => line.kind === kind)?.offset;
    mustEqual(first(pieces), first(whole), `the first ${kind}`);
  }
}

/** One for all inputs: its tables are large, and no input leaves anything to the next. */
const fold = createCounterFold();

function checkFolded(bytes: Buffer): void {
  fold.begin(() => ({ counter: 0, highest: Number.MAX_SAFE_INTEGER }), false);
  fold.mark();
  fold.open(bytes, 0n);
  const { lines, consumed } = withinTime(scan_limit_ms, () => scanLog(bytes, { fold }));
  const folded = [...lines, ...fold.drain()];
  const by_the_book = scanLog(bytes);
  mustEqual(consumed, by_the_book.consumed, 'as many bytes are consumed');
  // Whose counter falls is told in full, by another look.
  if (fold.surprises.size > 0) return;
  mustEqual(countersByBlock(folded), countersByBlock(by_the_book.lines), 'the counters before each block');
  mustEqual(withoutUsers(folded), withoutUsers(by_the_book.lines), 'the other lines');
}

const withoutUsers = (lines: readonly LogLine[]): LogLine[] => lines.filter(({ kind }) => kind !== 'shares');

/** The last counter of each user between two block lines. */
function countersByBlock(lines: readonly LogLine[]): string[][] {
  const blocks = [new Map<string, bigint>()];
  for (const line of lines) {
    if (line.kind === 'shares') blocks.at(-1)!.set(line.user, line.counter);
    if (line.kind === 'block') blocks.push(new Map());
  }
  return blocks.map((counters) => [...counters].map(([user, counter]) => `${user} ${counter}`).sort());
}

function checkLogin([bytes, lines]: [Buffer, number]): void {
  const whole = bytes.subarray(0, bytes.lastIndexOf(newline) + 1);
  const login = withinTime(scan_limit_ms, () => firstLogin(whole));
  if (login !== null) must(login === 0 || whole[login - 1] === newline, 'a login begins where a line does');
  let end = 0;
  for (let line = 0; line < lines; line++) end = whole.indexOf(newline, end) + 1 || whole.length;
  const earlier = firstLogin(whole.subarray(0, end));
  mustEqual(earlier, login !== null && login < end ? login : null, 'the same in fewer lines');
}

function checkStamp(bytes: Buffer): void {
  const stamp = withinTime(scan_limit_ms, () => firstStamp(bytes));
  for (let at = 0; at < Math.min(bytes.length, 200); at++) if (stampAt(bytes, at)) must(stamp !== null, 'a full stamp is found');
  if (stamp === null) return;
  must(whole_stamp.test(stamp) && bytes.includes(`[${stamp}] `), 'the stamp stands in the bytes');
  const at_ms = stampMs(stamp);
  must(at_ms === null || Number.isSafeInteger(at_ms), 'its time is a whole number of milliseconds');
}
