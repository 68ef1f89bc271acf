// All planted bugs, in the order in which value flows: counted, found, settled, paid, and what all of it stands on.
import { chain } from './chain.js';
import { counting } from './counting.js';
import { foundations } from './foundations.js';
import { kept_sums } from './kept-sums.js';
import type { Mutant } from './mutant.js';
import { payouts } from './paying.js';
import { settling } from './settling.js';

export const mutants: readonly Mutant[] = [...counting, ...chain, ...settling, ...payouts, ...kept_sums, ...foundations];
