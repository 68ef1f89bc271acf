// Seeds shared out over worker threads; each takes the next seed when it is done with one. What fails is said at once.
import { Worker } from 'node:worker_threads';
import type { SimulationResult } from '../simulator.js';

export interface SeedsReport {
  readonly results: readonly SimulationResult[];
  readonly first: number;
  readonly last: number;
  readonly seconds: number;
}

export interface SeedsWanted {
  readonly seed: number;
  readonly seeds?: number;
  readonly minutes?: number;
  readonly workers: number;
  /** End with the first seed that fails. */
  readonly failFast?: boolean;
}

const default_seeds = 200;
const progress_period_ms = 10_000;

export async function runSeeds({ seed: first, seeds, minutes, workers, failFast }: SeedsWanted): Promise<SeedsReport> {
  const started_ms = performance.now();
  const ends_ms = minutes === undefined ? Infinity : started_ms + minutes * 60_000;
  const last = minutes === undefined ? first + (seeds ?? default_seeds) - 1 : Infinity;
  const results: SimulationResult[] = [];
  let next = first;
  say(`seeds from ${first}${last === Infinity ? '' : ` to ${last}`} on ${workers} workers`);
  const timer = setInterval(() => say(`${results.length} seeds, ${failures(results)} failed`), progress_period_ms);
  try {
    await Promise.all(Array.from({ length: workers }, () => work(() => {
      if (next > last || performance.now() >= ends_ms || (failFast && failures(results) > 0)) return null;
      next += 1;
      return String(next - 1);
    }, (result) => {
      results.push(result);
      for (const violation of result.violations) say(`seed ${result.seed}: ${violation}\n    ${result.summary}`);
    })));
  } finally {
    clearInterval(timer);
  }
  results.sort((one, other) => Number(one.seed) - Number(other.seed));
  return { results, first, last: next - 1, seconds: (performance.now() - started_ms) / 1000 };
}

const failures = (results: readonly SimulationResult[]): number =>
  results.filter(({ violations }) => violations.length > 0).length;

/** One worker, until there is no seed left. */
function work(take: () => string | null, done: (result: SimulationResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./seed-worker.js', import.meta.url), { env: { ...process.env, TZ: 'UTC' } });
    const give = () => {
      const seed = take();
      if (seed !== null) worker.postMessage(seed);
      else worker.terminate().then(() => resolve(), reject);
    };
    worker.on('message', (result: SimulationResult) => {
      done(result);
      give();
    });
    worker.on('error', reject);
    give();
  });
}

const say = (text: string): boolean => process.stderr.write(`${text}\n`);
