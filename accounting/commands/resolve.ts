// `resolve <snapshot>`: an operator's word on counts that rest on a user file that fell. Without a choice
// it says what is known, what the choices are and what each does.
import { printJson, printLines, type Action } from '../../shared/command.js';
import { ConfigurationFault } from '../../shared/errors.js';
import type { Database } from '../../shared/database/database.js';
import { printable } from '../../shared/username.js';
import { readDispute } from '../edges/dispute-store.js';
import { withFacts } from './open.js';

export const resolve: Action = (context) => withFacts(context, async (database, config) => {
  const [given = ''] = context.arguments;
  if (!/^\d{1,15}$/.test(given)) {
    throw new ConfigurationFault([
      `${JSON.stringify(given)} is no snapshot number; \`blocks --json\` names them.`,
    ]);
  }
  const snapshot = Number(given);
  const take = context.options['take'] === true;
  const drop = context.options['drop'] === true;
  if (take && drop) throw new ConfigurationFault(['--take and --drop exclude each other.']);
  if (take || drop) {
    // With it comes most of the daemon: loaded only where something is asked.
    const { ask } = await import('./ask.js');
    return ask(context, config, database, 'resolve', { snapshot, choice: take ? 'taken' : 'dropped' });
  }
  await explain(database, snapshot, context.json);
});

async function explain(database: Database, snapshot: number, json: boolean): Promise<void> {
  const known = await readDispute(database, snapshot);
  if (!known) throw new ConfigurationFault([`There is no snapshot ${snapshot}.`]);
  const { height, dispute } = known;
  const users = known.users.map((one) => ({
    user: printable(one.user),
    difference: one.difference.toString(),
    disputed: one.disputed_difference.toString(),
  }));
  if (json) {
    return printJson({ snapshot, height, dispute, users });
  }
  if (dispute !== 'open') {
    const why = dispute === 'none' ? 'holds no disputed counts' : `was resolved before: ${dispute}`;
    return printLines([`Snapshot ${snapshot} ${why}; there is nothing to resolve.`]);
  }
  printLines([
    `Snapshot ${snapshot} holds disputed counts.`,
    ...users.map(
      (one) =>
        `  ${one.user}: ${one.disputed} of ${one.difference} shares rest on log lines from before `
        + `the user's file fell.`,
    ),
    'The file of a user falls when ckpool starts again from an older or torn one; what the lines said before',
    'cannot be compared with anything any more, and log lines can be forged.',
    "  --take   they count: choose this when the numbers look like the user's usual work",
    '  --drop   they do not count: the rest of the round is split without them',
  ]);
}
