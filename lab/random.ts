// The lab's only source of randomness: everything drawn from one seed, so that a run can be played again.
// Not for secrets.

export interface Random {
  /** At least 0 and below 1. */
  fraction(): number;
  /** A whole number from `least` to `most`, both included. */
  integer(least: number, most: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** Lower-case hex digits, two for each byte. */
  hex(bytes: number): string;
  /** A generator of its own, so that one part's draws do not shift another's. */
  fork(label: string): Random;
}

/** The same seed gives the same draws on every machine. */
export function createRandom(seed: number | string): Random {
  let state = hash32(String(seed));

  // A counter stepped by an odd constant and mixed by two rounds of multiply and xor-shift: passes
  // through all 2^32 states, which is plenty for a test.
  function next32(): number {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  const random: Random = {
    fraction: () => next32() / 0x1_0000_0000,
    integer: (least, most) => least + Math.floor(random.fraction() * (most - least + 1)),
    chance: (probability) => random.fraction() < probability,
    pick: <Item,>(items: readonly Item[]): Item => {
      const item = items[random.integer(0, items.length - 1)];
      if (item === undefined) throw new RangeError('nothing to pick from');
      return item;
    },
    hex: (bytes) =>
      Array.from({ length: bytes }, () => random.integer(0, 255).toString(16).padStart(2, '0')).join(''),
    fork: (label) => createRandom(`${seed}/${label}`),
  };
  return random;
}

/** FNV-1a over the text's code units. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
