import { spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBackoff } from './backoff.js';
import { systemClock, type Clock } from './clock.js';
import { runDaemon, runOnce, type Daemon } from './daemon.js';
import { ConfigurationFault, InvariantBroken, OutsideFailure } from './errors.js';
import type { Logger } from './logger.js';

/** Time that passes only in sleeps; what was slept is what a test looks at. */
function simulatedClock(): Clock & { slept_ms: number[] } {
  let now_ms = 0;
  const slept_ms: number[] = [];
  return {
    slept_ms,
    now_ms: () => now_ms,
    monotonic_ms: () => now_ms,
    async sleep(duration_ms, stop) {
      if (stop?.aborted) return;
      slept_ms.push(duration_ms);
      now_ms += duration_ms;
    },
  };
}

function notebook(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const note = (message: string) => void lines.push(message);
  return { lines, debug: note, info: note, warn: note, error: note };
}

type Move = 'progress' | 'idle' | Error;
/** A daemon that makes these moves in turn and then asks to stop. */
function script(moves: Move[], stop: AbortController): Daemon & { steps: () => number } {
  let steps = 0;
  return {
    idle_ms: 20_000,
    steps: () => steps,
    async step() {
      const move = moves[steps++];
      if (steps >= moves.length) stop.abort();
      if (move instanceof Error) throw move;
      return move ?? 'idle';
    },
  };
}

const nodeDown = new OutsideFailure('retry', 'node', 'The node does not answer; start it.');
const databaseDown = new OutsideFailure('unknown', 'database', 'The database is gone; start it.');

describe('backoff', () => {
  it('doubles from a second to half a minute and begins again after an answer', () => {
    const backoff = createBackoff();
    const delays = () => Array.from({ length: 7 }, () => backoff.next_ms());
    const expected = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    expect(delays()).toEqual(expected);
    backoff.reset();
    expect(delays()).toEqual(expected);
  });

  it('never shrinks nor passes its cap', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 0, max: 1e6 }), (first_ms, more_ms) => {
      const backoff = createBackoff({ first_ms, most_ms: first_ms + more_ms });
      const delays = Array.from({ length: 30 }, () => backoff.next_ms());
      expect(delays).toEqual([...delays].sort((one, other) => one - other));
      expect(delays.at(-1)).toBe(first_ms + more_ms);
    }));
  });
});

describe('the loop', () => {
  it('works without a pause while there is progress and sleeps when idle', async () => {
    const [stop, clock, log] = [new AbortController(), simulatedClock(), notebook()];
    const daemon = script(['progress', 'progress', 'idle', 'progress', 'idle', 'progress'], stop);
    await runDaemon(daemon, { clock, log, stop: stop.signal });
    expect(daemon.steps()).toBe(6);
    expect(clock.slept_ms).toEqual([20_000, 20_000]);
  });

  it('waits out the outside with back-off, says so once, and says when it is back (D-19)', async () => {
    const [stop, clock, log] = [new AbortController(), simulatedClock(), notebook()];
    const moves = [nodeDown, nodeDown, nodeDown, databaseDown, 'idle', nodeDown, 'progress'] satisfies Move[];
    await runDaemon(script(moves, stop), { clock, log, stop: stop.signal });
    expect(clock.slept_ms).toEqual([1_000, 2_000, 4_000, 8_000, 20_000, 1_000]);
    expect(log.lines).toEqual([
      nodeDown.message, databaseDown.message, 'what was out of reach answers again', nodeDown.message,
    ]);
  });

  it('does not repeat itself when half of the work goes on during an outage', async () => {
    const [stop, clock, log] = [new AbortController(), simulatedClock(), notebook()];
    await runDaemon(script([nodeDown, 'progress', nodeDown, 'progress', nodeDown], stop), { clock, log, stop: stop.signal });
    expect(log.lines).toEqual([nodeDown.message]);
  });

  it.each([
    new InvariantBroken('The ledger does not sum to zero.'),
    new ConfigurationFault(['ckpool.conf: wrong network.']),
    new TypeError('a defect'),
  ])('ends at once, without another step, at %s', async (failure) => {
    const [stop, clock, log] = [new AbortController(), simulatedClock(), notebook()];
    const daemon = script([failure, 'progress', 'progress'], stop);
    await expect(runDaemon(daemon, { clock, log, stop: stop.signal })).rejects.toBe(failure);
    expect(daemon.steps()).toBe(1);
  });

  it('stops after the current step, never inside it', async () => {
    const stop = new AbortController();
    let finished = false;
    const step = async () => {
      stop.abort();
      await wait(20);
      finished = true;
      return 'progress' as const;
    };
    await runDaemon({ idle_ms: 60_000, step }, { clock: systemClock, log: notebook(), stop: stop.signal });
    expect(finished).toBe(true);
  });

  it('leaves a step that hangs on a silent node behind, seconds after it was told to stop', async () => {
    const stop = new AbortController();
    const daemon: Daemon = { idle_ms: 1, step: () => new Promise(() => undefined) };
    const running = runDaemon(daemon, { clock: systemClock, log: notebook(), stop: stop.signal });
    const started_ms = systemClock.monotonic_ms();
    stop.abort();
    await running;
    expect(systemClock.monotonic_ms() - started_ms).toBeLessThan(4_500);
  });

  it('makes no step at all when asked to stop before', async () => {
    const stop = new AbortController();
    stop.abort();
    const daemon = script(['progress'], stop);
    await runDaemon(daemon, { clock: systemClock, log: notebook(), stop: stop.signal });
    expect(daemon.steps()).toBe(0);
  });

  it('leaves a long sleep at once when a bell rings or when it must stop', async () => {
    const stop = new AbortController();
    const bells: (() => void)[] = [];
    let steps = 0;
    const daemon: Daemon = {
      idle_ms: 60_000,
      step: async () => (steps += 1, 'idle'),
      wake: () => new Promise((resolve) => bells.push(resolve)),
    };
    const run = runDaemon(daemon, { clock: systemClock, log: notebook(), stop: stop.signal });
    await wait(20);
    bells[0]?.();
    await wait(20);
    expect(steps).toBe(2);
    stop.abort();
    await run;
    expect(steps).toBe(2);
  });

  it('takes no sleep when a bell rang while it was at work: the line may have come too late for that step', async () => {
    const stop = new AbortController();
    let ring: () => void = () => undefined;
    let steps = 0;
    const daemon: Daemon = {
      idle_ms: 60_000,
      step: async () => {
        steps += 1;
        if (steps === 1) ring();
        return 'idle';
      },
      wake: () => new Promise((resolve) => { ring = resolve; }),
    };
    const run = runDaemon(daemon, { clock: systemClock, log: notebook(), stop: stop.signal });
    await wait(50);
    expect(steps).toBe(2);
    stop.abort();
    await run;
  });

  it('leaves the back-off at once when it must stop', async () => {
    const stop = new AbortController();
    const daemon: Daemon = { idle_ms: 1, step: () => Promise.reject(nodeDown) };
    setTimeout(() => stop.abort(), 20);
    const started_ms = performance.now();
    await runDaemon(daemon, { clock: systemClock, log: notebook(), stop: stop.signal });
    expect(performance.now() - started_ms).toBeLessThan(900);
  });
});

describe('--once', () => {
  const once = (moves: Move[], outside_wait_ms = 30_000) => {
    const [stop, clock, log] = [new AbortController(), simulatedClock(), notebook()];
    const never = new AbortController();
    const daemon = script(moves, stop);
    const end = runOnce(daemon, { clock, log, stop: never.signal, outside_wait_ms });
    return { end, clock, daemon };
  };

  it('runs until idle', async () => {
    const { end, daemon } = once(['progress', 'progress', 'idle', 'progress']);
    await end;
    expect(daemon.steps()).toBe(3);
  });

  it('goes on when the outside comes back in time', async () => {
    const { end, clock } = once([nodeDown, nodeDown, 'progress', 'idle']);
    await end;
    expect(clock.slept_ms).toEqual([1_000, 2_000]);
  });

  it('waits at most so long, over all outages together, and then fails with the sentence', async () => {
    const outages = Array.from({ length: 40 }, (_, index): Move => (index % 3 === 2 ? 'progress' : nodeDown));
    const { end, clock } = once(outages);
    await expect(end).rejects.toBe(nodeDown);
    expect(clock.slept_ms.reduce((sum, one) => sum + one, 0)).toBe(30_000);
  });

  it('does not wait for a fault of its own', async () => {
    const broken = new InvariantBroken('No.');
    const { end, clock } = once([broken]);
    await expect(end).rejects.toBe(broken);
    expect(clock.slept_ms).toEqual([]);
  });
});

describe('signals', () => {
  // The function is small and plain: its own text runs in a process of its own and gets real signals.
  const program = async () => {
    const { stopOnSignals } = await import('./daemon.js');
    return `const stopOnSignals = ${stopOnSignals.toString()};
      const stop = stopOnSignals();
      const work = setInterval(() => undefined, 1000);
      stop.addEventListener('abort', () => process.stdout.write('stopping\\n'));
      if (process.argv[1] !== 'stubborn') stop.addEventListener('abort', () => clearInterval(work));
      process.stdout.write('ready\\n');`;
  };

  async function start(...parameters: string[]) {
    const child = spawn(process.execPath, ['-e', await program(), ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] });
    const says = (word: string) =>
      new Promise<void>((resolve) => child.stdout.on('data', (data) => String(data).includes(word) && resolve()));
    const exit = new Promise<number | null>((resolve) => child.on('close', resolve));
    await says('ready');
    return { child, says, exit };
  }

  it.each(['SIGINT', 'SIGTERM'] as const)('the first %s asks to stop after the current step', async (signal) => {
    const { child, exit } = await start();
    child.kill(signal);
    expect(await exit).toBe(0);
  });

  it('the second one exits at once', async () => {
    const { child, says, exit } = await start('stubborn');
    const stopping = says('stopping');
    child.kill('SIGTERM');
    await stopping;
    child.kill('SIGINT');
    expect(await exit).toBe(130);
  });
});
