// What is told while runs go on and when they are over, and the file by which a long run can be taken up again.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { printLines, printTable } from '../../shared/print.js';
import { fault_names } from './points.js';
import type { Outcome } from './run-points.js';

const outcomeShape = z.object({
  name: z.string(), met: z.boolean(), took_ms: z.number(),
  violations: z.array(z.string()), stops: z.array(z.string()),
});

/** The runs of a results file. */
export function readDone(file: string): Outcome[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line) => outcomeShape.parse(JSON.parse(line)));
}

const progress_every = 25;

export interface RecorderOptions {
  readonly total: number;
  readonly say: (text: string) => void;
  readonly file?: string;
}

export function recorder({ total, say, file }: RecorderOptions): (outcome: Outcome) => void {
  const began_ms = performance.now();
  let runs = 0;
  let violated = 0;
  return (outcome) => {
    runs += 1;
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(outcome)}\n`);
    if (outcome.violations.length > 0) {
      violated += 1;
      printLines(outcome.violations.map((violation) => `${outcome.name}: ${violation}`));
    }
    if (runs % progress_every !== 0 && runs !== total) return;
    const seconds = Math.round((performance.now() - began_ms) / 1000);
    say(`${runs} of ${total} runs, ${violated} with a violation, ${seconds} s, about ${Math.round(seconds * (total / runs - 1))} s to go`);
  };
}

export function printSummary(outcomes: readonly Outcome[]): void {
  const rows = fault_names.flatMap((fault) => {
    const runs = outcomes.filter(({ name }) => name.endsWith(`/${fault}`));
    const took_ms = runs.map((run) => run.took_ms).sort((a, b) => a - b);
    const median_seconds = Math.round((took_ms[Math.floor(took_ms.length / 2)] ?? 0) / 1000);
    return runs.length === 0 ? [] : [[
      fault, runs.length, runs.filter(({ met }) => !met).length,
      runs.filter(({ stops }) => stops.length > 0).length, runs.filter(({ violations }) => violations.length > 0).length, median_seconds,
    ]];
  });
  printTable([
    { heading: 'fault' }, { heading: 'runs', align: 'right' }, { heading: 'never met', align: 'right' },
    { heading: 'stopped itself', align: 'right' }, { heading: 'violated', align: 'right' }, { heading: 'median s', align: 'right' },
  ], rows);
}
