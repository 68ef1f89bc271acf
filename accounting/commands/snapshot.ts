// `snapshot <height or hash>`: every user's share count when that block was found, and the difference
// against the snapshot before it, whatever became of that one's block.
import { printJson, printTable, type Action } from '../../shared/command.js';
import type { Database } from '../../shared/database/database.js';
import { ConfigurationFault } from '../../shared/errors.js';
import { printable } from '../../shared/username.js';
import { findSnapshots, readShares, withoutSnapshot } from '../edges/facts-reader.js';
import { withFacts } from './open.js';

export const snapshot: Action = (context) => withFacts(context, async (database) => {
  const [block = ''] = context.arguments;
  if (!/^(?:\d{1,10}|[0-9a-f]{4,64})$/.test(block)) {
    throw new ConfigurationFault([
      `${JSON.stringify(block)} is neither a height nor (the beginning of) a block hash.`,
    ]);
  }
  const found = await findSnapshots(database, block);
  if (found.length === 0) throw new ConfigurationFault([await whyNone(database, block)]);
  if (found.length > 1) {
    const choices = found.map((one) => one.hash ?? `snapshot ${one.snapshot_id} (unverified)`).join(', ');
    throw new ConfigurationFault([
      `${block} names ${found.length} blocks: say which by its hash: ${choices}`,
    ]);
  }
  const [fact] = found;
  if (!fact!.decided) throw new ConfigurationFault([undecided(block)]);
  const shares = await readShares(database, fact!.snapshot_id);
  if (context.json) {
    printJson({
      snapshot: fact!.snapshot_id,
      height: fact!.height,
      hash: fact!.hash,
      quality: fact!.quality,
      dispute: fact!.dispute,
      shares: shares.map((share) => ({
        user: printable(share.user),
        count: share.count.toString(),
        difference: share.difference.toString(),
      })),
    });
    return;
  }
  printTable(
    [
      { heading: 'user' },
      { heading: 'share count', align: 'right' },
      { heading: 'difference', align: 'right' },
    ],
    shares.map((share) => [printable(share.user), share.count, share.difference]),
  );
});

const undecided = (block: string): string =>
  `The counts of block ${block} are not decided yet: the daemon does so once a synced node knows the block; `
  + 'of a line that no block belongs to (`blocks` says unverified) there are none.';

async function whyNone(database: Database, block: string): Promise<string> {
  switch (await withoutSnapshot(database, block)) {
    case 'proven':
      return undecided(block);
    case 'lineless':
      return `Block ${block} has no line in ckpool's log and no share in a share log, so there is no snapshot of it; `
        + 'its reward goes to the next round.';
    case null:
      return `There is no block ${block}; \`blocks\` lists those there are.`;
  }
}
