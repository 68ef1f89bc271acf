// Runs targets, each for its share of the time, and stops a target at the first input that fails it. What was found
// is told with all that is needed to meet it again.
import { nextSeed, type Found, type Target } from './target.js';

export interface TargetReport {
  readonly name: string;
  readonly executions: number;
  readonly seconds: number;
  readonly found: Found | null;
}

/** A slice ends often enough that all targets had their turn when somebody stops the run. */
const slice_ms = 5_000;

export async function runTargets(
  targets: readonly Target[], seed: number, time_ms: number, stopped: () => boolean = () => false,
): Promise<TargetReport[]> {
  const share_ms = time_ms / targets.length;
  const reports = targets.map(({ name }): TargetReport => ({ name, executions: 0, seconds: 0, found: null }));
  let turn_seed = seed;
  for (let turn = 0; turn === 0 || (turn * slice_ms < share_ms && !stopped()); turn++) {
    for (const [index, one] of targets.entries()) {
      const before = reports[index]!;
      const left_ms = Math.min(slice_ms, share_ms - before.seconds * 1000);
      if (before.found || left_ms <= 0 || stopped()) continue;
      const began_ms = performance.now();
      const { executions, found } = await one.run(turn_seed, left_ms);
      const seconds = before.seconds + (performance.now() - began_ms) / 1000;
      reports[index] = { name: one.name, executions: before.executions + executions, seconds, found };
    }
    turn_seed = nextSeed(turn_seed ^ 0x5bd1e995);
  }
  return reports;
}

/** What a person needs of a failure: where, how to meet it again, what it is. */
export function failureText({ name, found }: TargetReport): string {
  if (!found) return '';
  return `${name} FAILED. Meet it again with: npm run fuzz -- --target ${name} --seed ${found.seed}\n`
    + `  smallest input: ${found.input}\n  ${found.error.replaceAll('\n', '\n  ')}\n`;
}

export function reportLine({ name, executions, seconds, found }: TargetReport): string {
  const rate = Math.round(executions / Math.max(seconds, 0.001));
  return `${name.padEnd(18)} ${String(executions).padStart(10)} executions ${String(rate).padStart(8)} a second${found ? '  FAILED' : ''}`;
}
