// Facts as accounting would have written them, for tests of payments without a log: users work, a block line
// takes a snapshot, the node's block is recorded. Rows are consistent in the way the schema and accounting
// promise (sparse snapshots, differences against the snapshot before, growing log positions). It writes
// accounting's tables directly and belongs in tests of one module, not in scenarios of both daemons.
import type { ChainNode } from '../shared/bitcoind/node.js';
import { smallInteger, timeText, type Database } from '../shared/database/database.js';
import { blockHeight, type BlockHash } from '../shared/units.js';
import { nameToBuffer, type NameBytes } from '../shared/username.js';

type Rises = Readonly<Record<string, number | bigint>>;
type Dispute = 'none' | 'open' | 'taken' | 'dropped';

export interface FactsBuilder {
  /** Users' share counts grow by these since the snapshot before. */
  work(rises: Rises): Promise<void>;
  /** Part of a user's rise that rests on a file that fell; call before the line. */
  disputed(rises: Rises): Promise<void>;
  /**
   * A block line at the next log position; `hash` null: a line that no block bears out. Returns the
   * snapshot's id.
   */
  line(hash: BlockHash | null, options?: { height?: number; finder?: string }): Promise<number>;
  /** A block of the chain without a line in the log. */
  withoutLine(hash: BlockHash): Promise<void>;
  baseline(): Promise<number>;
  decideDispute(snapshot_id: number, dispute: Dispute): Promise<void>;
  /** Accounting has read log and chain up to the node's tip. */
  complete(): Promise<void>;
}

interface Snapshot {
  readonly kind: 'block' | 'baseline';
  readonly height: number | null;
  readonly finder: string | null;
  readonly state: string;
}

const epoch_ms = Date.UTC(2026, 0, 1);

export function createFacts({ knex }: Database, node: ChainNode, pool_address: string): FactsBuilder {
  let position = 1_000;
  const counts = new Map<string, bigint>();
  const rises = new Map<string, bigint>();
  const disputes = new Map<string, bigint>();
  const add = (to: Map<string, bigint>, from: Rises) => {
    for (const [name, rise] of Object.entries(from)) to.set(name, (to.get(name) ?? 0n) + BigInt(rise));
  };

  async function userId(name: string): Promise<number> {
    const bytes = nameToBuffer(name as NameBytes);
    const known = await knex('users').where({ name: bytes }).first<{ id: unknown } | undefined>('id');
    if (known) return smallInteger(known.id);
    const [id] = await knex('users').insert({
      name: bytes,
      counter: 0,
      ledger_count: 0,
      snapshot_count: 0,
      disputed_count: 0,
    });
    return smallInteger(id);
  }

  async function snapshot({ kind, height, finder, state }: Snapshot): Promise<number> {
    await ensureCursor(knex);
    position += 1_000;
    const changed = [...rises].filter(([, rise]) => rise > 0n);
    const is_disputed = [...disputes.values()].some((part) => part > 0n);
    const [inserted] = await knex('snapshots').insert({
      kind,
      height,
      finder: finder === null ? null : Buffer.from(finder, 'latin1'),
      logged_at: kind === 'block' ? '2026-01-01 00:00:00.000' : null,
      log_position: position,
      log_sequence: 1,
      log_offset: position,
      quality: 'minute',
      state,
      dispute: is_disputed ? 'open' : 'none',
      changed_users: changed.length,
      total_difference: changed.reduce((sum, [, rise]) => sum + rise, 0n),
      taken_at: timeText(epoch_ms + position),
    });
    const snapshot_id = smallInteger(inserted);
    for (const [name, difference] of changed) {
      const share_count = (counts.get(name) ?? 0n) + difference;
      counts.set(name, share_count);
      const user_id = await userId(name);
      await knex('users').where({ id: user_id })
        .update({ counter: share_count, ledger_count: share_count, snapshot_count: share_count });
      await knex('snapshot_shares').insert({
        snapshot_id, user_id, share_count, difference, disputed_difference: disputes.get(name) ?? 0n,
      });
    }
    rises.clear();
    disputes.clear();
    return snapshot_id;
  }

  async function recordBlock(hash: BlockHash, snapshot_id: number | null): Promise<number> {
    const block = await node.blockWithCoinbase(hash);
    const { script } = await node.address(pool_address);
    if (!block) throw new Error(`the node does not know block ${hash}`);
    const reward = block.coinbase_outputs.reduce(
      (sum, output) => (output.script === script ? sum + output.amount : sum),
      0n,
    );
    await knex('blocks').insert({
      hash,
      height: block.height,
      previous_hash: block.previous_hash,
      header_at: timeText(block.time_seconds * 1_000),
      coinbase_txid: block.coinbase_txid,
      reward_sats: reward,
      active: block.confirmations > 0 ? 1 : 0,
      snapshot_id,
      discovered_at: timeText(epoch_ms),
    });
    return block.height;
  }

  return {
    work: async (more) => add(rises, more),
    disputed: async (more) => add(disputes, more),
    line: async (hash, { height = 1, finder = 'finder.rig' } = {}) => {
      const header = hash === null ? null : await node.header(hash);
      const snapshot_id = await snapshot({
        kind: 'block',
        height: header?.height ?? height,
        finder,
        state: hash === null ? 'unverified' : 'confirmed',
      });
      if (hash !== null) await recordBlock(hash, snapshot_id);
      return snapshot_id;
    },
    withoutLine: async (hash) => { await recordBlock(hash, null); },
    baseline: () => snapshot({ kind: 'baseline', height: null, finder: null, state: 'confirmed' }),
    decideDispute: async (id, dispute) => { await knex('snapshots').where({ id }).update({ dispute }); },
    complete: async () => {
      const { tip_height, tip_hash } = await node.chainInfo();
      const genesis_hash = await node.blockHashAt(blockHeight(0));
      const { script } = await node.address(pool_address);
      const scan = {
        id: 1,
        genesis_hash,
        pool_script: script,
        floor_height: 0,
        floor_reason: 'test',
        cursor_height: tip_height,
        cursor_hash: tip_hash,
        complete_height: tip_height,
        complete_hash: tip_hash,
        updated_at: timeText(epoch_ms),
      };
      await knex('chain_scan').insert(scan).onConflict('id').merge();
    },
  };
}

async function ensureCursor(knex: Database['knex']): Promise<void> {
  await knex('log_cursors')
    .insert({
      sequence: 1,
      path: 'ckpool.log',
      device: '0',
      inode: '0',
      log_start: 0,
      file_offset: 0,
      fingerprint_length: 0,
      fingerprint: '',
      state: 'current',
      login_seen: 0,
      notice_seen: 0,
      updated_at: timeText(epoch_ms),
    })
    .onConflict('sequence')
    .ignore();
}
