// One line of a share log: a flat JSON object that ckpool writes for each share that it looked at, accepted or
// not, in one write, and that nobody else can write. Names in it are escaped, so a miner can forge no line and no
// key. What counts (user, diff, result, createdate) must be right or the line is a fault; what only serves to
// recognise a block (the nonces) is empty when it is no hex, since the share was accepted all the same.
//
// Nothing here throws, whatever the bytes. Torn lines are everyday on a full disk: the next line is then glued to
// the half one. `recoverShares` finds what is whole in such a line.
import { nameFromBuffer, userOfWorker, type NameBytes } from '../../shared/username.js';
import { isUserName } from './log-line.js';
import { line_bytes_max } from './log-stamp.js';
import type { ShareMoment } from './share-order.js';
import { parseWork, type Work } from './share-work.js';

export interface Share {
  readonly user: NameBytes;
  readonly worker: NameBytes;
  /** The difficulty that the client was set to: what an accepted share adds to its user's work. */
  readonly work: Work;
  readonly accepted: boolean;
  /** When it came in. */
  readonly created: ShareMoment;
  /** Lower-case hex, or empty. */
  readonly enonce1: string;
  readonly nonce2: string;
  readonly nonce: string;
  readonly ntime: string;
}

export type ShareLine = Share | { readonly fault: string };

const moment = /^(0|[1-9]\d{0,11}),(0|[1-9]\d{0,8})$/;
const hex = /^[0-9a-f]+$/i;
const lone_surrogate = /\p{Surrogate}/u;
/** With a flat object a key can stand only after `{`, `,` or space: an unescaped quote ends a string. */
const diff_text = /(?<=[{,\s])"diff"\s*:\s*(-?[0-9][0-9.eE+-]*)(?=\s*[,}])/g;

/** The share in one line without its newline, or why there is none. workinfoid is never read: it is over 2^53. */
export function parseShareLine(line: Uint8Array): ShareLine {
  if (line.length > line_bytes_max) return { fault: `longer than ${line_bytes_max} bytes` };
  const text = utf8Text(line);
  if (text === null) return { fault: 'not UTF-8' };
  const object = parseObject(text);
  if (object === null) return { fault: 'not one flat JSON object' };
  const { result } = object;
  if (typeof result !== 'boolean') return { fault: '"result" is not true or false' };
  const work = workIn(text, object['diff']);
  if (work === null) return { fault: '"diff" is not a number of shares' };
  const created = parseMoment(object['createdate']);
  if (created === null) return { fault: '"createdate" is not seconds,nanoseconds' };
  const worker = nameIn(object['workername']);
  if (worker === null) return { fault: '"workername" is not a name' };
  // A user name whose cut at 127 bytes splits a character is no JSON string: ckpool's line is then without it.
  const user = Object.hasOwn(object, 'username') ? nameIn(object['username']) : userOfWorker(worker);
  if (user === null || !isUserName(user)) return { fault: '"username" is not the name of a user' };
  return {
    user, worker, work, accepted: result, created,
    enonce1: hexIn(object['enonce1']), nonce2: hexIn(object['nonce2']),
    nonce: hexIn(object['nonce']), ntime: hexIn(object['ntime']),
  };
}

/** Null: these bytes are no UTF-8. A decoder puts U+FFFD in the place of what it cannot read. */
export function utf8Text(bytes: Uint8Array): string | null {
  const read = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = read.toString('utf8');
  return !text.includes('\ufffd') || Buffer.from(text, 'utf8').equals(read) ? text : null;
}

function parseObject(text: string): Record<string, unknown> | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const flat = Object.values(value).every((field) => typeof field !== 'object' || field === null);
  return flat ? (value as Record<string, unknown>) : null;
}

/** From the digits themselves. The comparison catches a second "diff" in a form that the pattern does not see. */
function workIn(text: string, diff: unknown): Work | null {
  const digits = [...text.matchAll(diff_text)].at(-1)?.[1];
  return digits === undefined || Number(digits) !== diff ? null : parseWork(digits);
}

/** Nanoseconds are not padded: `5,7` is seven of them. */
function parseMoment(createdate: unknown): ShareMoment | null {
  const match = typeof createdate === 'string' ? moment.exec(createdate) : null;
  return match && { seconds: Number(match[1]), nanoseconds: Number(match[2]) };
}

/** Half a surrogate pair has no bytes that ckpool could have received. */
function nameIn(value: unknown): NameBytes | null {
  if (typeof value !== 'string' || lone_surrogate.test(value)) return null;
  return nameFromBuffer(Buffer.from(value, 'utf8'));
}

const hexIn = (value: unknown): string =>
  typeof value === 'string' && hex.test(value) ? value.toLowerCase() : '';

/** How every object begins. Within a string its quotes would be escaped, so no name can hold it. */
const object_start = Buffer.from('{"workinfoid"');
const quote = 0x22;
const backslash = 0x5c;
const brace_close = 0x7d;

export interface RecoveredShares {
  /** `offset`: where the share's object begins in the line. */
  readonly shares: { readonly share: Share; readonly offset: number }[];
  /** Why the line is not simply one share; empty if it is. */
  readonly fault: string;
}

/** Every whole share in a line, however torn or glued together it is. */
export function recoverShares(line: Uint8Array): RecoveredShares {
  const whole = parseShareLine(line);
  if (!('fault' in whole)) return { shares: [{ share: whole, offset: 0 }], fault: '' };
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.length);
  const shares: RecoveredShares['shares'] = [];
  let start = bytes.indexOf(object_start);
  while (start >= 0) {
    const next = bytes.indexOf(object_start, start + 1);
    const end = objectEnd(bytes, start, next < 0 ? bytes.length : next);
    const share = end < 0 ? null : parseShareLine(bytes.subarray(start, end));
    if (share && !('fault' in share)) shares.push({ share, offset: start });
    start = next;
  }
  return { shares, fault: whole.fault };
}

/** Behind the first brace that closes outside a string; -1 when there is none before `limit`. */
function objectEnd(bytes: Buffer, start: number, limit: number): number {
  let in_string = false;
  for (let at = start; at < limit; at++) {
    const byte = bytes[at]!;
    if (byte === quote) in_string = !in_string;
    else if (byte === backslash) at += 1;
    else if (byte === brace_close && !in_string) return at + 1;
  }
  return -1;
}
