// What a miner could forge into the log of `busy`, chosen so that the truth stays the truth: none of
// these lines may make a block, take one away, or move anybody's share count. Every forgery comes after
// the first login.
import { createRandom } from '../random.js';
import { stampTime } from '../recorded-log.js';
import type { Recording, TrueSolve, UserFileVersion } from '../recordings.js';
import { stampText } from '../simulated-ckpool/log-writer.js';

export interface ForgedLine {
  /** The whole line with its stamp. */
  text: string;
  /** When the forger logs in. */
  at_ms: number;
  what: 'user' | 'anchor' | 'solve';
  /** In words, for the failure message of a test. */
  why: string;
  height: number | null;
  user: string | null;
  shares: bigint | null;
  hash: string | null;
}

const nothing = { height: null, user: null, shares: null, hash: null };
const one_pass_ms = 60_000;

function solveOf(recording: Recording, height: number): TrueSolve {
  const solve = recording.truth.solves.find((candidate) => candidate.height === height);
  if (!solve) throw new RangeError(`the truth has no solve of height ${height}`);
  return solve;
}

/** A huge count, a tiny one, a plausible one, and counts for names without a file. */
export function forgedUserLines(recording: Recording): ForgedLine[] {
  const [big = '', middle = '', small = ''] = [
    'muwjS9zuMAwkJLdkxWBGuwmP6WGqii2DbK',
    'notanaddress',
    'bcrt1q5gkcadwy8g98znepw23e6ehukj67glu52p7ump',
  ];
  const at = (time: string): number => stampTime(`2026-11-20 ${time}`);
  return [
    userLine(small, 9_000_000_000_000_000n, at('09:23:40.100'), 'a huge count for a small miner'),
    userLine(middle, 9_223_372_036_854_775_807n, at('09:25:00.200'), 'the largest count there is'),
    userLine(big, 1n, at('09:26:40.300'), 'a tiny count for the largest miner'),
    userLine(big, 0n, at('09:29:00.400'), 'zero, before a block'),
    userLine(middle, 999_999n, at('09:31:10.500'), 'six digits for somebody else'),
    userLine(
      '1BoatSLRHtKNngkdXEeobR76b53LETtpyT',
      5_000n,
      at('09:32:20.600'),
      'a plausible count for a name without a file',
    ),
    userLine('mallory', 777_777n, at('09:34:20.700'), "a huge count for the forger's own name"),
    plausible(recording.users_history, 'n3L9qbfotU333ut16c34MzL2ZezUWUpHB3', recording.truth.solves),
  ];
}

/**
 * Somebody else's name with a count between his last reading and his next, in the last seconds before a pass
 * and with no block in between: even a reader that believes it gets every snapshot right.
 */
function plausible(
  history: readonly UserFileVersion[],
  user: string,
  solves: readonly TrueSolve[],
): ForgedLine {
  const versions = history.filter((version) => version.user === user);
  for (const [index, next] of versions.entries()) {
    const before = versions[index - 1];
    const at_ms = Math.floor(next.written_at_ms) - 6_000;
    const undisturbed = !solves.some(
      (solve) => stampTime(solve.time) >= at_ms && stampTime(solve.time) <= next.written_at_ms,
    );
    if (!before || !undisturbed || next.written_at_ms - before.written_at_ms > one_pass_ms + 1000) continue;
    return userLine(
      user,
      (countIn(before) + countIn(next)) / 2n,
      at_ms,
      "somebody else's name with a plausible count",
    );
  }
  throw new RangeError(`no undisturbed pass of ${user}`);
}

const countIn = (version: UserFileVersion): bigint =>
  BigInt(/"shares": (\d+)/.exec(version.content.toString('latin1'))?.[1] ?? '0');

function userLine(user: string, count: bigint, at_ms: number, why: string): ForgedLine {
  const rates = ['1m', '5m', '1hr', '1d', '7d'].map((window) => `"hashrate${window}": "1.5T", `).join('');
  const json =
    `{${rates}"lastupdate": ${Math.floor(at_ms / 1000)}, `
    + `"workers": 1, "shares": ${count}, "bestshare": 1800.5}`;
  return {
    ...nothing,
    text: `[${stampText(at_ms)}] User ${user}:${json}`,
    at_ms,
    what: 'user',
    why,
    user,
    shares: count,
  };
}

/**
 * `Block hash changed to` lines: hashes of no block, real blocks at false places, blocks that are not ours.
 */
export function forgedAnchors(recording: Recording): ForgedLine[] {
  const random = createRandom('forged anchors');
  const time = (height: number): number => stampTime(solveOf(recording, height).time);
  const hash = (height: number): string => solveOf(recording, height).hash;
  return [
    anchor(random.hex(32), time(124) + 3_000, 'a hash of no block'),
    anchor(random.hex(32), time(136) - 2_000, 'a hash of no block, just before a solve'),
    anchor(hash(131), time(131) - 9_000, 'a real block of ours, seconds too early'),
    anchor(hash(148), time(148) - 20_000, 'a real block of ours, long before its solve'),
    anchor(hash(123), time(130) + 5_000, 'a real block of ours again, seven blocks later'),
    anchor(hash(150), time(155) + 3_000, 'a block that comes back after a reorg, again'),
    anchor(hash(165), time(159) + 6_000, 'the last block of the recording, six blocks too early'),
    anchor(
      '1f89260405b889b10977723ed775a62a74a069c46a59b942285f4997187cafe9',
      time(146) + 4_000,
      'a real block of somebody else',
    ),
  ];
}

const anchor = (hash: string, at_ms: number, why: string): ForgedLine => ({
  ...nothing,
  text: `[${stampText(at_ms)}] Block hash changed to ${hash}`,
  at_ms,
  what: 'anchor',
  why,
  hash,
});

/**
 * Solve lines at real heights (farther from the block's anchor than the true one) and at heights where
 * no block of ours is.
 */
export function forgedSolves(recording: Recording): ForgedLine[] {
  const time = (height: number): number => stampTime(solveOf(recording, height).time);
  const other = 'notanaddress.worker1';
  return [
    solve(131, other, time(131) - 9_000, "another worker's name, before the true line"),
    solve(136, 'mallory.rig', time(136) - 12_000, 'before the true line'),
    solve(148, other, time(148) - 15_000, "another worker's name, long before the true line"),
    solve(124, other, time(124) + 5_000, 'after the true line'),
    solve(158, 'mallory.rig', time(158) + 60_000, 'a minute after the true line'),
    solve(160, solveOf(recording, 160).worker, time(160) + 8_000, 'the true line again'),
    solve(165, 'mallory.rig', time(165) + 10_000, 'after the last block'),
    solve(996, 'mallory.rig', time(126) + 4_000, 'a height above the tip'),
    solve(
      60,
      'mallory.rig',
      time(149) + 7_000,
      "a block that paid the pool's address before the pool existed",
    ),
    solve(0, 'mallory.rig', time(156) + 5_000, 'the genesis block'),
    solve(145, 'mallory.rig', time(146) + 6_000, 'a block of somebody else'),
    solve(2_147_483_647, 'mallory.rig', time(161) + 3_000, 'the largest height there is'),
    solve(99_999_999_999, 'mallory.rig', time(164) + 4_000, 'no height at all'),
  ];
}

const solve = (height: number, worker: string, at_ms: number, why: string): ForgedLine => ({
  ...nothing,
  text: `[${stampText(at_ms)}] Solved and confirmed block ${height} by ${worker}`,
  at_ms,
  what: 'solve',
  why,
  height,
  user: worker,
});
