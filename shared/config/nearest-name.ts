// "Did you mean": for unknown keys of the configuration and unknown commands.

/** The known name that a typing error turned into this one; null when none is near. */
export function nearestName(name: string, known: readonly string[]): string | null {
  const wanted = name.toLowerCase().slice(0, 64);
  const distances = known.map((candidate) => ({
    candidate,
    distance: editDistance(wanted, candidate.toLowerCase()),
  }));
  const nearest = distances.sort((one, other) => one.distance - other.distance)[0];
  if (!nearest || nearest.distance > Math.max(2, Math.floor(wanted.length / 3))) return null;
  return nearest.distance < nearest.candidate.length ? nearest.candidate : null;
}

/** Levenshtein: the least number of letters to insert, remove or replace. */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const replaced = previous[column - 1]! + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[other.length]!;
}
