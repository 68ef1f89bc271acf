// A ckpool without miners: the caller says what happens (a login, a share, a block) and when, and the
// log, the user files and the share logs come out as the real program writes them, in its order and at
// its moments. It holds no timer: time is the caller's `now_ms`, so that demo, tests and the seeded
// simulator drive it alike. One seed gives the same bytes. Like the real one it writes nothing when it
// stops: shares since the last pass are gone from the counters after `restart`. Its forms are checked
// against the recordings.
import { printable, userOfWorker, type NameBytes } from '../shared/username.js';
import { createRandom } from './random.js';
import { realDisk, type PoolDisk } from './simulated-ckpool/disk.js';
import * as text from './simulated-ckpool/lines.js';
import { createLogWriter } from './simulated-ckpool/log-writer.js';
import {
  clientOf, connect, creditShare, disconnect, forgetBestShares, hashratesJson, isActive,
  restoreMembers, userJson, writeMemberFiles, type Members,
} from './simulated-ckpool/members.js';
import { createPoolStatus } from './simulated-ckpool/pool-status.js';
import { createShareLog, drawnNonces, type ShareProof, type Verdict } from './simulated-ckpool/share-log.js';
import { createWork, type Job, type Tip } from './simulated-ckpool/work.js';

export type { PoolDisk } from './simulated-ckpool/disk.js';
export { proofOfBlock, type ShareProof, type Verdict } from './simulated-ckpool/share-log.js';
export type { Job } from './simulated-ckpool/work.js';

export interface SimulatedCkpoolOptions {
  /** ckpool's `logdir`; made when absent. */
  log_directory: string;
  /** The pool's present, milliseconds since 1970. */
  now_ms: () => number;
  seed: number | string;
  /** The chain's tip when the pool starts. */
  tip: Tip;
  /** `-n`: names the log. Default "ckpool". */
  pool_name?: string;
  /** `-l`: 5 prints everything, 4 leaves out User lines and `Block hash changed to`. Default 5. */
  log_level?: number;
  /** `-L`. Default false; a restart can change it. */
  share_log?: boolean;
  /** Which users the node calls valid addresses. Default: all without a space or control byte. */
  isAddress?: (user: NameBytes) => boolean;
  /** The logger opens its file by name again after this much pool time. Default a minute, as ckpool. */
  reopen_after_ms?: number;
  /** Where the bytes go. Default: the real `log_directory`. */
  disk?: PoolDisk;
}

export interface ShareDetails {
  /** What the share was worked on. Default: the latest work, for a stale share the last before this tip. */
  job?: Job;
  /** When it came in, if that was earlier than now. */
  arrived_ms?: number;
  /** Drawn when absent. */
  proof?: ShareProof;
}

export interface SolveDetails extends ShareDetails {
  hash: string;
  /**
   * Where `Block hash changed to` comes: before the solve line (about a third), after it, or not at
   * all. Default: drawn.
   */
  anchor?: 'before' | 'after' | 'none';
  /** False: the solve line is lost (a crash within milliseconds, a full disk). Default true. */
  line?: boolean;
  /** What the solving share adds to the counters, after the lines of the block. */
  difficulty?: bigint;
  /** False: ckpool died before it counted and logged the share. Default true. */
  counted?: boolean;
}

export interface SimulatedCkpool {
  /** Takes any bytes without `/` that do not begin with `.` or `_`. @throws RangeError as ckpool refuses. */
  login(worker: NameBytes): void;
  drop(worker: NameBytes): void;
  /** A share at the difficulty its client was set to. Only an accepted one counts. */
  share(worker: NameBytes, difficulty: bigint, verdict?: Verdict, details?: ShareDetails): void;
  /** What a miner works on now; its share may name it later, when there is other work. */
  job(): Job;
  /** New work on the same tip: a share log of its own. */
  refresh(): void;
  /**
   * The parts of a coinbase that make a block this worker's: mine it with them, then `solve` with the proof
   * that `proofOfBlock` makes of it.
   */
  extraNonces(worker: NameBytes): { enonce1: string; nonce2: string };
  /**
   * The statistics: files first, then the User and Pool lines. ckpool does it 1 s after the start, then
   * each minute.
   */
  pass(): void;
  /** The node has a new tip. */
  tip(hash: string, height: number): void;
  /** The node took this worker's block: the lines around it, then its share. */
  solve(worker: NameBytes, height: number, details: SolveDetails): void;
  /** The node refused this worker's block ("inconclusive", "time-too-new"). */
  reject(worker: NameBytes, height: number, reason: string): void;
  rotate(how: 'rename' | 'copytruncate'): void;
  /** Another process over the same files, with or without `-L`; every worker has to log in again. */
  restart(how?: 'term' | 'kill', options?: { share_log?: boolean }): void;
  stop(how?: 'term' | 'kill'): void;
  /** The counter in memory, which the file follows at the next pass. */
  shareCount(user: NameBytes): bigint;
}

const node_address = '127.0.0.1:18443';
const default_share_difficulty = 8n;
/** What the hash of a share is worth at least, and what a block takes: the scale of the recordings. */
const share_difficulty_least = 1024;
const network_difficulty = 2048;

export function createSimulatedCkpool(options: SimulatedCkpoolOptions): SimulatedCkpool {
  const { now_ms, pool_name = 'ckpool' } = options;
  const isAddress = options.isAddress ?? ((user: NameBytes) => /^[!-~]+$/.test(user));
  const random = createRandom(options.seed);
  const disk = options.disk ?? realDisk(options.log_directory);
  for (const directory of ['', 'users', 'workers', 'pool']) disk.makeDirectory(directory);
  const log = createLogWriter({
    disk, file: `${pool_name}.log`, level: options.log_level ?? 5,
    reopen_after_ms: options.reopen_after_ms ?? 60_000, now_ms,
  });
  const work = createWork(options.tip, { disk, random });
  const writeShare = createShareLog(disk, random);
  let share_log = options.share_log ?? false;
  let members: Members = { users: new Map(), clients: new Map() };
  let status = createPoolStatus(now_ms());
  let next_client = 1;
  let running = false;

  function start(): void {
    const restored = restoreMembers(disk, now_ms());
    members = restored.members;
    status = createPoolStatus(now_ms());
    next_client = 1;
    running = true;
    log.reopen();
    log.write([...text.startLines(pool_name, node_address), ...restored.lines]);
    log.write(work.begin(now_ms(), share_log), random.integer(1, 9));
  }

  function connected(worker: NameBytes): number {
    const client = clientOf(members, worker);
    if (!running || client === null) {
      throw new Error(`${printable(worker)} is not logged in to the simulated pool`);
    }
    return client;
  }

  function credit(worker: NameBytes, difficulty: bigint, share_difficulty: number): void {
    creditShare(members, worker, difficulty, share_difficulty, now_ms());
    status.add(difficulty, now_ms());
  }

  function logShare(
    worker: NameBytes, client: number, details: ShareDetails,
    judged: { job: Job; difficulty: bigint; share_difficulty: number; verdict: Verdict; arrived_ms: number },
  ): void {
    if (!share_log) return;
    const nonces = details.proof ?? drawnNonces(work.enonce1(client), judged.arrived_ms, random);
    writeShare({ ...judged, worker, client, nonces });
  }

  function submitBlock(): number {
    const share_difficulty = network_difficulty / (1 - random.fraction() * 0.99);
    log.write([text.possibleSolve(share_difficulty), text.submitting]);
    return share_difficulty;
  }

  function solve(worker: NameBytes, height: number, details: SolveDetails): void {
    const client = connected(worker);
    const { anchor = random.chance(1 / 3) ? 'before' : 'after', difficulty = default_share_difficulty } =
      details;
    const { arrived_ms = now_ms(), job = work.job() } = details;
    const share_difficulty = submitBlock();
    let later_ms = random.integer(45, 60);
    log.write([text.accepted], later_ms);
    forgetBestShares(members);
    if (anchor === 'before') {
      log.write(work.changeTip({ hash: details.hash, height }), (later_ms += random.integer(15, 22)));
    }
    const user = members.users.get(userOfWorker(worker));
    const own = user?.workers.get(worker);
    if (details.line !== false && user && own) {
      log.write([
        text.solved(height, worker), text.userAtSolve(user.name, hashratesJson(user, arrived_ms)),
        text.workerAtSolve(worker, hashratesJson(own, arrived_ms)),
      ], later_ms += random.integer(0, 1));
    }
    if (anchor === 'after') {
      log.write(work.changeTip({ hash: details.hash, height }), later_ms + random.integer(12, 80));
    }
    if (details.counted === false) return;
    credit(worker, difficulty, 0);
    logShare(worker, client, details, { job, difficulty, share_difficulty, verdict: 'accepted', arrived_ms });
  }

  function share(
    worker: NameBytes, difficulty: bigint, verdict: Verdict = 'accepted', details: ShareDetails = {},
  ): void {
    const client = connected(worker);
    const usual_job = (verdict === 'stale' ? work.previousBlockJob() : null) ?? work.job();
    const { job = usual_job, arrived_ms = now_ms() } = details;
    const share_difficulty = shareDifficulty(difficulty, verdict);
    if (verdict !== 'jobid') log.write([text.possibleSolve(share_difficulty, verdict === 'stale')]);
    if (verdict === 'accepted') credit(worker, difficulty, share_difficulty);
    logShare(worker, client, details, { job, difficulty, share_difficulty, verdict, arrived_ms });
  }

  function shareDifficulty(difficulty: bigint, verdict: Verdict): number {
    if (verdict === 'jobid') return -1;
    if (verdict === 'above_target') return Number(difficulty) * (0.01 + random.fraction() * 0.98);
    return Math.max(share_difficulty_least, Number(difficulty)) * (1 + random.fraction() * 0.98);
  }

  function pass(): void {
    const present_ms = now_ms();
    writeMemberFiles(members, disk, present_ms);
    const users = [...members.users.values()].filter((user) => user.authorised);
    const active = users.filter((user) => isActive(user, present_ms));
    const pool = status.lines(present_ms, {
      users: users.length,
      workers: members.clients.size,
      idle: users.length - active.length,
    });
    disk.overwrite('pool/pool.status', Buffer.from(`${pool.join('\n')}\n`));
    log.write([
      ...active.map((user) => text.userAtPass(user.name, userJson(user, present_ms))),
      ...pool.map(text.poolAtPass),
    ]);
  }

  function stop(how: 'term' | 'kill' = 'term'): void {
    if (how === 'term') log.write([text.stopLine(pool_name)]);
    running = false;
    members.clients.clear();
  }

  start();
  return {
    login: (worker) => {
      if (!running) throw new Error('the simulated pool is stopped');
      if (worker === '' || /^[._]|\/|\0/.test(worker)) {
        throw new RangeError(`ckpool refuses the name ${printable(worker)}`);
      }
      const client = next_client;
      next_client += 1;
      const user_is_new = connect(members, worker, client, now_ms());
      log.write(
        text.loginLines(worker, client, {
          user_is_new,
          is_address: isAddress(userOfWorker(worker)),
          node_address,
        }),
      );
    },
    drop: (worker) => {
      const client = connected(worker);
      disconnect(members, client);
      log.write([text.dropLine(worker, client)]);
    },
    share,
    job: () => work.job(),
    refresh: () => { log.write(work.refresh()); },
    extraNonces: (worker) => ({ enonce1: work.enonce1(connected(worker)), nonce2: random.hex(8) }),
    pass,
    tip: (hash, height) => { log.write(work.changeTip({ hash, height })); },
    solve,
    reject: (worker, height, reason) => {
      connected(worker);
      submitBlock();
      log.write(
        [text.submitReturned(reason), text.confirmedRejected(height), text.rejected(height)],
        random.integer(45, 60),
      );
    },
    rotate: (how) => { if (how === 'rename') log.rotateByRename(); else log.rotateByCopy(); },
    restart: (how, changed = {}) => {
      stop(how);
      share_log = changed.share_log ?? share_log;
      start();
    },
    stop,
    shareCount: (user) => members.users.get(user)?.shares ?? 0n,
  };
}
