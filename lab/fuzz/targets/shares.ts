// Share counts from outside: users/<name> and the share logs. What is read fast must be what is read carefully.
import fc from 'fast-check';
import {
  readInteger, skipAsciiString, skipInteger, skipReal, skipString,
} from '../../../accounting/core/line-text.js';
import { isUserName } from '../../../accounting/core/log-line.js';
import { newline } from '../../../accounting/core/log-stamp.js';
import { recoverShares, type Share } from '../../../accounting/core/share-line.js';
import { createShareTally } from '../../../accounting/core/share-tally.js';
import { parseUserFile } from '../../../accounting/core/user-file.js';
import type { NameBytes } from '../../../shared/username.js';
import type { Corpus } from '../corpus.js';
import { damaged, damagedLines } from '../mutator.js';
import { must, mustEqual, target, withinTime, type Target } from '../target.js';

const limit_ms = 400;
const file = { height: 122, workinfoid: '6b00110b00000001' };

export const shareTargets = ({ user_files, share_lines }: Corpus): readonly Target[] => [
  target('user-file', 'A user file of any bytes is a count or a reason, and the count is that of the file.', damaged(user_files), checkUserFile),
  target('share-line', 'A share log line of any bytes gives whole shares or a reason.', damaged(share_lines), checkShareLine),
  target('share-tally', 'The fast sums over any share log are those of its lines one by one, however it is cut.',
    fc.tuple(damagedLines(share_lines, 6), fc.array(fc.nat(60_000), { maxLength: 3 })), checkTally),
  target('line-text', 'What a step passes for a string or a number is one to JSON.parse.',
    fc.tuple(damaged(share_lines), fc.nat(2_000)), checkSteps),
];

function checkUserFile(bytes: Buffer): void {
  const read = withinTime(limit_ms, () => parseUserFile(bytes));
  const object = parsed(bytes.toString('latin1'));
  if ('fault' in read) {
    must(/^[ -~]+$/.test(read.fault), 'a reason is plain text');
    const flat = object !== null && Object.values(object).every((value) => typeof value !== 'object' || value === null);
    const told = object !== null && flat && /^\{[^]*"shares": (?:0|[1-9]\d{0,14})[,}]/.test(bytes.toString('latin1'))
      && typeof object['shares'] === 'number' && Number.isSafeInteger(object['shares']) && object['shares'] >= 0
      && bytes.toString('latin1').match(/shares/g)?.length === 1;
    must(!told, `a count that stands there is read, not refused as ${read.fault}`);
    return;
  }
  must(read.counter >= 0n && read.counter < 2n ** 63n, 'a counter is what ckpool can count to');
  must(object !== null, 'only an object holds a counter');
  mustEqual(Number(read.counter), object['shares'], 'the count');
  must(read.updated_seconds === undefined || Number.isSafeInteger(read.updated_seconds), 'a time is a whole number');
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}

function checkShareLine(bytes: Buffer): void {
  const { shares, fault } = withinTime(limit_ms, () => recoverShares(bytes));
  must(fault !== '' || shares.length === 1, 'a line without a fault is one share');
  let before = -1;
  for (const { share, offset } of shares) {
    must(offset > before && offset < bytes.length, 'each share has a place of its own');
    before = offset;
    checkShare(share);
  }
}

function checkShare({ user, work, created, enonce1, nonce2, nonce, ntime }: Share): void {
  must(isUserName(user), 'a share belongs to a user');
  must(work >= 0n && work <= 2n ** 53n * 10n ** 18n, 'the work of a share is in bounds');
  must(Number.isSafeInteger(created.seconds) && created.seconds >= 0, 'a share has a second');
  must(created.nanoseconds >= 0 && created.nanoseconds < 1_000_000_000, 'and a part of it');
  for (const hex of [enonce1, nonce2, nonce, ntime]) must(/^[0-9a-f]*$/.test(hex), 'nonces are hex or nothing');
}

/** One for all inputs, as in the daemon: it remembers clients and users, and that must change no sum. */
const tally = createShareTally();

function checkTally([bytes, cuts]: [Buffer, number[]]): void {
  const sums = new Map<NameBytes, bigint>();
  let [accepted, faults, start] = [0, 0, 0];
  for (let end = bytes.indexOf(newline); end >= 0; start = end + 1, end = bytes.indexOf(newline, start)) {
    const line = bytes.subarray(start, end);
    if (line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)) continue;
    const { shares, fault } = recoverShares(line);
    faults += fault === '' ? 0 : 1;
    for (const { share } of shares.filter((one) => one.share.accepted)) {
      accepted += 1;
      if (share.work > 0n) sums.set(share.user, (sums.get(share.user) ?? 0n) + share.work);
    }
  }
  tally.clear();
  const taken = { consumed: 0, accepted: 0, faults: 0 };
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (const end of ends) {
    if (end <= taken.consumed) continue;
    const piece = withinTime(limit_ms, () => tally.take(bytes.subarray(taken.consumed, end), file, taken.consumed));
    taken.consumed += piece.consumed;
    taken.accepted += piece.accepted;
    taken.faults += piece.fault_count;
    must(piece.faults.length <= 100, 'named faults are bounded');
  }
  mustEqual(taken, { consumed: start, accepted, faults }, 'what was taken');
  mustEqual(new Map([...tally.work(0)].sort()), new Map([...sums].sort()), 'the sums');
}

function checkSteps([bytes, from]: [Buffer, number]): void {
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  const limit = copy.length;
  const start = from % (limit + 1);
  const text = (end: number): string => Buffer.from(copy.subarray(start, end)).toString('latin1');
  const string_end = skipString(view, limit, start);
  if (string_end >= 0) must(typeof JSON.parse(`"${text(string_end)}"`) === 'string', 'a string is one to JSON.parse');
  must([-1, string_end].includes(skipAsciiString(view, limit, start)), 'a string of ASCII is a string');
  for (const end of [skipInteger(view, limit, start), skipReal(view, limit, start)]) {
    if (end >= 0) must(typeof JSON.parse(text(end)) === 'number', 'a number is one to JSON.parse');
  }
  const read = { number: -1 };
  const end = readInteger(view, limit, start, 15, read);
  if (end >= 0) mustEqual(read.number, JSON.parse(text(end)), 'the number');
}
