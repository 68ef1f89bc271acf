// Shares as they arrive: written one by one at an even rate, each opened, appended with one write and closed, as
// ckpool does. Every few seconds the work changes and with it the file; one share in a hundred is late and goes
// into the file before. Keeps when each share was written, until it is asked for.
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { line_bytes_max, workInfo, type ShareLines } from './share-lines.js';

export interface WriterPlan {
  readonly share_directory: string;
  readonly lines: ShareLines;
  readonly shares_a_second: number;
  readonly stop: AbortSignal;
}

interface WrittenShare {
  readonly workinfoid: string;
  readonly end: number;
  readonly written_ms: number;
}

export interface ShareWriter {
  /** Resolves when all are written. May be called again after that. */
  run(duration_ms: number): Promise<void>;
  /** Which shares of a file lie before an offset, each told once: when they were written. */
  takeUpTo(workinfoid: string, offset: number): readonly number[];
  /** Shares that were not told yet. */
  readonly waiting: number;
}

const change_work_ms = 3_000;
const late_every = 100;
const tick_ms = 2;

export function createShareWriter(plan: WriterPlan): ShareWriter {
  const { share_directory, lines, shares_a_second, stop } = plan;
  const line = Buffer.allocUnsafe(line_bytes_max);
  const ends = new Map<string, number>();
  const untold = new Map<string, WrittenShare[]>();

  function writeOne(counter: number): void {
    const workinfoid = workInfo(counter);
    lines.setWork(workinfoid);
    lines.setTime(Date.now());
    const length = lines.next(line, 0);
    const file = openSync(join(share_directory, `${workinfoid}.sharelog`), 'a');
    writeSync(file, line, 0, length);
    closeSync(file);
    const end = (ends.get(workinfoid) ?? 0) + length;
    ends.set(workinfoid, end);
    const queue = untold.get(workinfoid) ?? [];
    untold.set(workinfoid, queue);
    queue.push({ workinfoid, end, written_ms: performance.now() });
  }

  async function run(duration_ms: number): Promise<void> {
    const started_ms = performance.now();
    for (let written = 0; ;) {
      stop.throwIfAborted();
      const elapsed_ms = performance.now() - started_ms;
      const due = Math.floor((Math.min(elapsed_ms, duration_ms) * shares_a_second) / 1_000);
      const counter = 2 + Math.floor(elapsed_ms / change_work_ms);
      for (; written < due; written += 1) writeOne(written % late_every === 0 ? counter - 1 : counter);
      if (elapsed_ms >= duration_ms) return;
      await wait(tick_ms);
    }
  }

  function takeUpTo(workinfoid: string, offset: number): readonly number[] {
    const queue = untold.get(workinfoid) ?? [];
    const first_untold = queue.findIndex(({ end }) => end > offset);
    return queue.splice(0, first_untold < 0 ? queue.length : first_untold).map(({ written_ms }) => written_ms);
  }

  return {
    run,
    takeUpTo,
    get waiting() { return [...untold.values()].reduce((sum, queue) => sum + queue.length, 0); },
  };
}
