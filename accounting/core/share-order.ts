// When a share came in, and its place among all shares of the pool. ckpool prints createdate as "sec,nsec" with
// nsec unpadded ("5,7" is seven nanoseconds): both are whole numbers here and are compared as such, never as text
// and never as one fraction. Shares of one nanosecond are ordered by file and offset, so that the order is total
// and the same whenever it is asked for.

/** A share's createdate: unix time and nanoseconds (0 to 999,999,999) in its second. */
export interface ShareMoment {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Where a share stands in the order of all shares. */
export interface SharePlace extends ShareMoment {
  /** Of the directory: the block that was being worked on. */
  readonly height: number;
  /** The name of the file: 16 lower-case hex digits (more than 2^53: never a number). */
  readonly workinfoid: string;
  /** Byte in the file (decompressed) at which the share's object begins. */
  readonly offset: number;
}

/** Less than 0 when `a` came before `b`, 0 when both came in the same nanosecond. */
export function compareMoments(a: ShareMoment, b: ShareMoment): number {
  return a.seconds - b.seconds || a.nanoseconds - b.nanoseconds;
}

/** Less than 0 when `a` stands before `b`, 0 only for one and the same place. */
export function comparePlaces(a: SharePlace, b: SharePlace): number {
  return compareMoments(a, b) || a.height - b.height
    || compareText(a.workinfoid, b.workinfoid) || a.offset - b.offset;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
