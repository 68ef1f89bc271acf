// Many runs, several at a time: most of a run is waiting (for a killed daemon's lease, for a limit of time). One run takes
// a point of each stage; where something was violated, its points are run again, each alone, to tell which it was. A run
// that the harness itself could not finish is tried once more and then told of as a violation: nothing is passed over.
import { nameOf, type FaultPoint } from './points.js';
import { runPoints, type Outcome } from './run-points.js';
import { stages } from './story.js';
import type { Templates } from './templates.js';

export interface RunAllOptions {
  readonly workers: number;
  readonly stop: AbortSignal;
  readonly onOutcome: (outcome: Outcome) => void;
}

export async function runAll(templates: Templates, points: readonly FaultPoint[], options: RunAllOptions): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = pack(points);
  const work = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined && !options.stop.aborted; run = waiting.shift()) {
      for (const outcome of await runApart(templates, run)) {
        outcomes.push(outcome);
        options.onOutcome(outcome);
      }
    }
  };
  await Promise.all(Array.from({ length: options.workers }, work));
  return outcomes;
}

/** Groups of at most one point of each stage. */
export function pack(points: readonly FaultPoint[]): FaultPoint[][] {
  const of_stage = stages.map((stage) => points.filter((point) => point.stage === stage));
  const runs = Math.max(...of_stage.map(({ length }) => length));
  return Array.from({ length: runs }, (_, index) => of_stage.flatMap((some) => some.slice(index, index + 1)));
}

async function runApart(templates: Templates, run: readonly FaultPoint[]): Promise<Outcome[]> {
  const outcomes = await twice(templates, run);
  if (run.length === 1 || outcomes.every(({ violations }) => violations.length === 0)) return outcomes;
  const together = `together with ${run.map(nameOf).join(' and ')}`;
  const alone: Outcome[] = [];
  for (const point of run) alone.push(...await twice(templates, [point]));
  if (alone.some(({ violations }) => violations.length > 0)) return alone;
  return outcomes.map((outcome) => ({ ...outcome, violations: outcome.violations.map((violation) => `${violation} (only ${together})`) }));
}

async function twice(templates: Templates, run: readonly FaultPoint[]): Promise<Outcome[]> {
  try {
    return await runPoints(templates, run);
  } catch {
    // A port taken meanwhile, a server that did not start under load: not the daemons' fault.
    return runPoints(templates, run).catch((failure: unknown) => run.map((point): Outcome => ({
      name: nameOf(point), met: false, stops: [], took_ms: 0,
      violations: [`the run could not be made: ${failure instanceof Error ? failure.message : String(failure)}`],
    })));
  }
}
