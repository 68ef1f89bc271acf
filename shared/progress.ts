// Progress of something long, on stderr: a bar on a terminal, a plain line every ten seconds otherwise, so
// that a log of the run says how far it came.
import { createRequire } from 'node:module';
import { systemClock, type Clock } from './clock.js';

export interface Progress {
  /** How much of the total is done, and, in a few words, what is being done now. */
  update(done: number, note?: string): void;
  finish(note?: string): void;
}

export interface ProgressOptions {
  readonly label: string;
  readonly total: number;
  readonly stream?: NodeJS.WriteStream | (NodeJS.WritableStream & { isTTY?: boolean });
  readonly clock?: Clock;
}

const line_every_ms = 10_000;

export function createProgress(options: ProgressOptions): Progress {
  const stream = options.stream ?? process.stderr;
  return stream.isTTY ? progressBar(options, stream) : progressLines(options, stream);
}

function progressBar({ label, total }: ProgressOptions, stream: NodeJS.WritableStream): Progress {
  const { SingleBar, Presets } = createRequire(import.meta.url)(
    'cli-progress',
  ) as typeof import('cli-progress');
  const format = `${label} {bar} {percentage}% {note}`;
  const bar = new SingleBar({ format, stream, hideCursor: true, clearOnComplete: false }, Presets.rect);
  bar.start(Math.max(1, total), 0, { note: '' });
  return {
    update: (done, note) => bar.update(done, note === undefined ? {} : { note }),
    finish(note) {
      bar.update(Math.max(1, total), note === undefined ? {} : { note });
      bar.stop();
    },
  };
}

function progressLines(options: ProgressOptions, stream: NodeJS.WritableStream): Progress {
  const { label, total, clock = systemClock } = options;
  let last_ms = Number.NEGATIVE_INFINITY;
  const line = (done: number, note?: string) => {
    const part = total > 0 ? Math.min(100, Math.floor((done * 100) / total)) : 100;
    stream.write(`${label} ${part}%${note ? ` ${note}` : ''}\n`);
  };
  return {
    update(done, note) {
      if (clock.monotonic_ms() - last_ms < line_every_ms) return;
      last_ms = clock.monotonic_ms();
      line(done, note);
    },
    finish: (note) => line(total, note ?? 'done'),
  };
}
