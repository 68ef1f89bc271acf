// The loop that both daemons use. A daemon is one `step()`: one bounded move with at most one effect. The
// loop repeats it, sleeps when it is idle, backs off while the outside does not answer, and stops between two
// steps. A step that hangs on a silent node when it is told to stop is left behind after three seconds: it
// may die anywhere without harm, and the lease that is given back fences off whatever it would still
// write. Only a failure of the outside is waited out; anything else (a broken invariant, a lost lease, a
// fault of the configuration, a defect) ends the loop, because going on could do harm.
import { createBackoff, type Backoff } from './backoff.js';
import type { Clock } from './clock.js';
import { OutsideFailure } from './errors.js';
import type { Logger } from './logger.js';

export interface Daemon {
  /** How long to sleep when there is nothing to do. */
  readonly idle_ms: number;
  step(): Promise<'progress' | 'idle'>;
  /**
   * Resolves when a bell rings, which ends the sleep early. Called anew before each step, not before the sleep: what
   * rings while a step is under way may have come too late for it, and the sleep after it ends at once.
   */
  wake?(): Promise<void>;
}

/** How long a step may still take after the daemon was told to stop. */
const stop_grace_ms = 3_000;

export interface LoopPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly stop: AbortSignal;
  readonly backoff?: Backoff;
}

/** Runs until `stop`. @throws whatever a step throws, except OutsideFailure. */
export async function runDaemon(daemon: Daemon, ports: LoopPorts): Promise<void> {
  const { clock, log, stop, backoff = createBackoff() } = ports;
  const outage = reportOutages(log);
  while (!stop.aborted) {
    const woken = daemon.wake?.() ?? null;
    try {
      const outcome = await stepOrStop(daemon, clock, stop);
      backoff.reset();
      if (outcome === 'progress') continue;
      outage.over();
    } catch (error) {
      if (!(error instanceof OutsideFailure)) throw error;
      outage.report(error);
      await clock.sleep(backoff.next_ms(), stop);
      continue;
    }
    await sleepUntilWoken(daemon.idle_ms, woken, clock, stop);
  }
}

/**
 * Runs until a step is idle (or `stop`). Waits for the outside, over all its failures together, at most
 * `outside_wait_ms`. @throws the OutsideFailure after that, and at once whatever else a step throws.
 */
export async function runOnce(
  daemon: Daemon,
  {
    clock,
    log,
    stop,
    backoff = createBackoff(),
    outside_wait_ms,
  }: LoopPorts & { readonly outside_wait_ms: number },
): Promise<void> {
  const outage = reportOutages(log);
  let left_ms = outside_wait_ms;
  while (!stop.aborted) {
    const started_ms = clock.monotonic_ms();
    try {
      const outcome = await stepOrStop(daemon, clock, stop);
      backoff.reset();
      if (outcome === 'idle') return;
    } catch (error) {
      if (!(error instanceof OutsideFailure)) throw error;
      // Asking again would not help: a person has to change something first.
      if (error.kind === 'refused' || left_ms <= 0) throw error;
      outage.report(error);
      await clock.sleep(Math.min(backoff.next_ms(), left_ms), stop);
      left_ms -= clock.monotonic_ms() - started_ms;
    }
  }
}

/** The step's outcome, or 'idle' when the daemon was told to stop and the step did not end in time. */
async function stepOrStop(daemon: Daemon, clock: Clock, stop: AbortSignal): Promise<'progress' | 'idle'> {
  const step = daemon.step();
  const ended = new AbortController();
  const onStop: { call: () => void } = { call: () => undefined };
  const given_up = new Promise<'idle'>((resolve) => {
    onStop.call = () => void clock.sleep(stop_grace_ms, ended.signal).then(() => resolve('idle'));
  });
  stop.addEventListener('abort', onStop.call, { once: true });
  try {
    return await Promise.race([step, given_up]);
  } finally {
    ended.abort();
    stop.removeEventListener('abort', onStop.call);
    // Left behind, it may fail later; nobody waits for it any more.
    step.catch(() => undefined);
  }
}

/** One line when the outside fails, one when its sentence changes, one when all is well again. */
function reportOutages(log: Logger): { report(failure: OutsideFailure): void; over(): void } {
  let last: string | null = null;
  return {
    report(failure) {
      if (failure.message === last) return;
      last = failure.message;
      log.warn(failure.message, { where: failure.where, kind: failure.kind, code: failure.code });
    },
    // Idle, not mere progress: a daemon may well do half of its work while the node is away.
    over() {
      if (last !== null) log.info('what was out of reach answers again');
      last = null;
    },
  };
}

async function sleepUntilWoken(
  idle_ms: number, woken: Promise<void> | null, clock: Clock, stop: AbortSignal,
): Promise<void> {
  if (!woken) return clock.sleep(idle_ms, stop);
  // A controller of its own ends the timer when the bell wins; it is tied to `stop` only for this sleep.
  const awake = new AbortController();
  const wake = () => awake.abort();
  stop.addEventListener('abort', wake, { once: true });
  if (stop.aborted) wake();
  try {
    await Promise.race([clock.sleep(idle_ms, awake.signal), woken]);
  } finally {
    wake();
    stop.removeEventListener('abort', wake);
  }
}

/**
 * Aborts at the first SIGINT or SIGTERM: stop after the current step. The second one exits at once, with the
 * status that the signal would have given; nothing is lost by it, a step may die anywhere.
 */
export function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  const numbers = { SIGINT: 2, SIGTERM: 15 } as const;
  const onSignal = (signal: keyof typeof numbers) => {
    if (controller.signal.aborted) process.exit(128 + numbers[signal]);
    controller.abort(signal);
  };
  process.on('SIGINT', () => onSignal('SIGINT'));
  process.on('SIGTERM', () => onSignal('SIGTERM'));
  return controller.signal;
}
