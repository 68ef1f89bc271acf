// Users, workers and connections of the simulated pool, and the files `users/<user>` and
// `workers/<worker>` that tell of them. `shares` lives in memory; the files are as old as the last
// pass, and a restart begins from them.
import { userOfWorker, type NameBytes } from '../../shared/username.js';
import type { PoolDisk } from './disk.js';
import { createAverages, hashrateText, user_windows, type Averages } from './hashrates.js';
import { real, toJansson, type JanssonValue } from './jansson.js';
import { statsUndecodable, statsUnreadable } from './lines.js';
import type { Line } from './log-writer.js';

export interface Tally {
  shares: bigint;
  /** Best share since the pool's last block. */
  best: number;
  averages: Averages;
  last_share_ms: number | null;
}
export interface User extends Tally {
  name: NameBytes;
  /** Logged in since this process started: only such users are written. */
  authorised: boolean;
  workers: Map<NameBytes, Tally>;
  connections: number;
}
export interface Members {
  users: Map<NameBytes, User>;
  /** Client number to worker, in the order of login. */
  clients: Map<number, NameBytes>;
}

const active_ms = 60_000;
const file_name_bytes_max = 255;

/** Users as a starting ckpool finds them in users/, and the lines it prints about those it cannot read. */
export function restoreMembers(disk: PoolDisk, now_ms: number): { members: Members; lines: Line[] } {
  const members: Members = { users: new Map(), clients: new Map() };
  const lines: Line[] = [];
  for (const file of disk.list('users')) {
    const name = file as NameBytes;
    const content = disk.read(`users/${file}`)?.toString('latin1') ?? '';
    const stored = storedTally(content);
    if (!stored) lines.push(content === '' ? statsUnreadable(name) : statsUndecodable(name, content));
    addUser(members, name, now_ms, stored);
  }
  for (const file of disk.list('workers')) {
    const stored = storedTally(disk.read(`workers/${file}`)?.toString('latin1') ?? '');
    const user = members.users.get(userOfWorker(file as NameBytes));
    user?.workers.set(file as NameBytes, freshTally(now_ms, stored));
  }
  return { members, lines };
}

function storedTally(content: string): { shares: bigint; best: number } | null {
  const shares = /"shares": (\d+)/.exec(content)?.[1];
  const best = /"bestshare": ([\d.e+-]+)/.exec(content)?.[1];
  return shares === undefined || best === undefined ? null : { shares: BigInt(shares), best: Number(best) };
}

function freshTally(now_ms: number, stored: { shares: bigint; best: number } | null): Tally {
  return {
    shares: stored?.shares ?? 0n,
    best: stored?.best ?? 0,
    averages: createAverages(user_windows, now_ms),
    last_share_ms: null,
  };
}

function addUser(
  members: Members,
  name: NameBytes,
  now_ms: number,
  stored: { shares: bigint; best: number } | null,
): User {
  const user: User = {
    ...freshTally(now_ms, stored),
    name,
    authorised: false,
    workers: new Map(),
    connections: 0,
  };
  members.users.set(name, user);
  return user;
}

/** Takes a connection; true when ckpool sees this user for the first time. */
export function connect(members: Members, worker: NameBytes, client: number, now_ms: number): boolean {
  const name = userOfWorker(worker);
  const known = members.users.get(name);
  const user = known ?? addUser(members, name, now_ms, null);
  if (!user.workers.has(worker)) user.workers.set(worker, freshTally(now_ms, null));
  user.authorised = true;
  user.connections += 1;
  members.clients.set(client, worker);
  return known === undefined;
}

export function disconnect(members: Members, client: number): void {
  const worker = members.clients.get(client);
  if (worker === undefined) return;
  members.clients.delete(client);
  const user = members.users.get(userOfWorker(worker));
  if (user) user.connections -= 1;
}

/** The first connection of that worker; null when it is not logged in. */
export function clientOf(members: Members, worker: NameBytes): number | null {
  for (const [client, name] of members.clients) if (name === worker) return client;
  return null;
}

export function creditShare(
  members: Members,
  worker: NameBytes,
  difficulty: bigint,
  share_difficulty: number,
  now_ms: number,
): void {
  const user = members.users.get(userOfWorker(worker));
  for (const tally of [user, user?.workers.get(worker)]) {
    if (!tally) continue;
    tally.shares += difficulty;
    tally.best = Math.max(tally.best, share_difficulty);
    tally.averages.add(Number(difficulty), now_ms);
    tally.last_share_ms = now_ms;
  }
}

export function forgetBestShares(members: Members): void {
  for (const user of members.users.values()) {
    user.best = 0;
    for (const worker of user.workers.values()) worker.best = 0;
  }
}

export const isActive = (tally: Tally, now_ms: number): boolean =>
  tally.last_share_ms !== null && now_ms - tally.last_share_ms <= active_ms;

/** The five hash rates alone: what is printed at a solve. */
export const hashratesJson = (tally: Tally, now_ms: number): string =>
  toJansson(hashrateEntries(tally, now_ms));

export const userJson = (user: User, now_ms: number): string => toJansson([
  ...hashrateEntries(user, now_ms), ['lastupdate', BigInt(Math.floor(now_ms / 1000))],
  ['workers', BigInt(user.connections)], ['shares', user.shares], ['bestshare', real(user.best)],
]);

const workerJson = (worker: Tally, now_ms: number): string => toJansson([
  ...hashrateEntries(worker, now_ms), ['lastupdate', BigInt(Math.floor(now_ms / 1000))],
  ['shares', worker.shares], ['bestshare', real(worker.best)],
]);

function hashrateEntries(tally: Tally, now_ms: number): [string, JanssonValue][] {
  const rates = tally.averages.perSecond(now_ms);
  return user_windows.map(([name], index) => [`hashrate${name}`, hashrateText(rates[index] ?? 0)]);
}

/**
 * Writes the files of every authorised user, each user's workers first; names too long for a file are
 * left out.
 */
export function writeMemberFiles(members: Members, disk: PoolDisk, now_ms: number): void {
  for (const user of members.users.values()) {
    if (!user.authorised) continue;
    for (const [name, worker] of user.workers) {
      if (name.length <= file_name_bytes_max) {
        disk.overwrite(`workers/${name}`, fileBytes(workerJson(worker, now_ms)));
      }
    }
    disk.overwrite(`users/${user.name}`, fileBytes(userJson(user, now_ms)));
  }
}

const fileBytes = (json: string): Buffer => Buffer.from(`${json}\n`, 'latin1');
