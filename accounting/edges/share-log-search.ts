// Two questions that are answered from the share logs as they lie on the disk: which share solved a block of
// ours, and how much work the files hold up to given places. Reads only and remembers nothing.
//
// A block names its solving share: header nonce and time stand in the share's line, and enonce1 followed by
// nonce2 in the coinbase's scriptSig. All three must agree. The line's `hash` is sha256d, not the block's id:
// it is never looked at. A line is parsed before it is believed, so a name that holds such text is a name.
import { setImmediate as breathe } from 'node:timers/promises';
import { OutsideFailure } from '../../shared/errors.js';
import type { NameBytes } from '../../shared/username.js';
import { parseShareLine, recoverShares, type Share } from '../core/share-line.js';
import { comparePlaces, type SharePlace } from '../core/share-order.js';
import { createShareTally, type ShareTally } from '../core/share-tally.js';
import type { ShareLogFile, ShareLogs } from './share-log-files.js';
import { nonceText, placesOfNonce } from './share-log-nonce.js';

export interface BlockWitness {
  /** Of the header, unsigned. */
  readonly nonce: number;
  readonly time_seconds: number;
  /** The coinbase's scriptSig. */
  readonly coinbase_script: string;
}

export interface SolvingShare {
  readonly place: SharePlace;
  readonly worker: NameBytes;
  readonly user: NameBytes;
  /** ckpool rejects a share and hands its block in all the same. */
  readonly accepted: boolean;
}

const newline = 0x0a;
const piece_bytes = 16_777_216;

/**
 * The share that solved the block, among the lines of that height that lie wholly before `read_to` (bytes read,
 * by workinfoid); null when it is not among them (yet). Of several the first: a share handed in twice is logged
 * twice. `searched`: the read_to of an earlier search that was in vain; what lies before it is passed over.
 * @throws OutsideFailure 'files'
 */
export async function findSolvingShare(
  logs: ShareLogs, height: number, witness: BlockWitness, read_to: ReadonlyMap<string, number>,
  searched: ReadonlyMap<string, number> = new Map(),
): Promise<SolvingShare | null> {
  const stretches = (await logs.filesOf(height)).map((file): Stretch => ({
    file, from: searched.get(file.workinfoid) ?? 0, until: read_to.get(file.workinfoid) ?? 0,
  })).filter(({ from, until }) => from < until);
  const usual = await search(logs, stretches, witness, 'as ckpool writes');
  // Miners write the nonces, and a few write them with capitals: looked for only where nothing else is found.
  return usual ?? search(logs, stretches, witness, 'in any spelling');
}

/** Whole lines: both ends are behind a newline. */
interface Stretch {
  readonly file: ShareLogFile;
  readonly from: number;
  readonly until: number;
}

async function search(
  logs: ShareLogs, stretches: readonly Stretch[], witness: BlockWitness,
  spelling: 'as ckpool writes' | 'in any spelling',
): Promise<SolvingShare | null> {
  let first: SolvingShare | null = null;
  for (const stretch of stretches) {
    await eachPiece(logs, stretch, (lines, offset) => {
      const places = spelling === 'as ckpool writes'
        ? placesOfText(lines, nonceText(witness))
        : placesOfNonce(lines, witness.nonce);
      for (const at of places) {
        for (const found of solvingShares(lines, at, offset, stretch.file, witness)) {
          if (first === null || comparePlaces(found.place, first.place) < 0) first = found;
        }
      }
    });
  }
  return first;
}

function* placesOfText(bytes: Buffer, text: Buffer): Generator<number> {
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) yield at;
}

/** Of the line that has its nonce at that place; a torn line with a whole one glued to it may yield several. */
function solvingShares(
  lines: Buffer, at: number, offset: number, file: ShareLogFile, witness: BlockWitness,
): SolvingShare[] {
  const start = lines.lastIndexOf(newline, at) + 1;
  const line = lines.subarray(start, lines.indexOf(newline, at));
  const parsed = parseShareLine(line);
  const shares = 'fault' in parsed ? recoverShares(line).shares : [{ share: parsed, offset: 0 }];
  return shares.filter(({ share }) => solves(share, witness)).map(({ share, offset: in_line }) => ({
    place: {
      ...share.created, height: file.height, workinfoid: file.workinfoid, offset: offset + start + in_line,
    },
    worker: share.worker,
    user: share.user,
    accepted: share.accepted,
  }));
}

/** Nonces shorter than four bytes would be found in a coinbase by chance. */
const nonces_hex_min = 8;
const hex = /^[0-9a-f]+$/i;

/** The share and the block are one piece of work. By value: hex digits may be spelled either way. */
export function solves(
  share: Pick<Share, 'enonce1' | 'nonce2' | 'nonce' | 'ntime'>, witness: BlockWitness,
): boolean {
  const { enonce1, nonce2, nonce, ntime } = share;
  if (![enonce1, nonce2, nonce, ntime].every((text) => hex.test(text))) return false;
  // Of a longer nonce ckpool uses the first four bytes.
  if (parseInt(nonce.slice(0, 8), 16) !== witness.nonce) return false;
  if (parseInt(ntime, 16) !== witness.time_seconds) return false;
  const nonces = `${enonce1}${nonce2}`.toLowerCase();
  return nonces.length >= nonces_hex_min && nonces.length % 2 === 0
    && holdsBytes(witness.coinbase_script.toLowerCase(), nonces);
}

/** Both are hex; a match that begins in the middle of a byte is none. */
function holdsBytes(script: string, part: string): boolean {
  for (let at = script.indexOf(part); at >= 0; at = script.indexOf(part, at + 1)) {
    if (at % 2 === 0) return true;
  }
  return false;
}

/**
 * The work in the first `until` bytes of each file, divided at the cuts (ascending).
 * @throws OutsideFailure 'files': refused, code ENOENT, when a file does not hold that much any more; a sum
 * without it would give other miners its work
 */
export async function tallyFiles(
  logs: ShareLogs,
  files: readonly { readonly height: number; readonly workinfoid: string; readonly until: number }[],
  cuts: readonly SharePlace[],
): Promise<ShareTally> {
  const tally = createShareTally(cuts);
  for (const { height, workinfoid, until } of files) {
    if (until === 0) continue;
    const file = await logs.file(height, workinfoid);
    const reached = file && await eachPiece(logs, { file, from: 0, until }, (lines, offset) => {
      tally.take(lines, { height, workinfoid }, offset);
    });
    if (reached !== until) throw missing(height, workinfoid, until, reached);
  }
  return tally;
}

function missing(height: number, workinfoid: string, until: number, reached: number | null): OutsideFailure {
  const name = `${height.toString(16).padStart(8, '0')}/${workinfoid}.sharelog`;
  return new OutsideFailure('refused', 'files',
    `${name} (key "logdir") ${reached === null ? 'is gone' : `ends after ${reached} bytes`}, but ${until} bytes of `
    + 'it were counted and are needed again: put it back, compressed or not, or set parser.share_source to '
    + '"counters" until the blocks found so far are decided without it.', 'ENOENT');
}

/**
 * Hands over the whole lines of the stretch, in pieces; returns the offset that was reached. A line longer than
 * a piece, which ckpool cannot write, is stepped over with its newline.
 */
async function eachPiece(
  logs: ShareLogs, { file, from, until }: Stretch, take: (lines: Buffer, offset: number) => void,
): Promise<number> {
  let within_long_line = false;
  for (let offset = from; ;) {
    const length = Math.min(piece_bytes, until - offset);
    if (length <= 0) return offset;
    const bytes = await logs.read(file, offset, length);
    if (bytes.length === 0) return offset;
    const start = within_long_line ? bytes.indexOf(newline) + 1 : 0;
    const end = bytes.lastIndexOf(newline) + 1;
    if (end > start) take(bytes.subarray(start, end), offset + start);
    within_long_line = end === 0;
    offset += end === 0 ? bytes.length : end;
    if (bytes.length === piece_bytes) await breathe();
  }
}
