// When lines and blocks of a height may be paired: once each of them had time to appear. Lines can be forged
// without end, so what waits for long is paired with what there is.

/** A line or block that still has no partner after this many waits does not hold up the others. */
export const patience = 5;

export interface Appeared {
  readonly height: number;
  readonly at_ms: number;
}

/**
 * Whether nothing of that height appeared within the last `wait_ms`, or something stands there since long.
 */
export function createRipeness(
  all: readonly Appeared[],
  now_ms: number,
  wait_ms: number,
): (height: number) => boolean {
  const youngest = new Map<number, number>();
  const oldest = new Map<number, number>();
  for (const { height, at_ms } of all) {
    youngest.set(height, Math.max(at_ms, youngest.get(height) ?? at_ms));
    oldest.set(height, Math.min(at_ms, oldest.get(height) ?? at_ms));
  }
  return (height) =>
    now_ms - youngest.get(height)! >= wait_ms || now_ms - oldest.get(height)! >= wait_ms * patience;
}
