// One line of a share log (`<height %08x>/<workinfoid %016x>.sharelog`), rejected shares included.
import { userOfWorker, type NameBytes } from '../../shared/username.js';
import type { Random } from '../random.js';
import type { PoolDisk } from './disk.js';
import { real, toJansson, type JanssonValue } from './jansson.js';
import type { Job } from './work.js';

/** How ckpool judged a share. */
export type Verdict = 'accepted' | 'jobid' | 'stale' | 'ntime' | 'duplicate' | 'above_target';

const refusals: Record<Exclude<Verdict, 'accepted'>, { reason: string; errn: bigint }> = {
  jobid: { reason: 'Invalid JobID', errn: 1n },
  stale: { reason: 'Stale', errn: 2n },
  ntime: { reason: 'Ntime out of range', errn: 3n },
  duplicate: { reason: 'Duplicate', errn: 4n },
  above_target: { reason: 'Above target', errn: 5n },
};

/** What of a share also stands in the block that it solves: the proof that a block is this worker's. */
export interface ShareProof {
  enonce1: string;
  nonce2: string;
  /** Header nonce and time, 8 hex digits each; the case is the miner's choice, ckpool keeps it. */
  nonce: string;
  ntime: string;
}

/** The proof that stands in a block of these parts. */
export const proofOfBlock = (
  { enonce1, nonce2, nonce, ntime }: { enonce1: string; nonce2: string; nonce: number; ntime: number },
): ShareProof => ({ enonce1, nonce2, nonce: hex(nonce, 8), ntime: hex(ntime, 8) });

export interface LoggedShare {
  /** What was worked on. */
  job: Job;
  client: number;
  worker: NameBytes;
  /** The difficulty the client was set to: what `shares` grows by. */
  difficulty: bigint;
  /** What the hash was worth; -1 when not computed. */
  share_difficulty: number;
  verdict: Verdict;
  nonces: ShareProof;
  arrived_ms: number;
}

/** Appends each share to the file of its work, as ckpool does: opened, one write, closed. */
export function createShareLog(disk: PoolDisk, random: Random): (share: LoggedShare) => void {
  const moment = createMoments(random);
  return (share) => {
    const hash = share.verdict === 'jobid' ? '' : random.hex(32);
    const line = shareLogLine(share, { hash, createdate: moment(share.arrived_ms) });
    disk.makeDirectory(heightDirectory(share.job.height));
    disk.append(shareLogPath(share.job), Buffer.from(line, 'latin1'));
  };
}

const hex = (value: number | bigint, digits: number): string => value.toString(16).padStart(digits, '0');
/** The height of the block that is being worked on, which is the tip's plus one. */
export const heightDirectory = (height: number): string => hex(height, 8);
/** Within ckpool's log directory. */
export const shareLogPath = ({ height, workinfoid }: Job): string =>
  `${heightDirectory(height)}/${hex(workinfoid, 16)}.sharelog`;

export const drawnNonces = (enonce1: string, arrived_ms: number, random: Random): ShareProof => ({
  enonce1, nonce2: random.hex(8), nonce: random.hex(4), ntime: hex(Math.floor(arrived_ms / 1000), 8),
});

/**
 * `createdate`: when a share came in, to the nanosecond and not padded: "1795166709,74462045" is 0.074462045 s
 * after the second. No two shares have the same, and they are in the order of writing, as in every recording,
 * unless the caller says that one came in earlier.
 */
function createMoments(random: Random): (arrived_ms: number) => string {
  let last = { arrived_ms: -Infinity, seconds: 0, nanoseconds: 0 };
  return (arrived_ms) => {
    let seconds = Math.floor(arrived_ms / 1000);
    let nanoseconds = (arrived_ms % 1000) * 1_000_000 + random.integer(0, 999_999);
    const later = seconds > last.seconds || (seconds === last.seconds && nanoseconds > last.nanoseconds);
    if (!later && arrived_ms >= last.arrived_ms) {
      nanoseconds = last.nanoseconds + random.integer(1, 999);
      seconds = last.seconds + Math.floor(nanoseconds / 1_000_000_000);
      nanoseconds %= 1_000_000_000;
    }
    if (arrived_ms >= last.arrived_ms) last = { arrived_ms, seconds, nanoseconds };
    return `${seconds},${nanoseconds}`;
  };
}

function shareLogLine(share: LoggedShare, made: { hash: string; createdate: string }): string {
  const refusal = share.verdict === 'accepted' ? null : refusals[share.verdict];
  const { enonce1, nonce2, nonce, ntime } = share.nonces;
  const entries: [string, JanssonValue][] = [
    ['workinfoid', share.job.workinfoid], ['clientid', BigInt(share.client)],
    ['enonce1', enonce1], ['nonce2', nonce2], ['nonce', nonce], ['ntime', ntime],
    ['diff', real(Number(share.difficulty))], ['sdiff', real(share.share_difficulty)],
    ['hash', made.hash], ['result', refusal === null],
  ];
  if (refusal) entries.push(['reject-reason', refusal.reason]);
  entries.push(
    ['errn', refusal?.errn ?? 0n], ['createdate', made.createdate],
    ['createby', 'code'], ['createcode', 'parse_submit'], ['createinet', '127.0.0.1:3333'],
    ['workername', share.worker], ['username', userOfWorker(share.worker)],
    ['address', '127.0.0.1'], ['agent', 'simulated-miner/1.0'],
  );
  return `${toJansson(entries)}\n`;
}
