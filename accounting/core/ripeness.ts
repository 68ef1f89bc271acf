// When lines and blocks of a height may be paired: once each of them had time to appear. Lines can be forged
// without end, so what waits for long is paired with what there is.

/** A line or block that still has no partner after this many waits does not hold up the others. */
export const patience = 5;

export interface Appeared {
  readonly height: number;
  readonly age_ms: number;
}

/**
 * Whether nothing of that height appeared within the last `wait_ms`, or something stands there since long.
 */
export function createRipeness(
  all: readonly Appeared[],
  wait_ms: number,
): (height: number) => boolean {
  const youngest = new Map<number, number>();
  const oldest = new Map<number, number>();
  for (const { height, age_ms } of all) {
    youngest.set(height, Math.min(age_ms, youngest.get(height) ?? age_ms));
    oldest.set(height, Math.max(age_ms, oldest.get(height) ?? age_ms));
  }
  return (height) => youngest.get(height)! >= wait_ms || oldest.get(height)! >= wait_ms * patience;
}
