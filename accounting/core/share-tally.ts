// Sums the accepted work in share logs, as fast as they can be read: this is all of the work that live counting,
// cutting and comparing do for each share. Whether a line takes the fast way (share-scan.ts) or the careful one
// (share-line.ts) never shows in the result: the sums are those of parseShareLine, line by line, however the bytes
// were cut into pieces and in whatever order the files came.
//
// Only `"result": true` counts. Nothing throws, and what is kept grows with the users alone: a line that is torn,
// forged of rubbish or a megabyte long is a fault among at most 100 that are named, the others are counted.
import type { NameBytes } from '../../shared/username.js';
import { createKnownOrigins, placeOfClient } from './known-origins.js';
import { line_bytes_max, newline } from './log-stamp.js';
import { recoverShares } from './share-line.js';
import type { ShareMoment, SharePlace } from './share-order.js';
import { emptyScan, scanOrigin, scanShare } from './share-scan.js';
import type { Work } from './share-work.js';
import { createUserSlots, user_slots_max } from './user-slots.js';
import { createWorkBuckets, type WorkBucket } from './work-buckets.js';

export interface TallyFault {
  /** Of the line, in its file. */
  readonly offset: number;
  readonly fault: string;
}

export interface TallyTaken {
  /** Bytes up to and including the last newline: what follows is a line still being written. */
  readonly consumed: number;
  /** Accepted shares. */
  readonly accepted: number;
  /** Lines, blank ones aside. */
  readonly lines: number;
  /** The earliest and the latest createdate of the shares, accepted or not. */
  readonly first: ShareMoment | null;
  readonly last: ShareMoment | null;
  /** The first of the lines that are not simply one share: at most 100. What is whole in them is counted. */
  readonly faults: readonly TallyFault[];
  /** How many such lines there are. */
  readonly fault_count: number;
}

export interface ShareTally {
  /** Adds the whole lines in these bytes, which stand at `offset` of that share log and begin with a line. */
  take(bytes: Buffer, file: { readonly height: number; readonly workinfoid: string }, offset: number): TallyTaken;
  /** Users with accepted work in that bucket: behind cut `bucket - 1`, up to and with cut `bucket`. */
  work(bucket: number): ReadonlyMap<NameBytes, Work>;
  /** All sums begin at nothing again. */
  clear(): void;
}

type ShareFile = Parameters<ShareTally['take']>[1];
const faults_max = 100;

/** @param cuts ascending; the share at a cut belongs before it. The last bucket (`cuts.length`) is behind all. */
export function createShareTally(cuts: readonly SharePlace[] = []): ShareTally {
  const found = emptyScan();
  let slots = createUserSlots();
  let origins = createKnownOrigins();
  let buckets = createWorkBuckets(cuts, slots.name);

  /** Returns where the next line begins, or -1 when the line is unusual and nothing of it was taken. */
  function takeUsual(view: DataView, start: number, { height, workinfoid }: ShareFile, taken: Taken): number {
    const limit = view.byteLength;
    const origin_at = scanShare(view, limit, start, found);
    if (origin_at < 0) return -1;
    const place = placeOfClient(view, found.client_start, found.client_end);
    const known_slot = origins.find(place, view, origin_at);
    const next = known_slot < 0 ? scanOrigin(view, limit, origin_at, found) : origin_at + origins.length(place);
    if (next < 0 || next - start > line_bytes_max) return -1;
    const slot = known_slot < 0 ? slots.find(view, found.user_start, found.user_end) : known_slot;
    if (slot < 0) return -1;
    if (known_slot < 0) origins.remember(place, view, origin_at, next, slot);
    const { seconds, nanoseconds } = found;
    taken.lines += 1;
    widen(taken, seconds, nanoseconds);
    if (!found.accepted) return next;
    taken.accepted += 1;
    if (seconds <= taken.bucket.after_seconds || seconds >= taken.bucket.before_seconds) {
      taken.bucket = buckets.at({ seconds, nanoseconds, height, workinfoid, offset: taken.offset + start });
    }
    const { sums } = taken.bucket;
    sums.addSmall(slot, found.difficulty);
    if (found.billionths + found.quintillionths > 0) sums.addFraction(slot, found.billionths, found.quintillionths);
    return next;
  }

  function takeUnusual(line: Buffer, offset: number, { height, workinfoid }: ShareFile, taken: Taken): void {
    if (isBlank(line)) return;
    taken.lines += 1;
    const { shares, fault } = recoverShares(line);
    if (fault !== '') addFault(taken, { offset, fault });
    for (const { share, offset: within } of shares) {
      const { seconds, nanoseconds } = share.created;
      widen(taken, seconds, nanoseconds);
      if (!share.accepted) continue;
      taken.accepted += 1;
      const place = { seconds, nanoseconds, height, workinfoid, offset: offset + within };
      buckets.at(place).sums.add(share.user, share.work);
    }
  }

  return {
    take(bytes, file, offset) {
      const whole = bytes.subarray(0, bytes.lastIndexOf(newline) + 1);
      const view = new DataView(whole.buffer, whole.byteOffset, whole.length);
      const taken = newTaken(offset, buckets.at({ ...file, seconds: 0, nanoseconds: 0, offset: 0 }));
      for (let start = 0; start < whole.length;) {
        const next = takeUsual(view, start, file, taken);
        if (next >= 0) {
          start = next;
          continue;
        }
        const end = whole.indexOf(newline, start);
        takeUnusual(whole.subarray(start, end), offset + start, file, taken);
        start = end + 1;
      }
      return reportOf(taken, whole.length);
    },
    work: (bucket) => buckets.work(bucket),
    clear() {
      if (slots.count > user_slots_max / 2) {
        slots = createUserSlots();
        origins = createKnownOrigins();
      }
      buckets = createWorkBuckets(cuts, slots.name);
    },
  };
}

interface Taken {
  /** Of the bytes in their file. */
  readonly offset: number;
  /** Of the latest share: the next mostly falls into the same one. */
  bucket: WorkBucket;
  accepted: number;
  lines: number;
  first_seconds: number;
  first_nanoseconds: number;
  last_seconds: number;
  last_nanoseconds: number;
  readonly faults: TallyFault[];
  fault_count: number;
}

/** Before the first share `first_seconds` is later than any. */
const never = Number.MAX_SAFE_INTEGER;

const newTaken = (offset: number, bucket: WorkBucket): Taken => ({
  offset, bucket, accepted: 0, lines: 0, faults: [], fault_count: 0,
  first_seconds: never, first_nanoseconds: 0, last_seconds: -1, last_nanoseconds: 0,
});

function widen(taken: Taken, seconds: number, nanoseconds: number): void {
  if (seconds < taken.first_seconds
    || (seconds === taken.first_seconds && nanoseconds < taken.first_nanoseconds)) {
    taken.first_seconds = seconds;
    taken.first_nanoseconds = nanoseconds;
  }
  if (seconds > taken.last_seconds || (seconds === taken.last_seconds && nanoseconds > taken.last_nanoseconds)) {
    taken.last_seconds = seconds;
    taken.last_nanoseconds = nanoseconds;
  }
}

function addFault(taken: Taken, fault: TallyFault): void {
  taken.fault_count += 1;
  if (taken.faults.length < faults_max) taken.faults.push(fault);
}

function reportOf(taken: Taken, consumed: number): TallyTaken {
  const { accepted, lines, faults, fault_count } = taken;
  const any = taken.last_seconds >= 0;
  return {
    consumed, accepted, lines, faults, fault_count,
    first: any ? { seconds: taken.first_seconds, nanoseconds: taken.first_nanoseconds } : null,
    last: any ? { seconds: taken.last_seconds, nanoseconds: taken.last_nanoseconds } : null,
  };
}

const blanks: readonly number[] = [0x20, 0x09, 0x0d];

function isBlank(line: Buffer): boolean {
  for (const byte of line) if (!blanks.includes(byte)) return false;
  return true;
}
