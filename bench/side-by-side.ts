// Measures contenders in turn, A B C, C B A, ..., so that a machine whose speed drifts slows all of them alike.
// The median counts; the first round warms caches and compilers and does not count.

/** A piece of work; what it gives back must be the same in each repetition. */
export type Contender = () => Promise<number>;

export interface Timing {
  /** Of the whole work. */
  readonly median_seconds: number;
  /** What the work gave back: a count, to prove that all did the same. */
  readonly result: number;
}

export async function sideBySide<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>, repetitions: number, stop?: AbortSignal,
): Promise<Readonly<Record<Name, Timing>>> {
  const names = Object.keys(contenders) as Name[];
  const seconds = new Map<Name, number[]>(names.map((name) => [name, []]));
  const results = new Map<Name, number>();
  for (let round = 0; round <= repetitions; round += 1) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      stop?.throwIfAborted();
      const started_ms = performance.now();
      const result = await contenders[name]();
      const took_seconds = (performance.now() - started_ms) / 1_000;
      if (round > 0) seconds.get(name)?.push(took_seconds);
      if ((results.get(name) ?? result) !== result) throw new Error(`${name} gave two different answers`);
      results.set(name, result);
    }
  }
  const timing = (name: Name): Timing => ({
    median_seconds: median(seconds.get(name) ?? []),
    result: results.get(name) ?? Number.NaN,
  });
  return Object.fromEntries(names.map((name) => [name, timing(name)])) as Record<Name, Timing>;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** By linear interpolation between the two nearest values; NaN of none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** By how much y grows with each x, by least squares; NaN of fewer than two points. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (at: 0 | 1): number => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x_mean, y_mean] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - x_mean) * (y - y_mean), 0);
  const variance = points.reduce((sum, [x]) => sum + (x - x_mean) ** 2, 0);
  return covariance / variance;
}
