// One line of a share log (`<height %08x>/<workinfoid %016x>.sharelog`), rejected shares included.
import { userOfWorker, type NameBytes } from '../../shared/username.js';
import type { Random } from '../random.js';
import type { PoolDisk } from './disk.js';
import { real, toJansson, type JanssonValue } from './jansson.js';

/** How ckpool judged a share. */
export type Verdict = 'accepted' | 'stale' | 'duplicate' | 'ntime' | 'jobid';

const refusals: Record<Exclude<Verdict, 'accepted'>, { reason: string; errn: bigint }> = {
  jobid: { reason: 'Invalid JobID', errn: 1n },
  stale: { reason: 'Stale', errn: 2n },
  ntime: { reason: 'Ntime out of range', errn: 3n },
  duplicate: { reason: 'Duplicate', errn: 4n },
};

/** What of a share also stands in the block it solves: the proof that a block is this worker's. */
export interface ShareProof {
  enonce1: string;
  nonce2: string;
  nonce: string;
  ntime: string;
}

export interface LoggedShare {
  /** The height of the block that was worked on. */
  height: number;
  /** Start time of this ckpool << 32, plus a counter: above 2^53. */
  workinfoid: bigint;
  client: number;
  worker: NameBytes;
  /** The difficulty the client was set to: what `shares` grows by. */
  difficulty: bigint;
  /** What the hash was worth; -1 when not computed. */
  share_difficulty: number;
  verdict: Verdict;
  /** Drawn when null. */
  proof: ShareProof | null;
  arrived_ms: number;
}

/** Appends each share to the file of its work, as ckpool does: opened, one write, closed. */
export function createShareLog(disk: PoolDisk, random: Random): (share: LoggedShare) => void {
  return (share) => {
    const line = shareLogLine(share, share.proof ?? drawProof(share, random), random);
    disk.makeDirectory(heightDirectory(share.height));
    disk.append(
      `${heightDirectory(share.height)}/${hex(share.workinfoid, 16)}.sharelog`,
      Buffer.from(line, 'latin1'),
    );
  };
}

const hex = (value: number | bigint, digits: number): string => value.toString(16).padStart(digits, '0');
/** The height of the block that is being worked on, which is the tip's plus one. */
export const heightDirectory = (height: number): string => hex(height, 8);

const drawProof = (share: LoggedShare, random: Random): ShareProof => ({
  enonce1: hex(share.client, 8),
  nonce2: random.hex(8),
  nonce: random.hex(4),
  ntime: hex(Math.floor(share.arrived_ms / 1000), 8),
});

function shareLogLine(share: LoggedShare, proof: ShareProof, random: Random): string {
  const refusal = share.verdict === 'accepted' ? null : refusals[share.verdict];
  const entries: [string, JanssonValue][] = [
    ['workinfoid', share.workinfoid],
    ['clientid', BigInt(share.client)],
    ['enonce1', proof.enonce1],
    ['nonce2', proof.nonce2],
    ['nonce', proof.nonce],
    ['ntime', proof.ntime],
    ['diff', real(Number(share.difficulty))],
    ['sdiff', real(share.share_difficulty)],
    ['hash', share.verdict === 'jobid' ? '' : random.hex(32)],
    ['result', refusal === null],
  ];
  if (refusal) entries.push(['reject-reason', refusal.reason]);
  // The nanoseconds are not padded: "1795166709,74462045" is 0.074462045 s after the second.
  const seconds = Math.floor(share.arrived_ms / 1000);
  const nanoseconds = (share.arrived_ms % 1000) * 1_000_000 + random.integer(0, 999_999);
  entries.push(
    ['errn', refusal?.errn ?? 0n], ['createdate', `${seconds},${nanoseconds}`],
    ['createby', 'code'], ['createcode', 'parse_submit'], ['createinet', '127.0.0.1:3333'],
    ['workername', share.worker], ['username', userOfWorker(share.worker)],
    ['address', '127.0.0.1'], ['agent', 'simulated-miner/1.0'],
  );
  return `${toJansson(entries)}\n`;
}
