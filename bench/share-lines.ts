// Lines of share logs in ckpool's exact form, fast: one template per user, into which the digits that differ
// from share to share are written. About one in twenty-five is rejected, for each reason that ckpool knows.
// Few users have most of the work, as in a real pool. The same seed gives the same bytes, and `accepted_work`
// says what they add up to, so that no figure of the bench rests on a wrong sum.
import { closeSync, openSync, writeSync } from 'node:fs';
import { heightDirectory } from '../lab/simulated-ckpool/share-log.js';
import type { Random } from '../lab/random.js';

export interface ShareLines {
  /** Writes the next line at `at` of the buffer, which has room for `line_bytes_max`; returns its end. */
  next(into: Buffer, at: number): number;
  /** How far the time of the shares runs on with each of them. */
  setPace(nanoseconds_a_share: number): void;
  /** When the next share arrives. */
  setTime(time_ms: number): void;
  /** The work that the following shares belong to, 16 hex digits as in the name of its file. */
  setWork(workinfoid: string): void;
  readonly lines: number;
  readonly accepted_lines: number;
  /** The sum of `diff` of all accepted shares so far. */
  readonly accepted_work: number;
}

export const line_bytes_max = 1_024;
const rejected_part = 0.04;
const start_ms = Date.UTC(2026, 10, 20, 9, 0, 0);

export const workInfo = (counter: number): string =>
  ((BigInt(start_ms / 1_000) << 32n) + BigInt(counter)).toString(16).padStart(16, '0');
export const sharelogPath = (height: number, workinfoid: string): string =>
  `${heightDirectory(height)}/${workinfoid}.sharelog`;

export function createShareLines(users: number, random: Random): ShareLines {
  const templates: Templates[] = [];
  const state = { lines: 0, accepted_lines: 0, accepted_work: 0, second: start_ms / 1_000, nanosecond: 0 };
  let pace_nanoseconds = 200_000;
  let workinfoid = Buffer.from(BigInt(`0x${workInfo(1)}`).toString());
  const word = () => Math.floor(random.fraction() * 0x1_0000_0000);

  function next(into: Buffer, at: number): number {
    // The square of a draw: the first tenth of the users has a third of the shares.
    const user = Math.floor(users * random.fraction() ** 2);
    const { accepted, rejected, difficulty } = (templates[user] ??= templatesOf(user, random));
    const is_accepted = random.fraction() >= rejected_part;
    const { head, tail, places } = is_accepted ? accepted : rejected;
    state.lines += 1;
    if (is_accepted) {
      state.accepted_lines += 1;
      state.accepted_work += difficulty;
    }
    head.copy(into, at);
    workinfoid.copy(into, at + places.workinfoid);
    writeHex(into, at + places.ntime, state.second);
    for (const place of places.random_words) writeHex(into, at + place, word());
    const date_end = into.write(nextMoment(), at + head.length, 'latin1') + at + head.length;
    tail.copy(into, date_end);
    return date_end + tail.length;
  }

  function nextMoment(): string {
    // ckpool does not pad the nanoseconds.
    const text = `${state.second},${state.nanosecond}`;
    const nanosecond = state.nanosecond + pace_nanoseconds;
    state.second += Math.floor(nanosecond / 1_000_000_000);
    state.nanosecond = nanosecond % 1_000_000_000;
    return text;
  }

  return {
    next,
    setPace: (nanoseconds) => { pace_nanoseconds = nanoseconds; },
    setTime: (time_ms) => {
      state.second = Math.floor(time_ms / 1_000);
      state.nanosecond = Math.floor((time_ms % 1_000) * 1_000_000);
    },
    setWork: (hex) => { workinfoid = Buffer.from(BigInt(`0x${hex}`).toString()); },
    get lines() { return state.lines; },
    get accepted_lines() { return state.accepted_lines; },
    get accepted_work() { return state.accepted_work; },
  };
}

/** A new file of whole lines, at least so many bytes. Returns how many were written. */
export function writeShareLog(path: string, lines: ShareLines, bytes: number): number {
  const buffer = Buffer.allocUnsafe(Math.min(bytes, 4 * 1024 * 1024) + line_bytes_max);
  const file = openSync(path, 'wx');
  try {
    let written = 0;
    while (written < bytes) {
      let end = 0;
      while (end < buffer.length - line_bytes_max && written + end < bytes) end = lines.next(buffer, end);
      written += writeSync(file, buffer, 0, end);
    }
    return written;
  } finally {
    closeSync(file);
  }
}

interface Template {
  /** Up to the moment, and what follows it. */
  readonly head: Buffer;
  readonly tail: Buffer;
  readonly places: {
    readonly workinfoid: number;
    readonly ntime: number;
    /** Where eight random hex digits stand. */
    readonly random_words: readonly number[];
  };
}

interface Templates {
  readonly accepted: Template;
  readonly rejected: Template;
  readonly difficulty: number;
}

const refusals = [
  ['Invalid JobID', 1], ['Stale', 2], ['Ntime out of range', 3], ['Duplicate', 4],
] as const;

function templatesOf(user: number, random: Random): Templates {
  const difficulty = 2 ** random.integer(0, 12) * random.integer(1, 3);
  const name = addressOf(user, random);
  const common = {
    client: user + 1,
    difficulty: `${difficulty}.0`,
    // A double at full precision: up to 17 digits.
    share_difficulty: `${difficulty * random.integer(1, 9)}.${random.integer(1, 9)}${random.hex(6).replace(/[a-f]/g, '7')}`,
    worker: user % 3 === 0 ? name : `${name}.rig${random.integer(1, 40)}`,
    user: name,
    address: `10.${random.integer(0, 255)}.${random.integer(0, 255)}.${random.integer(1, 254)}`,
  };
  const [reason, number] = refusals[user % refusals.length] ?? refusals[0];
  return {
    accepted: templateOf(common, '"result": true, "errn": 0', true),
    rejected: templateOf(
      common, `"result": false, "reject-reason": "${reason}", "errn": ${number}`, reason !== 'Invalid JobID',
    ),
    difficulty,
  };
}

interface Fields {
  readonly client: number;
  readonly difficulty: string;
  readonly share_difficulty: string;
  readonly worker: string;
  readonly user: string;
  readonly address: string;
}

function templateOf(fields: Fields, verdict: string, has_hash: boolean): Template {
  const { client, difficulty, share_difficulty, worker, user, address } = fields;
  const hash = has_hash ? '#'.repeat(64) : '';
  const head = `{"workinfoid": ${'0'.repeat(19)}, "clientid": ${client}, `
    + `"enonce1": "${client.toString(16).padStart(8, '0')}", "nonce2": "${'#'.repeat(16)}", `
    + `"nonce": "${'#'.repeat(8)}", "ntime": "@@@@@@@@", "diff": ${difficulty}, "sdiff": ${share_difficulty}, `
    + `"hash": "${hash}", ${verdict}, "createdate": "`;
  const tail = '", "createby": "code", "createcode": "parse_submit", "createinet": "127.0.0.1:3333", '
    + `"workername": "${worker}", "username": "${user}", "address": "${address}", `
    + '"agent": "cgminer/4.12.1"}\n';
  const random_words = [...head.matchAll(/#{8}/g)].map(({ index }) => index);
  const places = { workinfoid: head.indexOf('0'.repeat(19)), ntime: head.indexOf('@'), random_words };
  return { head: Buffer.from(head), tail: Buffer.from(tail), places };
}

/** Of the length of an address, and no other user's: it holds the user's number. */
function addressOf(user: number, random: Random): string {
  const number = user.toString(32).padStart(5, 'q');
  return user % 4 === 0 ? `1${number}${random.hex(14)}` : `bc1q${number}${random.hex(17).slice(1)}`;
}

const hex_digits = Buffer.from('0123456789abcdef');

function writeHex(into: Buffer, at: number, word: number): void {
  for (let digit = 0; digit < 8; digit += 1) into[at + digit] = hex_digits[(word >>> (28 - 4 * digit)) & 15] ?? 0;
}
