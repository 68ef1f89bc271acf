// `blocks`: every block found, in log order; a block without a line stands after the block below it.
import { formatCoins } from '../../shared/amount.js';
import { printJson, printTable, type Action } from '../../shared/command.js';
import { printable } from '../../shared/username.js';
import { inLogOrder } from '../core/block-list.js';
import { readBlocks, type BlockFact } from '../edges/facts-reader.js';
import { withFacts } from './open.js';

export const blocks: Action = (context) => withFacts(context, async (database) => {
  const facts = inLogOrder(await readBlocks(database));
  if (context.json) {
    printJson(facts.map(asJson));
    return;
  }
  printTable(
    [
      { heading: 'height', align: 'right' },
      { heading: 'hash' },
      { heading: 'finder' },
      { heading: 'logged at' },
      { heading: 'state' },
      { heading: 'chain' },
      { heading: 'reward', align: 'right' },
      { heading: 'quality' },
    ],
    facts.map((fact) => [
      fact.height,
      fact.hash?.slice(0, 16),
      fact.finder === null ? null : `${printable(fact.finder)}${fact.finder_proven ? '' : ' (claimed)'}`,
      fact.logged_at,
      fact.disputed ? `${fact.state}, disputed` : fact.state,
      fact.active === null ? null : fact.active ? 'active' : 'orphan',
      fact.reward === null ? null : formatCoins(fact.reward),
      fact.quality,
    ]),
  );
});

function asJson(fact: BlockFact) {
  return {
    height: fact.height,
    hash: fact.hash,
    finder: fact.finder === null ? null : printable(fact.finder),
    finder_proven: fact.finder_proven,
    user: fact.user === null ? null : printable(fact.user),
    logged_at: fact.logged_at,
    found_at: fact.found_at,
    state: fact.state,
    active: fact.active,
    reward: fact.reward === null ? null : formatCoins(fact.reward),
    quality: fact.quality,
    disputed: fact.disputed,
    snapshot: fact.snapshot_id,
  };
}
