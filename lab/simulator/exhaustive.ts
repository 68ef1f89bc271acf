// The exhaustive tier: a story is told once untouched, and its effects are counted; then once for each of them with the
// process killed just before and just after it, and once for each pair of such points. Every telling must end as
// the untouched one does: the same users have earned the same, and the chain has paid the same.
import { simulateStory, type SimulationResult } from '../simulator.js';
import type { Scenario } from './scenarios.js';

export interface CrashPoint {
  /** Counted from 1 over both daemons. */
  readonly effect: number;
  readonly when: 'before' | 'after';
}

export interface ExhaustiveResult {
  readonly scenario: string;
  readonly effects: number;
  readonly points: number;
  readonly pairs: number;
  /** Sentences, each with the points at which the process died. */
  readonly violations: readonly string[];
}

export interface Extent {
  /** Every n-th pair only; 1: all of them, 0: none. */
  readonly every_pair: number;
  readonly onTelling?: () => void;
}

export async function exhaust(scenario: Scenario, { every_pair, onTelling }: Extent): Promise<ExhaustiveResult> {
  const violations: string[] = [];
  const untouched = await killedAt(scenario, []);
  if (untouched.violations.length > 0) violations.push(...untouched.violations.map((one) => `untouched: ${one}`));
  const points = pointsFrom(1, untouched.effects);
  let pairs = 0;

  async function check(kills: readonly CrashPoint[]): Promise<SimulationResult> {
    const told = await killedAt(scenario, kills);
    onTelling?.();
    const where = kills.map(({ effect, when }) => `${when} effect ${effect}`).join(' and ');
    violations.push(...told.violations.map((one) => `killed ${where}: ${one}`));
    if (told.kills < kills.length) violations.push(`killed ${where}: the story came to an end without it`);
    if (told.outcome !== untouched.outcome) violations.push(`killed ${where}: ${told.outcome}, untouched it is ${untouched.outcome}`);
    return told;
  }

  for (const [index, point] of points.entries()) {
    const { effects } = await check([point]);
    if (every_pair === 0) continue;
    // The effects of the second life are counted on; the last of them is known from the first kill.
    for (const [other, later] of pointsFrom(point.effect + 1, effects).entries()) {
      if ((index + other) % every_pair !== 0) continue;
      pairs += 1;
      await check([point, later]);
    }
  }
  return { scenario: scenario.name, effects: untouched.effects, points: points.length, pairs, violations };
}

const pointsFrom = (first: number, last: number): CrashPoint[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)
    .flatMap((effect) => [{ effect, when: 'before' as const }, { effect, when: 'after' as const }]);

/** The story with the process killed at these points. */
export const killedAt = ({ swarm, story }: Scenario, kills: readonly CrashPoint[]): Promise<SimulationResult> => simulateStory(swarm, story, {
  killAt: (effect) => kills.find((point) => point.effect === effect)?.when ?? null,
});
