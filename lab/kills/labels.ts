// What a request is called, so that it is found again in the next run. Its number would not do: a daemon renews its lease
// by the clock, so a slow run makes a few requests more. Hence the name and which of that name it is in its stage; and
// a COMMIT is called after the last row that its transaction wrote, so that a renewal is not taken for a payout.

export interface Named { readonly name: string }

/** Of the last of these requests of one server. */
export function labelOfLast(seen: readonly Named[]): string {
  const name = seen.at(-1)?.name ?? '?';
  if (name !== 'COMMIT') return name.replace(' ', '-');
  for (let at = seen.length - 2; at >= 0; at -= 1) {
    const before = seen[at]!.name;
    if (before === 'START') break;
    if (/^(?:INSERT|UPDATE|DELETE) /.test(before)) return `COMMIT-after-${before.replace(' ', '-')}`;
  }
  return 'COMMIT';
}

export const labelsOf = (seen: readonly Named[]): string[] => seen.map((_, index) => labelOfLast(seen.slice(0, index + 1)));
