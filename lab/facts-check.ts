// Compares what accounting wrote with the truth of a recording, in the words of the issue: every block of the
// truth once, with its hash, height, finder and reward; none that is not there; every user's count at each.
// Returns sentences; none means they agree. Shares no code with accounting/core.
import { inLogOrder } from '../accounting/core/block-list.js';
import { readBlocks, readShares, type BlockFact } from '../accounting/edges/facts-reader.js';
import type { Database } from '../shared/database/database.js';
import { printable } from '../shared/username.js';
import type { Truth } from './recordings.js';

export interface TruthOptions {
  /**
   * Which counts are true: those of ckpool's counters at the line (default), those of the share logs up to the
   * solving share, or none, where the log holds none (log level 4).
   */
  readonly counts?: 'counters' | 'exact' | false;
  /** Lines of these stamps are damaged: their blocks may stand without a line. */
  readonly lost?: ReadonlySet<string>;
}

export async function disagreements(
  database: Database,
  truth: Truth,
  options: TruthOptions = {},
): Promise<string[]> {
  const blocks = inLogOrder(await readBlocks(database));
  const sentences = [...missingOrTwice(blocks, truth), ...unknownBlocks(blocks, truth)];
  for (const solve of truth.solves) {
    const fact = blocks.find((block) => block.hash === solve.hash);
    if (!fact) continue;
    sentences.push(...blockDisagreements(fact, solve));
    if (options.counts === 'exact' && !(fact.finder_proven && fact.quality === 'exact')) {
      sentences.push(`${solve.height} ${solve.hash.slice(0, 12)}: ${fact.quality}, finder proven: ${fact.finder_proven}`);
    }
    if (options.counts === false || fact.snapshot_id === null) continue;
    const shares = new Map(
      (await readShares(database, fact.snapshot_id)).map((share) => [printable(share.user), share.count]),
    );
    for (const [user, true_counts] of Object.entries(solve.users)) {
      const count = shares.get(user) ?? 0n;
      const { ledger_count, accepted_difficulty_to_solving_share } = true_counts;
      const expected = options.counts === 'exact' ? accepted_difficulty_to_solving_share : ledger_count;
      if (count !== BigInt(expected)) sentences.push(`${solve.height} ${user}: count ${count}, true ${expected}`);
    }
    for (const [user, count] of shares) {
      if (user in solve.users || count <= 0n) continue;
      sentences.push(`${solve.height} ${user}: nobody of that name mined, count ${count}`);
    }
  }
  return sentences;
}

function missingOrTwice(blocks: readonly BlockFact[], truth: Truth): string[] {
  return truth.solves.flatMap((solve) => {
    const found = blocks.filter((block) => block.hash === solve.hash).length;
    return found === 1 ? [] : [`block ${solve.height} ${solve.hash} is listed ${found} times`];
  });
}

function unknownBlocks(blocks: readonly BlockFact[], truth: Truth): string[] {
  const known = new Set([...truth.solves, ...truth.own_blocks_without_a_line].map((block) => block.hash));
  return blocks
    .filter((block) => block.state === 'confirmed' && !known.has(block.hash!))
    .map((block) => `block ${block.height} ${block.hash ?? '?'} is not there in truth`);
}

function blockDisagreements(fact: BlockFact, solve: Truth['solves'][number]): string[] {
  const expected: [string, unknown, unknown][] = [
    ['height', fact.height, solve.height],
    ['finder', fact.finder === null ? null : printable(fact.finder), solve.worker],
    ['reward', fact.reward, BigInt(solve.reward_sats)],
    ['active', fact.active, solve.in_active_chain],
    ['stamp', fact.logged_at, solve.time],
    ['state', fact.state, 'confirmed'],
  ];
  return expected.flatMap(([what, value, truth]) =>
    value === truth
      ? []
      : [`${solve.height} ${solve.hash.slice(0, 12)}: ${what} ${String(value)}, true ${String(truth)}`],
  );
}
