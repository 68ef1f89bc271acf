// Looks at each decision about a block at the moment it is committed, with eyes on the chain itself: was the block deep
// enough under the tip that the decision names, was it in that tip's chain or not, and had accounting said that it
// knows log and chain as far? What is right at the end may have been decided too early.
import type Sqlite from 'better-sqlite3';
import { blockHash, type BlockHash } from '../../shared/units.js';
import type { SimulatedNode } from '../simulated-node.js';

export interface SettlementWitness {
  /** Violations in what was decided since the last look. */
  look(): Promise<string[]>;
  /** A copy was restored: decisions made after it was made are gone. */
  forget(): void;
}

interface Decided {
  readonly id: bigint;
  readonly block_hash: string;
  readonly height: bigint;
  readonly state: string;
  readonly tip_height: bigint;
  readonly tip_hash: string;
  readonly complete_height: bigint | null;
}

export function createSettlementWitness({ chain, raw, maturity }: {
  chain: SimulatedNode; raw: () => Sqlite.Database; maturity: number;
}): SettlementWitness {
  let seen = 0n;

  async function faultOf(round: Decided): Promise<string | null> {
    const depth = Number(round.tip_height - round.height);
    if (depth < maturity) return `it was ${depth} blocks deep, and ${maturity} are asked for`;
    if (round.complete_height === null || round.complete_height < round.height) {
      return `accounting was complete to ${String(round.complete_height)} only`;
    }
    const there = await ancestorOf(blockHash(round.tip_hash), Number(round.height));
    if (there === null) return 'it names a tip that nobody has mined';
    return (there === round.block_hash) === (round.state === 'credited') ? null : `block ${there} stands there under its tip`;
  }

  async function ancestorOf(tip: BlockHash, height: number): Promise<BlockHash | null> {
    let at = await chain.node.header(tip);
    while (at && at.height > height) at = at.previous_hash === null ? null : await chain.node.header(at.previous_hash);
    return at?.hash ?? null;
  }

  return {
    async look() {
      const decided = raw().prepare(`SELECT id, block_hash, height, state, tip_height, tip_hash,
        (SELECT complete_height FROM chain_scan) AS complete_height FROM rounds WHERE id > ? ORDER BY id`).all(seen) as Decided[];
      const found: string[] = [];
      for (const round of decided) {
        seen = round.id;
        const fault = await faultOf(round);
        if (fault !== null) found.push(`block ${round.height} ${round.block_hash.slice(0, 12)} was ${round.state}, but ${fault}`);
      }
      return found;
    },
    forget: () => { seen = 0n; },
  };
}
