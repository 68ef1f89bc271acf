// Progress of something long. On a terminal one line that is rewritten in place; otherwise a plain line every ten
// seconds, through a daemon's logger or on stderr, so that a log of the run says how far it came. What takes less
// than a second says nothing at all. There is no timer: a report that never comes draws nothing, and a process
// that dies leaves the terminal as it is. Label and text are the program's own words: nothing is escaped here.
import { systemClock, type Clock } from './clock.js';
import { clear_line, type Logger } from './logger.js';
import { beginPace, notePace, paceText, wholePaceText, type Measure, type Pace } from './pace.js';

export interface Progress {
  /**
   * How much of the total is done (the total may grow), and in a few words what was found so far. The first
   * report says where it starts from: what was done before does not count for the speed.
   */
  readonly report: (done: number, total: number, text?: string) => void;
  /** Says once more how far it came, if anything was said before. Safe to call twice. */
  readonly end: (text?: string) => void;
}

export interface ProgressOptions {
  /** What is being done: `reading the log`. */
  readonly label: string;
  /** Bytes (the default) have a speed in MB/s; of parts only percent and time left are said. */
  readonly measure?: Measure;
  readonly clock?: Clock;
  /** stderr unless a test says otherwise. */
  readonly out?: ProgressStream;
  /** A daemon's: where `out` is no terminal the lines go here. */
  readonly log?: Logger;
}

export type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

const redraw_every_ms = 200;
const line_every_ms = 10_000;
const silent_ms = 1_000;

export function createProgress(options: ProgressOptions): Progress {
  const { label, measure = 'bytes', clock = systemClock, out = process.stderr } = options;
  const is_terminal = out.isTTY === true;
  const every_ms = is_terminal ? redraw_every_ms : line_every_ms;
  let due_ms = clock.monotonic_ms() + (is_terminal ? silent_ms : line_every_ms);
  let pace: Pace | null = null;
  let last = { total: 0, text: '' };
  let has_spoken = false;

  function say(how_far: string, text: string): void {
    const sentence = `${label}: ${how_far}${text === '' ? '' : `, ${text}`}`;
    if (is_terminal) out.write(clear_line + sentence.slice(0, (out.columns ?? 80) - 1));
    else if (options.log) options.log.info(sentence);
    else out.write(`${sentence}\n`);
    has_spoken = true;
  }

  return {
    report(done, total, text = '') {
      const now_ms = clock.monotonic_ms();
      pace = pace === null ? beginPace(now_ms, done) : notePace(pace, now_ms, done);
      last = { total, text };
      if (now_ms < due_ms) return;
      due_ms = now_ms + every_ms;
      say(paceText(pace, total, measure), text);
    },
    end(text = last.text) {
      if (!has_spoken || pace === null) return;
      say(wholePaceText(pace, last.total, measure), text);
      if (is_terminal) out.write('\n');
      has_spoken = false;
    },
  };
}
