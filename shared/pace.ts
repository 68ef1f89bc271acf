// How far something long is, how fast it goes and how long it will still take: computed from what was done when,
// and put into words. Pure: it reads no clock and writes nothing; progress.ts does.

interface Mark {
  readonly at_ms: number;
  readonly done: number;
}

export interface Pace {
  readonly first: Mark;
  /** At least a second apart; the speed is that since the oldest. */
  readonly marks: readonly [Mark, ...Mark[]];
  readonly latest: Mark;
}

/** What is measured: bytes have a speed that means something, other things only a part that is done. */
export type Measure = 'bytes' | 'parts';

/** A speed is the average of so long: short enough to show a change, long enough to hold still. */
const window_ms = 20_000;
const mark_every_ms = 1_000;

/** What was done before the first look counts for the part that is done, never for the speed. */
export function beginPace(at_ms: number, done: number): Pace {
  const first = { at_ms, done };
  return { first, marks: [first], latest: first };
}

export function notePace(pace: Pace, at_ms: number, done: number): Pace {
  const latest = { at_ms, done };
  const marks: [Mark, ...Mark[]] = [...pace.marks];
  if (at_ms - marks.at(-1)!.at_ms >= mark_every_ms) marks.push(latest);
  // The oldest that stays is the last one from before the window, so that rare looks have a speed too.
  while (marks[1] && marks[1] !== latest && marks[1].at_ms <= at_ms - window_ms) marks.shift();
  return { first: pace.first, marks, latest };
}

/** Null in the first second: too little is known. */
export function donePerSecond({ marks, latest }: Pace): number | null {
  return speedBetween(marks[0], latest);
}

/** Null where it cannot be told: at the beginning, or when nothing moves. */
export function secondsLeft(pace: Pace, total: number): number | null {
  const speed = donePerSecond(pace);
  if (speed === null || speed <= 0) return null;
  return Math.max(0, total - pace.latest.done) / speed;
}

/** `43%, 812 MB/s, 1 min 20 s left`, as far as it is known. */
export function paceText(pace: Pace, total: number, measure: Measure): string {
  const speed = donePerSecond(pace);
  const left = secondsLeft(pace, total);
  return listed([
    percentText(pace.latest.done, total),
    speed !== null && measure === 'bytes' ? speedText(speed) : null,
    left === null ? null : `${durationText(left)} left`,
  ]);
}

/** `100%, 10.2 GB in 14 s, 731 MB/s`: what was done since the first look, on the average. */
export function wholePaceText({ first, latest }: Pace, total: number, measure: Measure): string {
  const speed = speedBetween(first, latest);
  const time = durationText((latest.at_ms - first.at_ms) / 1_000);
  return listed([
    percentText(latest.done, total),
    measure === 'bytes' ? `${bytesText(latest.done - first.done)} in ${time}` : `in ${time}`,
    speed !== null && measure === 'bytes' ? speedText(speed) : null,
  ]);
}

function speedBetween(from: Mark, to: Mark): number | null {
  const seconds = (to.at_ms - from.at_ms) / 1_000;
  return seconds < 1 ? null : (to.done - from.done) / seconds;
}

/** 100% only when all is done. */
const percentText = (done: number, total: number): string =>
  `${total <= 0 || done >= total ? 100 : Math.floor((Math.max(0, done) * 100) / total)}%`;

const speedText = (bytes_per_second: number): string => `${figure(bytes_per_second / 1e6)} MB/s`;

const bytesText = (bytes: number): string =>
  bytes < 1e9 ? `${figure(bytes / 1e6)} MB` : `${figure(bytes / 1e9)} GB`;

const figure = (value: number): string => (value < 99.95 ? value.toFixed(1) : String(Math.round(value)));

/** `14 s`, `1 min 20 s`, `2 h 5 min`. */
export function durationText(duration_seconds: number): string {
  const seconds = Math.round(duration_seconds);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const listed = (parts: readonly (string | null)[]): string =>
  parts.filter((part) => part !== null).join(', ');
