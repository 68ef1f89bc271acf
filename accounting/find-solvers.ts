// Which share solved which block. The coinbase carries the nonces that ckpool gave to the miner and the header the
// nonce that the miner found; the share log of that height has the same on one line. So finder, worker and
// moment of a block are proven by what only ckpool and the miner can write, whatever the log says or lost.
// Order: the share logs of the height are searched as far as they were counted; what is found is one commit. Never by
// the share log's `hash`: that is sha256d, not the block's. A block that is not found is searched for again when
// the share logs of its height have grown.
import type { AccountingContext, Outcome } from './context.js';
import { unsolvedBlocks, type UnsolvedBlock } from './edges/cut-store.js';
import { findSolvingShare, type SolvingShare } from './edges/share-log-search.js';
import { recordSolvers } from './edges/share-store.js';
import type { ShareReader } from './read-shares.js';
import type { BlockHash } from '../shared/units.js';

const found_per_move = 100;
const remembered_max = 10_000;

interface Witness {
  readonly nonce: number;
  readonly time_seconds: number;
  readonly coinbase_script: string;
}

export interface SolverFinder {
  /** Null: every block whose share is in a share log has it. */
  move(): Promise<Outcome | null>;
}

export function createSolverFinder(context: AccountingContext, share_reader: ShareReader): SolverFinder {
  const { clock, database, lease, log, node, share_logs } = context;
  const witnesses = new Map<BlockHash, Witness>();
  /** By block, how far the share logs of its height were searched in vain. */
  const searched = new Map<BlockHash, ReadonlyMap<string, number>>();

  async function move(): Promise<Outcome | null> {
    if ((await share_reader.state())?.source !== 'active') return null;
    const found: { hash: BlockHash; solver: SolvingShare }[] = [];
    for (const block of await unsolvedBlocks(database)) {
      const solver = await search(block);
      if (solver) found.push({ hash: block.hash, solver });
      if (found.length >= found_per_move) break;
    }
    if (found.length === 0) return null;
    await recordSolvers(database, lease, found.map(({ hash, solver: { place, worker, accepted } }) =>
      ({ hash, solver: { place, worker }, accepted })), clock.now_ms());
    for (const { hash } of found) {
      witnesses.delete(hash);
      searched.delete(hash);
      log.info(`block ${hash}: its solving share is in the share logs`);
    }
    return 'progress';
  }

  async function search({ hash, height }: UnsolvedBlock): Promise<SolvingShare | null> {
    const read_to = new Map([...(await share_reader.readTo(height))].map(([id, { offset }]) => [id, offset]));
    const before = searched.get(hash);
    const grown = [...read_to].some(([id, offset]) => offset > (before?.get(id) ?? 0));
    if (!grown) return null;
    const witness = await witnessOf(hash);
    if (!witness) return null;
    const solver = await findSolvingShare(share_logs, height, witness, read_to, before);
    if (!solver) remember(hash, read_to);
    return solver;
  }

  async function witnessOf(hash: BlockHash): Promise<Witness | null> {
    const known = witnesses.get(hash);
    if (known) return known;
    const block = await node.blockWithCoinbase(hash);
    if (!block) return null;
    const { nonce, time_seconds, coinbase_script } = block;
    const witness = { nonce, time_seconds, coinbase_script };
    witnesses.set(hash, witness);
    if (witnesses.size > remembered_max) witnesses.delete(witnesses.keys().next().value!);
    return witness;
  }

  function remember(hash: BlockHash, read_to: ReadonlyMap<string, number>): void {
    searched.set(hash, read_to);
    if (searched.size > remembered_max) searched.delete(searched.keys().next().value!);
  }

  return { move };
}
