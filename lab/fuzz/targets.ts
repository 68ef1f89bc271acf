// Every parser of bytes from outside, as a fuzz target. A new parser belongs into this list.
import type { Corpus } from './corpus.js';
import type { Target } from './target.js';
import { commandTargets } from './targets/commands.js';
import { configurationTargets } from './targets/configuration.js';
import { countingTargets } from './targets/counting.js';
import { fileTargets } from './targets/files.js';
import { logTargets } from './targets/log.js';
import { nodeTargets } from './targets/node.js';
import { paymentTargets } from './targets/payments.js';
import { shareTargets } from './targets/shares.js';
import { valueTargets } from './targets/values.js';

export const allTargets = (corpus: Corpus): readonly Target[] => [
  ...logTargets(corpus), ...shareTargets(corpus), ...countingTargets(corpus), ...fileTargets(corpus), ...valueTargets(corpus),
  ...configurationTargets(corpus), ...nodeTargets(corpus), ...paymentTargets, ...commandTargets,
];
