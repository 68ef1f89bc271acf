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
import { firstLogin } from './log-login.js';
import { line_bytes_max, newline, stamp_pattern } from './log-stamp.js';
import { parseUserJson } from './user-file.js';

/** `offset`: where the message's stamp begins in the bytes given: its line's start unless it is glued. */
export type LogLine =
  /** `Solved and confirmed block H by W`, or `Block H solved by W @ S!` from a trusted remote pool. */
  | { kind: 'block'; offset: number; height: BlockHeight; finder: NameBytes; logged_at: string }
  /** `User name:{… "shares": N …}`, once a minute for active users. */
  | { kind: 'shares'; offset: number; user: NameBytes; counter: Shares; logged_at: string }
  /** `Block hash changed to <hash>`: the new tip, also printed when ckpool starts. */
  | { kind: 'tip'; offset: number; hash: BlockHash; logged_at: string }
  /** At most one a scan: the first line that may carry a name chosen at login. */
  | { kind: 'login'; offset: number }
  /** A line that only log level 5 and above prints. At most one a scan and one after each block line. */
  | { kind: 'notice'; offset: number };

/** ckpool cuts the text of a line there: no real worker name is longer. */
const text_bytes_max = 999;

const facts = ['] Solved and confirmed block ', '] Block ', '] User '] as const;
const notices = ['] Submitting block data!', '] Pool:{', '] Stored local workbase'] as const;
const message_phrases =
  'Solved and confirmed block |Block |User |Submitting block data!|Pool:\\{|Stored local workbase';
const messages = new RegExp(`\\[(${stamp_pattern})\\] (?=${message_phrases})`, 'g');

/** A pool of 5,000 users writes as many in two minutes. */
export const scanned_lines_max = 10_000;

/**
 * The lines of a stretch of the log that begins at a line's start, in order. `consumed` counts the bytes up
 * to and including the last newline: what follows is a line still being written. After `lines_max` lines the scan
 * ends earlier, behind the line that it has come to.
 */
export function scanLog(
  bytes: Uint8Array, lines_max = scanned_lines_max,
): { lines: LogLine[]; consumed: number } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let consumed = buffer.lastIndexOf(newline) + 1;
  const whole = buffer.subarray(0, consumed);
  const lines: LogLine[] = [];
  const login = firstLogin(whole);
  let login_pending = login !== null;
  let notice_due = true;
  for (const [start, end] of phraseLines(whole, () => notice_due)) {
    if (login_pending && login! <= start) {
      lines.push({ kind: 'login', offset: login! });
      login_pending = false;
    }
    for (const message of messagesOf(whole.toString('latin1', start, end))) {
      const fact = parseMessage(message, start + message.index);
      if (fact === 'notice' || fact?.kind === 'tip') {
        if (notice_due) lines.push({ kind: 'notice', offset: start + message.index });
        notice_due = false;
      }
      if (fact === null || fact === 'notice') continue;
      lines.push(fact);
      if (fact.kind === 'block') notice_due = true;
    }
    if (lines.length >= lines_max) {
      consumed = end + 1;
      break;
    }
  }
  if (login_pending && login! < consumed) lines.push({ kind: 'login', offset: login! });
  return { lines, consumed };
}

/**
 * The lines that hold a phrase, as [start, end) without the newline, each once and in order. Every phrase is
 * searched for in the whole buffer, so noise is never touched line by line.
 */
function* phraseLines(whole: Buffer, wantsNotice: () => boolean): Generator<[number, number]> {
  const phrases = [...facts, ...notices].map((text) => ({ needle: Buffer.from(text), at: -1 }));
  let from = 0;
  while (from < whole.length) {
    let found = whole.length;
    phrases.forEach((phrase, index) => {
      if (index >= facts.length && !wantsNotice()) return;
      if (phrase.at < from) {
        const at = whole.indexOf(phrase.needle, from);
        phrase.at = at < 0 ? whole.length : at;
      }
      found = Math.min(found, phrase.at);
    });
    if (found === whole.length) return;
    const start = Math.max(from, whole.lastIndexOf(newline, found) + 1);
    const end = whole.indexOf(newline, found);
    if (end - start <= line_bytes_max) yield [start, end];
    from = end + 1;
  }
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
  if (text.startsWith('User ')) return parseShares(text, logged_at, offset);
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
function parseShares(text: string, logged_at: string, offset: number): LogLine | null {
  const object_start = text.lastIndexOf(':{');
  if (object_start < 0) return null;
  const user = text.slice('User '.length, object_start) as NameBytes;
  if (!isUserName(user)) return null;
  const parsed = parseUserJson(text.slice(object_start + 1));
  return 'fault' in parsed ? null : { kind: 'shares', offset, user, counter: parsed.counter, logged_at };
}

/**
 * Whether ckpool could have made this a user: not empty, what splitting at `.` and `_` leaves, no `/`. Nor NUL,
 * which no file's name holds: only a disk that lost its bytes puts it into a line.
 */
export function isUserName(name: NameBytes): boolean {
  return name !== '' && !name.includes('/') && !name.includes('\0') && userOfWorker(name) === name;
}
