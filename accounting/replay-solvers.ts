// Whether every share that is said to have solved a block stands in its share log, at its place. Reads only.
import { printable } from '../shared/username.js';
import { line_bytes_max, newline } from './core/log-stamp.js';
import { recoverShares, type Share } from './core/share-line.js';
import { compareMoments } from './core/share-order.js';
import type { StoredSolver } from './edges/replay-share-reader.js';
import type { ShareLogs } from './edges/share-log-files.js';

export interface SolverCheck {
  readonly found: number;
  readonly differences: readonly string[];
  readonly notes: readonly string[];
}

/** @param solvers by file and offset: a compressed file is then read once */
export async function checkSolvers(share_logs: ShareLogs, solvers: readonly StoredSolver[]): Promise<SolverCheck> {
  const differences: string[] = [];
  let found = 0;
  let gone = 0;
  for (const solver of solvers) {
    const { height, workinfoid, offset } = solver.place;
    const file = await share_logs.file(height, workinfoid);
    if (!file) {
      gone += 1;
      continue;
    }
    const what = whatDiffers(solver, shareIn(await share_logs.read(file, offset, line_bytes_max + 1)));
    if (what === null) found += 1;
    else differences.push(`block ${solver.height}: ${file.path}, byte ${offset}: ${what}`);
  }
  const notes = gone === 0 ? []
    : [`${gone} solving share(s) cannot be looked up: their share logs are gone`];
  return { found, differences, notes };
}

/** The share that begins with the first byte. Where lines are glued, another one follows it. */
function shareIn(bytes: Buffer): Share | null {
  const end = bytes.indexOf(newline);
  const first = recoverShares(end < 0 ? bytes : bytes.subarray(0, end)).shares[0];
  return first?.offset === 0 ? first.share : null;
}

function whatDiffers({ place, worker, accepted }: StoredSolver, share: Share | null): string | null {
  if (!share) return 'no share begins there, though one solved the block';
  if (share.worker !== worker) {
    return `the share is ${printable(share.worker)}'s, the block is proven to be ${printable(worker)}'s`;
  }
  if (compareMoments(share.created, place) !== 0) {
    return `the share came in at ${share.created.seconds},${share.created.nanoseconds}, the block was solved at `
      + `${place.seconds},${place.nanoseconds}`;
  }
  if (share.accepted === accepted) return null;
  return `the share was ${share.accepted ? 'accepted' : 'rejected'}, the database says the opposite`;
}
