// A simulated process: code that runs only between two waits. Every port of a daemon waits here before it does
// anything, so that at each of these points another process may come first, time may pass, or this one may die.
// One that dies is simply never woken again: its promises stay open for ever, like the memory of a process that
// is gone, and nothing of it can have an effect any more. SIGSTOP is a wait that lasts; SIGTERM an AbortSignal.
import { setImmediate as breathe } from 'node:timers/promises';
import type { Moment, Timeline } from './timeline.js';

const idle_turns = 50;

export type ProcessState = 'running' | 'dead' | 'ended';

export interface SimulatedProcess {
  readonly name: string;
  readonly stop: AbortSignal;
  state(): ProcessState;
  /** What it ended with: null while it runs and after a clean end. */
  failure(): unknown;
  /** Called by its ports: resolves when it is this process's turn, so much later. */
  wait(duration_ms: number, signal?: AbortSignal): Promise<void>;
  /** SIGKILL. */
  kill(): void;
  /** SIGTERM. */
  terminate(): void;
  /** SIGSTOP, and SIGCONT so much later. */
  freeze(duration_ms: number): void;
  isFrozen(): boolean;
  /** Ends its sleep early, as the bell does. */
  ring(): void;
}

export interface ProcessOptions {
  readonly name: string;
  readonly timeline: Timeline;
  readonly main: (process: SimulatedProcess) => Promise<void>;
  readonly onEnd: (process: SimulatedProcess) => void;
}

/** Starts with the next moment. */
export function startProcess({ name, timeline, main, onEnd }: ProcessOptions): SimulatedProcess {
  const controller = new AbortController();
  let state: ProcessState = 'running';
  let failure: unknown = null;
  let frozen_until_ms = -Infinity;
  let sleep: Moment | null = null;
  /** Waits that are not over. */
  let waits = 0;
  /** Called when the process waits again or has ended. */
  let rest: () => void = () => undefined;

  /** Lets it run until it waits again. */
  async function run(go: () => void): Promise<void> {
    let resting = false;
    const rested = new Promise<void>((resolve) => {
      rest = () => {
        resting = true;
        resolve();
      };
    });
    waits -= 1;
    go();
    // While it waits for something else too, what was woken now may have nothing left to do.
    for (let turns = 0; waits > 0 && !resting && turns < idle_turns; turns += 1) await breathe();
    if (waits === 0) await rested;
  }

  function resumeAt(due_ms: number, go: () => void): Moment {
    return timeline.at(due_ms, () => {
      if (state !== 'running') return undefined;
      if (timeline.now_ms() < frozen_until_ms) {
        resumeAt(frozen_until_ms, go);
        return undefined;
      }
      return run(go);
    });
  }

  function wait(duration_ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise<void>((resolve) => {
      waits += 1;
      const wakeUp = () => moment.hasten(timeline.now_ms());
      const moment = resumeAt(timeline.now_ms() + (signal?.aborted ? 0 : duration_ms), () => {
        signal?.removeEventListener('abort', wakeUp);
        resolve();
      });
      if (signal) {
        sleep = moment;
        signal.addEventListener('abort', wakeUp, { once: true });
      }
      rest();
    });
  }

  const self: SimulatedProcess = {
    name,
    stop: controller.signal,
    state: () => state,
    failure: () => failure,
    wait,
    kill: () => {
      if (state === 'running') state = 'dead';
      rest();
    },
    terminate: () => controller.abort(),
    freeze: (duration_ms) => { frozen_until_ms = timeline.now_ms() + duration_ms; },
    isFrozen: () => timeline.now_ms() < frozen_until_ms,
    ring: () => sleep?.hasten(timeline.now_ms()),
  };

  function end(error: unknown): void {
    if (state !== 'running') return;
    state = 'ended';
    failure = error;
    onEnd(self);
    rest();
  }

  waits += 1;
  resumeAt(timeline.now_ms(), () => { main(self).then(() => end(null), end); });
  return self;
}
