// Reads one line of a share log straight from its bytes, where the line is as ckpool writes nearly all of them:
// its keys in its order, a difficulty in digits. Anything else is "unusual", never a guess, and is left to
// parseShareLine. What is read here is exactly what parseShareLine says of the same bytes; properties in
// share-tally.test.ts hold the two together.
//
// A busy pool writes hundreds of megabytes in a round: there is one pass, no string and no object for each line. A
// line has two parts: what differs from share to share, up to createdate, and its origin, the same in all lines of
// a client (known-origins.ts): a caller who knows that need not scan it.
import { utf8Text } from './share-line.js';
import {
  fixedText, fixedTexts, isAscii, readDigits, readInteger, skipAsciiString, skipDigits, skipHexString, skipInteger, skipReal,
  skipString, skipText, skipTexts,
} from './line-text.js';

/** What the scanner found in a line. One such value is used again and again. */
export interface ScannedShare {
  accepted: boolean;
  /** Whole shares, below 10^9: a number that is exact. */
  difficulty: number;
  /** What it has beyond them: nine decimals, and the nine behind those. */
  billionths: number;
  quintillionths: number;
  /** The whole number that was read last. */
  number: number;
  seconds: number;
  nanoseconds: number;
  client_start: number;
  client_end: number;
  user_start: number;
  user_end: number;
}

export const emptyScan = (): ScannedShare => ({
  accepted: false, difficulty: 0, billionths: 0, quintillionths: 0, number: 0, seconds: 0, nanoseconds: 0,
  client_start: 0, client_end: 0, user_start: 0, user_end: 0,
});

const comma = 0x2c;
const dot = 0x2e;

const to_workinfoid = fixedText('{"workinfoid": ');
const to_clientid = fixedText(', "clientid": ');
const to_enonce1 = fixedText(', "enonce1": "');
const to_nonce2 = fixedText('", "nonce2": "');
const to_nonce = fixedText('", "nonce": "');
const to_ntime = fixedText('", "ntime": "');
const to_diff = fixedText('", "diff": ');
const whole_to_sdiff = fixedText('.0, "sdiff": ');
const to_sdiff = fixedText(', "sdiff": ');
const to_hash = fixedText(', "hash": "');
const to_result = fixedText('", "result": ');
const accepted_to_comma = fixedText('true, "errn": 0,');
const comma_to_createdate = fixedText(' "createdate": "');
const accepted_to_errn = fixedText('true, "errn": ');
const to_reason = fixedTexts('false, "reject-reason": "');
const to_errn = fixedText('", "errn": ');
const to_createdate = fixedTexts(', "createdate": "');
const to_createinet = fixedTexts('", "createby": "code", "createcode": "parse_submit", "createinet": "');
const to_workername = fixedTexts('", "workername": "');
const to_username = fixedText('", "username": "');
const to_address = fixedText('", "address": "');
const to_agent = fixedText('", "agent": "');
const to_end = '"}\n';

/**
 * Scans what differs from share to share, in the line that begins at `start`. Returns where its origin begins, or
 * -1 when the line is unusual. All of it is ASCII.
 */
export function scanShare(view: DataView, limit: number, start: number, found: ScannedShare): number {
  const nonces_at = scanClient(view, limit, start, found);
  const diff_at = scanNonces(view, limit, nonces_at);
  const hash_at = scanDifficulty(view, limit, diff_at, found);
  const verdict_at = skipHexString(view, limit, hash_at, to_result);
  return scanMoment(view, limit, scanVerdict(view, limit, verdict_at, found), found);
}

function scanClient(view: DataView, limit: number, start: number, found: ScannedShare): number {
  const workinfoid_end = skipInteger(view, limit, skipText(view, limit, start, to_workinfoid));
  found.client_start = skipText(view, limit, workinfoid_end, to_clientid);
  found.client_end = skipInteger(view, limit, found.client_start);
  return skipText(view, limit, found.client_end, to_enonce1);
}

function scanNonces(view: DataView, limit: number, start: number): number {
  const nonce2_at = skipHexString(view, limit, start, to_nonce2);
  const nonce_at = skipHexString(view, limit, nonce2_at, to_nonce);
  const ntime_at = skipHexString(view, limit, nonce_at, to_ntime);
  return skipHexString(view, limit, ntime_at, to_diff);
}

/** From `8.0` or `0.125` to where the hash begins. Digits beyond 18 decimals do not count (parseWork). */
function scanDifficulty(view: DataView, limit: number, start: number, found: ScannedShare): number {
  const dot_at = readInteger(view, limit, start, 9, found);
  if (dot_at < 0) return -1;
  found.difficulty = found.number;
  found.billionths = 0;
  found.quintillionths = 0;
  const whole_end = skipText(view, limit, dot_at, whole_to_sdiff);
  const sdiff_at = whole_end < 0 ? scanFraction(view, limit, dot_at, found) : whole_end;
  return skipText(view, limit, skipReal(view, limit, sdiff_at), to_hash);
}

function scanFraction(view: DataView, limit: number, dot_at: number, found: ScannedShare): number {
  if (dot_at >= limit || view.getUint8(dot_at) !== dot) return -1;
  const start = dot_at + 1;
  const end = skipDigits(view, limit, start);
  if (end === start) return -1;
  found.billionths = readDecimals(view, start, end);
  found.quintillionths = readDecimals(view, start + 9, end);
  const any = found.difficulty + found.billionths + found.quintillionths > 0;
  return any || end - start <= 18 ? skipText(view, limit, end, to_sdiff) : -1;
}

/** Nine decimals, of which those from `end` on are zeros that were not written. */
function readDecimals(view: DataView, start: number, end: number): number {
  if (end <= start) return 0;
  return end - start >= 9
    ? readDigits(view, start, start + 9)
    : readDigits(view, start, end) * 10 ** (9 - (end - start));
}

/** From `true` or `false` to where createdate begins. */
function scanVerdict(view: DataView, limit: number, start: number, found: ScannedShare): number {
  const usual_end = skipText(view, limit, skipText(view, limit, start, accepted_to_comma), comma_to_createdate);
  found.accepted = usual_end >= 0 || skipText(view, limit, start, accepted_to_errn) >= 0;
  return usual_end < 0 ? scanErrn(view, limit, start, found.accepted) : usual_end;
}

function scanErrn(view: DataView, limit: number, start: number, accepted: boolean): number {
  const errn_at = accepted
    ? skipText(view, limit, start, accepted_to_errn)
    : skipText(view, limit, skipAsciiString(view, limit, skipTexts(view, limit, start, to_reason)), to_errn);
  return skipTexts(view, limit, skipInteger(view, limit, errn_at), to_createdate);
}

function scanMoment(view: DataView, limit: number, start: number, found: ScannedShare): number {
  const seconds_end = readInteger(view, limit, start, 10, found);
  if (seconds_end < 0 || seconds_end >= limit || view.getUint8(seconds_end) !== comma) return -1;
  found.seconds = found.number;
  const end = readInteger(view, limit, seconds_end + 1, 9, found);
  found.nanoseconds = found.number;
  return end;
}

/** Scans where a share came from and whose it is. Returns where the next line begins, or -1: unusual. */
export function scanOrigin(view: DataView, limit: number, start: number, found: ScannedShare): number {
  let at = skipString(view, limit, skipTexts(view, limit, start, to_createinet));
  at = skipString(view, limit, skipTexts(view, limit, at, to_workername));
  found.user_start = skipText(view, limit, at, to_username);
  found.user_end = skipString(view, limit, found.user_start);
  at = skipString(view, limit, skipText(view, limit, found.user_end, to_address));
  const agent_end = skipString(view, limit, skipText(view, limit, at, to_agent));
  const end = agent_end + to_end.length;
  if (agent_end < 0 || end > limit) return -1;
  for (let index = 0; index < to_end.length; index++) {
    if (view.getUint8(agent_end + index) !== to_end.charCodeAt(index)) return -1;
  }
  return isAscii(view, start, end) || isUtf8(view, start, end) ? end : -1;
}

const isUtf8 = (view: DataView, start: number, end: number): boolean =>
  utf8Text(new Uint8Array(view.buffer, view.byteOffset + start, end - start)) !== null;
