// What the lines of ckpool.log say, of those that mean something to us: about one in twenty. A line is a
// claim, not a fact: names reach the log unescaped, so a miner can write any of these. Matching is generous
// (a real message can be glued to a torn one), believing is done elsewhere, with the node and the user files.
//
// A message counts where a full stamp stands directly before its phrase, wherever in the line that is. A
// line of several such messages (torn and glued) gives each of them, cut where the next begins.
//
// Never throws, whatever the bytes. Decodes only lines that hold a phrase; lines over 64 KiB are
// stepped over. A scan ends after so many lines that tell something: a forger could fill megabytes with them,
// and each is a hundred times larger in memory than in the log.
import {
  blockHash,
  isBlockHeight,
  type BlockHash,
  type BlockHeight,
  type Shares,
} from '../../shared/units.js';
import { userOfWorker, type NameBytes } from '../../shared/username.js';
import type { CounterFold, FoldedLine } from './counter-fold.js';
import { firstLogin } from './log-login.js';
import { searchPhrases } from './log-phrases.js';
import { line_bytes_max, newline, stamp_pattern } from './log-stamp.js';
import { parseUserJson } from './user-file.js';

/**
 * `offset`: where the message's stamp begins in the bytes given: its line's start unless it is glued. Below zero for
 * a line that was folded from earlier bytes.
 */
export type LogLine =
  /** `Solved and confirmed block H by W`, or `Block H solved by W @ S!` from a trusted remote pool. */
  | { kind: 'block'; offset: number; height: BlockHeight; finder: NameBytes; logged_at: string }
  /** `User name:{… "shares": N …}`, once a minute for active users. */
  | { kind: 'shares'; offset: number; user: NameBytes; counter: Shares }
  | FoldedLine
  /** `Block hash changed to <hash>`: the new tip, also printed when ckpool starts. */
  | { kind: 'tip'; offset: number; hash: BlockHash; logged_at: string }
  /** At most one a scan: the first line that may carry a name chosen at login. */
  | { kind: 'login'; offset: number }
  /** A line that only log level 5 and above prints. At most one a scan and one after each block line. */
  | { kind: 'notice'; offset: number };

/** ckpool cuts the text of a line there: no real worker name is longer. */
const text_bytes_max = 999;

const message_phrases =
  'Solved and confirmed block |Block |User |Submitting block data!|Pool:\\{|Stored local workbase';
const messages = new RegExp(`\\[(${stamp_pattern})\\] (?=${message_phrases})`, 'g');

/** Of those that tell of a user, a block or a tip. */
export const scanned_lines_max = 10_000;

export interface ScanOptions {
  /** After so many lines the scan ends earlier, behind the line that it has come to. */
  readonly lines_max?: number;
  /** Whoever scans knows already that names may stand in the log, or that it is of log level 5. */
  readonly login_seen?: boolean;
  readonly notice_seen?: boolean;
  /** Takes lines about users, and gives one for many (counter-fold.ts). It was opened for these bytes. */
  readonly fold?: CounterFold | null;
}

export interface LogScan {
  readonly lines: LogLine[];
  /** Counts the bytes up to and including the last newline: what follows is a line still being written. */
  readonly consumed: number;
}

/**
 * The lines of a stretch of the log that begins at a line's start, in order. Those that were folded come before the
 * next block line, or stay with the fold.
 */
export function scanLog(bytes: Uint8Array, options: ScanOptions = {}): LogScan {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = buffer.subarray(0, buffer.lastIndexOf(newline) + 1);
  const { lines_max = scanned_lines_max, fold = null } = options;
  const phrases = searchPhrases(whole);
  const lines: LogLine[] = [];
  let login = options.login_seen ? null : firstLogin(whole);
  let notice_due = !options.notice_seen;
  let from = 0;
  let told = 0;

  const noteLogin = (line_start: number): void => {
    if (login === null || login > line_start) return;
    lines.push({ kind: 'login', offset: login });
    login = null;
  };

  /** What one line says, in order. */
  function takeLine(start: number, end: number): void {
    for (const message of messagesOf(whole.toString('latin1', start, end))) {
      const fact = parseMessage(message, start + message.index);
      if (fact === 'notice' || fact?.kind === 'tip') {
        if (notice_due) lines.push({ kind: 'notice', offset: start + message.index });
        notice_due = false;
      }
      if (fact === null || fact === 'notice') continue;
      told += 1;
      if (fact.kind === 'shares' && fold?.take(fact.user, fact.counter, fact.offset)) continue;
      if (fact.kind === 'block') {
        if (fold) for (const line of fold.drain()) lines.push(line);
        notice_due = true;
      }
      lines.push(fact);
    }
  }

  while (told < lines_max) {
    const user = phrases.user(from);
    const found = phrases.other(from, user, notice_due);
    if (found === whole.length) break;
    const start = Math.max(from, whole.lastIndexOf(newline, found) + 1);
    noteLogin(start);
    if (fold && found === user) {
      // No other phrase can stand in the lines that it takes.
      const taken_before = fold.taken;
      from = fold.takeRun(start, lines_max - told);
      told += fold.taken - taken_before;
      if (from > start) continue;
    }
    const end = whole.indexOf(newline, found);
    if (end - start <= line_bytes_max) takeLine(start, end);
    from = end + 1;
  }
  const consumed = told < lines_max ? whole.length : from;
  noteLogin(consumed - 1);
  return { lines, consumed };
}

interface Message {
  index: number;
  logged_at: string;
  text: string;
}

function messagesOf(line: string): Message[] {
  const stamps = [...line.replace(/\r$/, '').matchAll(messages)];
  return stamps.map((stamp, position) => ({
    index: stamp.index,
    logged_at: stamp[1]!,
    text: line.slice(stamp.index + stamp[0].length, stamps[position + 1]?.index).replace(/\r$/, ''),
  }));
}

function parseMessage({ text, logged_at }: Message, offset: number): LogLine | 'notice' | null {
  if (text.startsWith('User ')) return parseShares(text, offset);
  if (text.startsWith('Block hash changed to ')) return parseTip(text, logged_at, offset);
  if (text.startsWith('Solved ') || text.startsWith('Block ')) return parseBlock(text, logged_at, offset);
  return 'notice';
}

function parseBlock(text: string, logged_at: string, offset: number): LogLine | null {
  const match = /^Solved and confirmed block (0|[1-9]\d{0,9}) by ([^]*)$/.exec(text) ?? matchRemoteBlock(text);
  const height = Number(match?.[1] ?? NaN);
  if (match === null || !isBlockHeight(height)) return null;
  const finder = match[2]!.slice(0, text_bytes_max) as NameBytes;
  return { kind: 'block', offset, height, finder, logged_at };
}

/**
 * `Block H solved by W @ S!`, the name up to the last ` @ `. Searched for by hand: a pattern would try each ` @ ` of
 * a name that holds many against the whole rest, and a forger could hold up the log.
 */
function matchRemoteBlock(text: string): readonly string[] | null {
  const head = /^Block (0|[1-9]\d{0,9}) solved by /.exec(text);
  const at = head && text.endsWith('!') ? text.slice(0, -1).lastIndexOf(' @ ') : -1;
  return head && at >= head[0].length ? [text, head[1]!, text.slice(head[0].length, at)] : null;
}

function parseTip(text: string, logged_at: string, offset: number): LogLine | null {
  const hash = /^Block hash changed to ([0-9a-f]{64})$/.exec(text)?.[1];
  return hash === undefined ? null : { kind: 'tip', offset, hash: blockHash(hash), logged_at };
}

/** The name may hold `:{` itself; the object, being flat, cannot. */
function parseShares(text: string, offset: number): LogLine | null {
  const object_start = text.lastIndexOf(':{');
  if (object_start < 0) return null;
  const user = text.slice('User '.length, object_start) as NameBytes;
  if (!isUserName(user)) return null;
  const parsed = parseUserJson(text.slice(object_start + 1));
  return 'fault' in parsed ? null : { kind: 'shares', offset, user, counter: parsed.counter };
}

/**
 * Whether ckpool could have made this a user: not empty, what splitting at `.` and `_` leaves, no `/`. Nor NUL,
 * which no file's name holds: only a disk that lost its bytes puts it into a line.
 */
export function isUserName(name: NameBytes): boolean {
  return name !== '' && !name.includes('/') && !name.includes('\0') && userOfWorker(name) === name;
}
