// A ckpool.log of any size in ckpool's form, and the users/ files behind it: noise for each share, a pass over all
// users each minute, now and then a block. Bursts, names of 127 bytes and lines of 950 are in it. The same seed gives
// the same bytes, and what they add up to is known, so that no figure of the bench rests on a wrong sum.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../lab/random.js';

export interface PoolLog {
  readonly path: string;
  readonly bytes: number;
  readonly lines: number;
  readonly blocks: number;
  /** What each user's counter says at the end. */
  readonly counters: ReadonlyMap<string, number>;
}

export interface PoolLogPlan {
  readonly size_bytes: number;
  readonly users: number;
  /** Noise lines between two passes over the users. */
  readonly noise_lines: number;
  /** Mostly a block in ten minutes of a pool of 100,000 users. */
  readonly bytes_a_block?: number;
  readonly random: Random;
}

/** A pool of 3,000 shares a second for a minute. */
export const noise_lines_a_minute = 180_000;
const minute_ms = 60_000;
const start_ms = Date.UTC(2026, 10, 20, 9, 0, 0);
const written_bytes = 4 * 1024 * 1024;

export function writePoolLog(directory: string, plan: PoolLogPlan): PoolLog {
  const { size_bytes, users, noise_lines, random, bytes_a_block = 256 * 1024 * 1024 } = plan;
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'ckpool.log');
  const names = Array.from({ length: users }, (_, user) => nameOf(user, random));
  const counters = names.map(() => 0);
  const noise = Array.from({ length: 4_096 }, () => noiseText(random));
  const file = openSync(path, 'w');
  const state = { bytes: 0, lines: 0, blocks: 0 };
  let parts: string[] = [];
  let held = 0;
  const flush = (): void => {
    state.bytes += writeSync(file, Buffer.from(parts.join(''), 'latin1'));
    parts = [];
    held = 0;
  };
  const say = (stamp: string, text: string): void => {
    parts.push(stamp, text, '\n');
    state.lines += 1;
    if ((held += stamp.length + text.length) > written_bytes) flush();
  };
  try {
    say(stampOf(start_ms), 'ckpool stratifier ready');
    say(stampOf(start_ms), `Authorised client 1 worker ${names[0]!}.rig as user ${names[0]!}`);
    for (let minute = 0; state.bytes + held < size_bytes; minute += 1) {
      const began_ms = start_ms + minute * minute_ms;
      for (let line = 0; line < noise_lines && state.bytes + held < size_bytes; line += 1) {
        const part = line / noise_lines;
        say(stampOf(began_ms + 7_000 + part * 53_000), noise[(line * 31 + minute) & 4_095]!);
      }
      const stamp = stampOf(began_ms + minute_ms);
      sayPool(say, stamp, minute, random);
      names.forEach((name, user) => {
        counters[user]! += Math.floor(random.fraction() * 1_000);
        say(stamp, `User ${name}:${userJson(counters[user]!, began_ms + minute_ms, user)}`);
      });
      if (state.bytes + held < (state.blocks + 1) * bytes_a_block && minute > 0) continue;
      say(stamp, `Solved and confirmed block ${150 + state.blocks} by ${names[minute % users]!}.rig`);
      state.blocks += 1;
    }
    flush();
  } finally {
    closeSync(file);
  }
  return { path, ...state, counters: new Map(names.map((name, user) => [name, counters[user]!])) };
}

/** users/NAME, as ckpool would have written them before its last pass. */
export function writeUserFiles(directory: string, counters: ReadonlyMap<string, number>): void {
  mkdirSync(join(directory, 'users'), { recursive: true });
  let user = 0;
  for (const [name, counter] of counters) {
    writeFileSync(join(directory, 'users', name), `${userJson(counter, start_ms, user++)}\n`);
  }
}

function sayPool(say: (stamp: string, text: string) => void, stamp: string, minute: number, random: Random): void {
  say(stamp, 'Stored local workbase with 8 transactions');
  say(stamp, `Block hash changed to ${random.hex(32)}`);
  say(stamp, `Pool:{"runtime": ${minute * 60}, "lastupdate": ${start_ms / 1_000 + minute * 60}, "Users": 8, "Workers": 9}`);
  say(stamp, 'Pool:{"hashrate1m": "281G", "hashrate5m": "228G", "hashrate15m": "228G", "hashrate1hr": "40.4G"}');
  const worker = `${'w'.repeat(127)}.${'x'.repeat(360)}`;
  say(stamp, `Authorised client ${minute} worker ${worker} as user ${'w'.repeat(127)} ${'y'.repeat(300)}`);
}

const noiseText = (random: Random): string =>
  `Possible block solve diff ${random.integer(1_000, 99_999)}.${random.integer(100_000, 999_999)} !`;

const rates = ['281G', '16.3G', '2.47T', '112M', '0', '40.4G', '1.82G', '735K'];

function userJson(counter: number, at_ms: number, user: number): string {
  const rate = (turn: number): string => rates[(user + turn) & 7]!;
  return `{"hashrate1m": "${rate(0)}", "hashrate5m": "${rate(1)}", "hashrate1hr": "${rate(2)}", "hashrate1d": "${rate(3)}", `
    + `"hashrate7d": "${rate(5)}", "lastupdate": ${at_ms / 1_000}, "workers": ${1 + (user & 3)}, `
    + `"shares": ${counter}, "bestshare": ${user}.932576289455}`;
}

const letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** An address; one in a thousand is as long as a name can be. */
function nameOf(user: number, random: Random): string {
  const length = user % 1_000 === 7 ? 127 : user % 2 === 0 ? 34 : 42;
  const text = Array.from({ length }, () => letters[Math.floor(random.fraction() * letters.length)]!).join('');
  return `${user.toString(36)}x${text}`.slice(0, length);
}

let stamped_second = -1;
let stamped = '';

/** `[2026-11-20 09:32:15.378] ` */
function stampOf(at_ms: number): string {
  const whole_ms = Math.floor(at_ms);
  const second = Math.floor(whole_ms / 1_000);
  if (second !== stamped_second) {
    stamped_second = second;
    stamped = `[${new Date(second * 1_000).toISOString().slice(0, 19).replace('T', ' ')}`;
  }
  return `${stamped}.${String(whole_ms % 1_000).padStart(3, '0')}] `;
}
