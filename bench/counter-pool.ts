// A pool whose counts come from users/ and User lines: ckpool's log directory, its minute pass (each user's file,
// then his line), block lines, and the noise that it prints for every share, each line in a write of its own as
// ckpool does. A node answers with the recorded chain. What it writes it adds up, so that no figure rests on a
// wrong count.
import { closeSync, constants, mkdirSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../lab/random.js';
import { serveRecordedChain, type RecordedNode } from '../lab/recorded-node.js';
import { createSimulatedCkpool } from '../lab/simulated-ckpool.js';
import { chain_directory, chainTip } from './place.js';

export interface CounterPool {
  readonly log_directory: string;
  readonly users_directory: string;
  readonly node: RecordedNode;
  /** ckpool's pass of a minute: every user's count rises. */
  pass(): Promise<void>;
  /** Of all users together, as of the last pass. */
  readonly shares_total: bigint;
  /** Writes a block line; its place in the log. */
  solve(): number;
  /** A line for each share, until it is stopped. @throws as writing does, in `stop` */
  makeNoise(lines_a_second: number): { stop(): Promise<void> };
  close(): Promise<void>;
}

const tick_ms = 2;
const users_a_turn = 500;
/** A little more than a user's text has. */
const file_bytes = 240;

export async function createCounterPool(directory: string, users: number, random: Random): Promise<CounterPool> {
  const tip = chainTip();
  const log_directory = join(directory, 'logs');
  createSimulatedCkpool({ log_directory, now_ms: Date.now, seed: 1, tip });
  const users_directory = join(log_directory, 'users');
  mkdirSync(users_directory, { recursive: true });
  const log_file = join(log_directory, 'ckpool.log');
  let size = statSync(log_file).size;
  const log = openSync(log_file, 'a');
  const names = Array.from({ length: users }, (_, user) => userName(user));
  const counts = names.map(() => 0n);
  let height = tip.height;
  let shares_total = 0n;

  function append(text: string): number {
    const at = size;
    size += writeSync(log, text);
    return at;
  }

  async function pass(): Promise<void> {
    const second = Math.floor(Date.now() / 1_000);
    const lines: string[] = [];
    for (const [user, name] of names.entries()) {
      const shares = BigInt(random.integer(1, 40) * 64);
      counts[user] = (counts[user] ?? 0n) + shares;
      shares_total += shares;
      const text = userText(counts[user] ?? 0n, second, random);
      overwrite(join(users_directory, name), `${text.padEnd(file_bytes - 1)}\n`);
      lines.push(`${stamp()} User ${name}:${text}\n`);
      // The node answers meanwhile.
      if (user % users_a_turn === 0) await nextTurn();
    }
    lines.push(`${stamp()} Pool:{"runtime": 60, "lastupdate": ${second}, "Users": ${users}}\n`);
    append(lines.join(''));
  }

  function solve(): number {
    height += 1;
    return append(`${stamp()} Solved and confirmed block ${height} by ${random.pick(names)}.rig\n`);
  }

  function makeNoise(lines_a_second: number): { stop(): Promise<void> } {
    let stopped = false;
    const written = (async () => {
      const started_ms = performance.now();
      for (let lines = 0; !stopped; await wait(tick_ms)) {
        const due = Math.floor(((performance.now() - started_ms) * lines_a_second) / 1_000);
        for (; lines < due; lines += 1) append(noiseLine(random));
      }
    })();
    written.catch(() => undefined);
    return {
      stop: async () => {
        stopped = true;
        await written;
      },
    };
  }

  const node = await serveRecordedChain(chain_directory);
  return {
    log_directory, users_directory, node, pass, solve, makeNoise,
    get shares_total() { return shares_total; },
    close: async () => {
      closeSync(log);
      await node.close();
    },
  };
}

/**
 * In place and to the same length: cutting a file and writing it again makes some file systems put it on the disk at
 * once, which takes a minute for a hundred thousand.
 */
function overwrite(path: string, text: string): void {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o644);
  writeSync(file, text);
  closeSync(file);
}

/** Of the length of an address; z is no digit, so that no two are alike. */
export const userName = (user: number): string => `bcrt1q${user.toString(32).padStart(38, 'z')}`;

const stamp = (): string => `[${new Date().toISOString().slice(0, 23).replace('T', ' ')}]`;

const noiseLine = (random: Random): string =>
  `${stamp()} Possible block solve diff ${random.integer(1_024, 9_999)}.${random.integer(100_000, 999_999)} !\n`;

/** As in the recordings: about 210 bytes. */
export function userText(shares: bigint, second: number, random: Random): string {
  const rate = random.integer(10, 99);
  return `{"hashrate1m": "${rate}.4G", "hashrate5m": "${rate}G", "hashrate1hr": "13.3G", "hashrate1d": "616M", `
    + `"hashrate7d": "88.3M", "lastupdate": ${second}, "workers": 1, "shares": ${shares}, `
    + `"bestshare": ${random.integer(1_000, 9_999)}.8689807310529}`;
}
