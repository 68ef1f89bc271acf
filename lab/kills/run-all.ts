// Many runs, several at a time: most of a run is waiting (for a killed daemon's lease, for a limit of time). A run that
// the harness itself could not finish is tried once more and then told of as a violation: nothing is passed over.
import { nameOf, type FaultPoint } from './points.js';
import { runPoint, type Outcome } from './run-point.js';
import type { Templates } from './templates.js';

export interface RunAllOptions {
  readonly workers: number;
  readonly stop: AbortSignal;
  onOutcome(outcome: Outcome): void;
}

export async function runAll(templates: Templates, points: readonly FaultPoint[], options: RunAllOptions): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...points];
  const work = async (): Promise<void> => {
    for (let point = waiting.shift(); point !== undefined && !options.stop.aborted; point = waiting.shift()) {
      const outcome = await twice(templates, point);
      outcomes.push(outcome);
      options.onOutcome(outcome);
    }
  };
  await Promise.all(Array.from({ length: options.workers }, work));
  return outcomes;
}

async function twice(templates: Templates, point: FaultPoint): Promise<Outcome> {
  try {
    return await runPoint(templates, point);
  } catch {
    // A port taken meanwhile, a server that did not start under load: not the daemons' fault.
    return runPoint(templates, point).catch((failure: unknown): Outcome => ({
      name: nameOf(point), request: point.request, met: null, stops: [], took_ms: 0,
      violations: [`the run could not be made: ${failure instanceof Error ? failure.message : String(failure)}`],
    }));
  }
}
