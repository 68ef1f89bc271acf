// `baseline`: the first round starts here, not at zero. What was counted before is nobody's to be paid for
// by this program: an earlier tool paid it, or it belongs to the time before the pool paid at all.
import type { Action } from '../../shared/command.js';
import { ask } from './ask.js';
import { withFacts } from './open.js';

export const baseline: Action = (context) =>
  withFacts(context, (database, config) => ask(context, config, database, 'baseline', {}));
