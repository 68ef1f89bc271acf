// A fuzz target: inputs to be made up, and a check that throws when a promise does not hold for one of them. The
// command (fuzz/main.ts) and the test (fuzz.test.ts) run the same targets, only for different times. A target
// needs nothing but its seed: the same seed makes the same inputs in the same order.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';

export interface Found {
  /** `--target NAME --seed SEED` meets it again in the first batch. */
  readonly seed: number;
  /** The smallest input that still fails. */
  readonly input: string;
  readonly error: string;
}

export interface Target {
  readonly name: string;
  /** What must hold, as a sentence. */
  readonly promise: string;
  /** Makes up inputs for so long, at least one batch of them, and stops at the first that fails. */
  run(seed: number, time_ms: number): Promise<{ readonly executions: number; readonly found: Found | null }>;
}

const batch_size = 250;
/** A found input may be slow itself: shrinking ends in bounded time. */
const shrink_limit_ms = 15_000;

export function target<Input>(
  name: string, promise: string, inputs: fc.Arbitrary<Input>, check: (input: Input) => void,
): Target {
  return { name, promise, run: inBatches((settings) => fc.check(fc.property(inputs, check), settings)) };
}

/**
 * For what touches files, the network or a database. A batch that is out of time leaves its last check running: that
 * one is waited for, so that it meddles with no later one.
 */
export function asyncTarget<Input>(
  name: string, promise: string, inputs: fc.Arbitrary<Input>, check: (input: Input) => Promise<void>,
): Target {
  const batch: Batch = async (settings) => {
    let last: Promise<unknown> = Promise.resolve();
    const watched = (input: Input): Promise<void> => {
      const checked = check(input);
      last = checked.catch(() => undefined);
      return checked;
    };
    const result = await fc.check(fc.asyncProperty(inputs, watched), settings);
    await last;
    return result;
  };
  return { name, promise, run: inBatches(batch) };
}

interface Settings {
  readonly seed: number;
  readonly numRuns: number;
  readonly interruptAfterTimeLimit: number;
}
type Result = Pick<fc.RunDetails<unknown>, 'failed' | 'numRuns' | 'counterexample' | 'errorInstance'>;
type Batch = (settings: Settings) => Result | Promise<Result>;

function inBatches(batch: Batch): Target['run'] {
  return async (first_seed, time_ms) => {
    const end_ms = performance.now() + time_ms;
    let executions = 0;
    for (let seed = first_seed; executions === 0 || performance.now() < end_ms; seed = nextSeed(seed)) {
      const left_ms = Math.max(100, end_ms - performance.now());
      const result = await batch({ seed, numRuns: batch_size, interruptAfterTimeLimit: left_ms });
      executions += result.numRuns;
      // A batch that had no time for a single input counts as failed there, without an input.
      if (!result.failed || result.counterexample === null) continue;
      // Once more with time to shrink; what does not fail again is told as it was found.
      const again = await batch({ seed, numRuns: batch_size, interruptAfterTimeLimit: shrink_limit_ms });
      return { executions, found: foundIn(seed, again.counterexample === null ? result : again) };
    }
    return { executions, found: null };
  };
}

export const nextSeed = (seed: number): number => (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;

function foundIn(seed: number, { counterexample, errorInstance }: Result): Found {
  const error = errorInstance instanceof Error ? errorInstance.stack ?? errorInstance.message : String(errorInstance);
  return { seed, input: shown(counterexample), error: error.split('\n').slice(0, 6).join('\n') };
}

/** Everything at most 2000 characters long. */
function shown(value: unknown): string {
  const text = fc.stringify(Array.isArray(value) && value.length === 1 ? legible(value[0]) : legible(value));
  return text.length <= 2_000 ? text : `${text.slice(0, 2_000)}… (${text.length} characters)`;
}

/** Bytes as text, one character a byte. */
function legible(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  if (Array.isArray(value)) return value.map(legible);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, legible(part)]));
}

/** @throws Error with the sentence when it does not hold. */
export function must(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new Error(sentence);
}

export function mustEqual(actual: unknown, expected: unknown, sentence: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${sentence}: ${shown(actual)} is not ${shown(expected)}`);
}

/**
 * Fails when the work takes more processor time than that: what grows with the square of its input shows. Processor
 * time, because the machine may be busy with other things.
 */
export function withinTime<Result>(limit_ms: number, work: () => Result): Result {
  const began = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(began);
  must((user + system) / 1000 <= limit_ms, `it took ${Math.round((user + system) / 1000)} ms of processor time`);
  return result;
}
