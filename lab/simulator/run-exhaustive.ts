// The exhaustive tier as a command: the stories are shared out over worker threads; a row for each, and what was found.
import { Worker } from 'node:worker_threads';
import type { ExhaustiveResult } from './exhaustive.js';
import type { StoryWanted } from './exhaustive-worker.js';
import { scenarios } from './scenarios.js';

export interface ExhaustiveWanted {
  /** Every n-th pair of crash points; 0: none. */
  readonly everyPair: number;
  readonly workers: number;
  readonly json?: boolean;
}

export async function runExhaustive({ everyPair, workers, json }: ExhaustiveWanted): Promise<number> {
  const started_ms = performance.now();
  const rows: ExhaustiveResult[] = [];
  let tellings = 0;
  let next = 0;
  const timer = setInterval(() => process.stderr.write(`${tellings} tellings\n`), 10_000);
  try {
    await Promise.all(Array.from({ length: workers }, () => work({
      take: () => (next < scenarios.length ? { index: next++, every_pair: everyPair } : null),
      told: () => { tellings += 1; },
      done: (row) => {
        rows.push(row);
        if (!json) say(`${String(row.effects).padStart(3)} effects ${String(row.points).padStart(4)} points ${String(row.pairs).padStart(6)} pairs  ${row.scenario}`);
        for (const violation of row.violations) process.stderr.write(`${row.scenario}: ${violation}\n`);
      },
    })));
  } finally {
    clearInterval(timer);
  }
  const seconds = Math.round((performance.now() - started_ms) / 1000);
  const failed = rows.reduce((sum, { violations }) => sum + violations.length, 0);
  if (json) say(JSON.stringify({ rows, tellings, seconds }));
  else say(`${tellings} tellings in ${seconds} s, ${failed} violations`);
  return failed === 0 ? 0 : 1;
}

interface Work {
  readonly take: () => StoryWanted | null;
  readonly told: () => void;
  readonly done: (row: ExhaustiveResult) => void;
}

/** One worker, until there is no story left. */
function work({ take, told, done }: Work): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./exhaustive-worker.js', import.meta.url), { env: { ...process.env, TZ: 'UTC' } });
    const give = () => {
      const wanted = take();
      if (wanted) worker.postMessage(wanted);
      else worker.terminate().then(() => resolve(), reject);
    };
    worker.on('message', (message: 'told' | ExhaustiveResult) => {
      if (message === 'told') return told();
      done(message);
      give();
    });
    worker.on('error', reject);
    give();
  });
}

const say = (text: string): boolean => process.stdout.write(`${text}\n`);
