// Facts as accounting would have written them, for tests of payments without a log: users work, a block line
// takes a snapshot, the node's block is recorded. Rows are consistent in the way the schema and accounting
// promise (sparse snapshots, differences against the snapshot before, growing log positions). A snapshot is cut at
// once, at its log position, as where no share log is read; or later and elsewhere, as share logs decide. It
// writes accounting's tables directly and belongs in tests of one module, not in scenarios of both daemons.
import type { ChainNode } from '../shared/bitcoind/node.js';
import { integer, smallInteger, timeText, type Database } from '../shared/database/database.js';
import { blockHeight, type BlockHash } from '../shared/units.js';
import { nameToBuffer, type NameBytes } from '../shared/username.js';

type Rises = Readonly<Record<string, number | bigint>>;
type Dispute = 'none' | 'open' | 'taken' | 'dropped';

export interface LineOptions {
  readonly height?: number;
  readonly finder?: string;
  /** Where the work up to this line stands in the order of cuts; its log position if it is not given. */
  readonly place?: bigint;
  /** Its counts are decided later (`decide`): no cut yet, and no work in it. */
  readonly undecided?: boolean;
}

export interface FactsBuilder {
  /** Users' share counts grow by these since the snapshot before. */
  work(rises: Rises): Promise<void>;
  /** Part of a user's rise that rests on a file that fell; call before the line. */
  disputed(rises: Rises): Promise<void>;
  /**
   * A block line at the next log position; `hash` null: a line that no block bears out. Returns the
   * snapshot's id.
   */
  line(hash: BlockHash | null, options?: LineOptions): Promise<number>;
  /**
   * The counts of an undecided snapshot: all work so far that is in none yet. Without a place: behind every cut.
   */
  decide(snapshot_id: number, place?: bigint): Promise<void>;
  /** A block of the chain without a line in the log. */
  withoutLine(hash: BlockHash): Promise<void>;
  /** The same, and a share log proves it: a snapshot and a cut of its own. Returns the snapshot's id. */
  proven(hash: BlockHash, options?: { readonly place?: bigint }): Promise<number>;
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
  readonly log_position: number;
}

const epoch_ms = Date.UTC(2026, 0, 1);

export function createFacts(
  { knex }: Database, node: ChainNode, pool_address: string,
  /** False: the schema is older than the cuts (before 004), where the log position was the order of work. */
  { with_cuts = true }: { readonly with_cuts?: boolean } = {},
): FactsBuilder {
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

  const nextPosition = (): number => (position += 1_000);

  /** Nothing stands in it before it is decided. */
  async function snapshot({ finder, log_position, ...columns }: Snapshot): Promise<number> {
    await ensureCursor(knex);
    const [inserted] = await knex('snapshots').insert({
      ...columns,
      finder: finder === null ? null : Buffer.from(finder, 'latin1'),
      logged_at: columns.kind === 'block' ? '2026-01-01 00:00:00.000' : null,
      log_position,
      log_sequence: 1,
      log_offset: Math.max(0, log_position),
      quality: 'minute',
      dispute: 'none',
      changed_users: 0,
      total_difference: 0,
      taken_at: timeText(epoch_ms + position),
    });
    return smallInteger(inserted);
  }

  async function nextPlace(): Promise<bigint> {
    const [highest] = await knex('cuts').max<{ place: unknown }[]>({ place: 'place' });
    return integer(highest?.place ?? 0) + 1n;
  }

  async function decide(snapshot_id: number, place?: bigint): Promise<void> {
    if (with_cuts) {
      const decided_at = timeText(epoch_ms + position);
      await knex('cuts').insert({ snapshot_id, place: place ?? await nextPlace(), decided_at });
    }
    const changed = [...rises].filter(([, rise]) => rise > 0n);
    const is_disputed = [...disputes.values()].some((part) => part > 0n);
    await knex('snapshots').where({ id: snapshot_id }).update({
      dispute: is_disputed ? 'open' : 'none',
      changed_users: changed.length,
      total_difference: changed.reduce((sum, [, rise]) => sum + rise, 0n),
    });
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
  }

  async function recordBlock(hash: BlockHash, snapshot_id: number | null): Promise<void> {
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
  }

  async function line(
    hash: BlockHash | null, { height = 1, finder = 'finder.rig', place, undecided = false }: LineOptions = {},
  ): Promise<number> {
    const header = hash === null ? null : await node.header(hash);
    const log_position = nextPosition();
    const snapshot_id = await snapshot({
      kind: 'block',
      height: header?.height ?? height,
      finder,
      state: hash === null ? 'unverified' : 'confirmed',
      log_position,
    });
    if (hash !== null) await recordBlock(hash, snapshot_id);
    if (!undecided) await decide(snapshot_id, place ?? BigInt(log_position));
    return snapshot_id;
  }

  async function proven(hash: BlockHash, { place }: { readonly place?: bigint } = {}): Promise<number> {
    await recordBlock(hash, null);
    const block = await knex('blocks').where({ hash }).first<{ id: unknown; height: unknown }>('id', 'height');
    const log_position = -smallInteger(block.id);
    const height = smallInteger(block.height);
    const snapshot_id = await snapshot({
      kind: 'block', height, finder: 'finder.rig', state: 'confirmed', log_position,
    });
    await knex('blocks').where({ hash }).update({ snapshot_id });
    await decide(snapshot_id, place);
    return snapshot_id;
  }

  async function baseline(): Promise<number> {
    const log_position = nextPosition();
    const snapshot_id = await snapshot({
      kind: 'baseline', height: null, finder: null, state: 'confirmed', log_position,
    });
    await decide(snapshot_id, BigInt(log_position));
    return snapshot_id;
  }

  return {
    work: async (more) => add(rises, more),
    disputed: async (more) => add(disputes, more),
    line,
    decide,
    withoutLine: async (hash) => { await recordBlock(hash, null); },
    proven,
    baseline,
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
