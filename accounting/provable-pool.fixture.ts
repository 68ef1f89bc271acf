// A simulated ckpool over a test pool: its blocks are in the chain of the node in memory and carry the nonces of
// the shares that solved them, so that each can be proven where share logs are written. Time is the clock of the
// test pool. It starts no daemon; what it reads back is what the daemon decided.
import { createSimulatedCkpool, proofOfBlock, type PoolDisk, type SimulatedCkpool, type SolveDetails } from '../lab/simulated-ckpool.js';
import { integer, smallInteger } from '../shared/database/database.js';
import { recordRequest } from '../shared/database/requests.js';
import { blockHash } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import type { AccountingDaemon } from './daemon.js';
import type { TestPool } from './pool.fixture.js';

const first_height = 3;
const solve_difficulty = 8n;
/** More than a pass, a pairing and a look at the chain take. */
const rest_looks = 6;
const between_looks_ms = 3_000;

export interface ProvablePoolOptions {
  /** `-L` at the start; `restart` can change it. */
  readonly share_log: boolean;
  /** Who is logged in, after each restart too. */
  readonly workers: readonly NameBytes[];
  readonly seed?: number | string;
  readonly disk?: PoolDisk;
}

export interface ProvablePool {
  readonly ckpool: SimulatedCkpool;
  /** ckpool's counters are written, with time before and after. */
  pass(): void;
  /** A block of the pool: in the chain and in the log, its share counted with 8. Answers with its hash. */
  solve(worker: NameBytes, details?: Partial<SolveDetails>): Promise<string>;
  /** ckpool is killed and begins again: what it had not written to its counters is gone from them. */
  restart(share_log: boolean): void;
}

export function createProvablePool(pool: TestPool, options: ProvablePoolOptions): ProvablePool {
  const { share_log, workers, seed = 1, disk } = options;
  const { chain, clock } = pool;
  const [below] = chain.mine(first_height, chain.foreignAddress()).slice(-1);
  const ckpool = createSimulatedCkpool({
    log_directory: pool.directory, now_ms: () => clock.now_ms(), seed, share_log,
    tip: { hash: below!, height: first_height }, ...(disk ? { disk } : {}),
  });
  let height = first_height;
  let nonce = 77;
  const login = (): void => { for (const worker of workers) ckpool.login(worker); };
  login();

  const pass = (): void => {
    clock.add(2_000);
    ckpool.pass();
    clock.add(2_000);
  };

  return {
    ckpool, pass,
    async solve(worker, details = {}) {
      height += 1;
      nonce += 1;
      const { enonce1, nonce2 } = ckpool.extraNonces(worker);
      const height_push = `01${height.toString(16).padStart(2, '0')}`;
      const hash = chain.mineBlock({
        pays: pool.pool_address, coinbase_script: `${height_push}0c${enonce1}${nonce2}`, nonce,
      });
      const header = await chain.node.header(blockHash(hash));
      const proof = proofOfBlock({ enonce1, nonce2, nonce, ntime: header!.time_seconds });
      ckpool.solve(worker, height, { hash, difficulty: solve_difficulty, proof, ...details });
      clock.add(500);
      return hash;
    },
    restart(with_share_log) {
      ckpool.restart('kill', { share_log: with_share_log });
      clock.add(1_000);
      login();
      pass();
    },
  };
}

/** What a block got: how exactly it is known, and each user's part of its round. */
export type Round = { readonly quality: string } & Readonly<Record<string, number | string>>;

/** By height, the rounds as they are decided; null for a block that is not. */
export async function roundsOf(pool: TestPool): Promise<Record<number, Round | null>> {
  const blocks: Record<string, unknown>[] = await pool.database.knex('blocks')
    .leftJoin('cuts', 'cuts.snapshot_id', 'blocks.snapshot_id')
    .leftJoin('snapshots', 'snapshots.id', 'cuts.snapshot_id')
    .select('blocks.height as height', 'snapshots.id as id', 'snapshots.quality as quality');
  const differences: Record<string, unknown>[] = await pool.database.knex('snapshot_shares')
    .join('users', 'users.id', 'user_id').select('snapshot_id', 'name', 'difference');
  const roundOf = (id: unknown, quality: unknown): Round => ({
    ...Object.fromEntries(differences.filter((row) => row['snapshot_id'] === id)
      .map((row) => [nameOf(row), smallInteger(row['difference'])])),
    quality: String(quality),
  });
  return Object.fromEntries(blocks.map(({ height, id, quality }) =>
    [smallInteger(height), id === null ? null : roundOf(id, quality)]));
}

/** By user, all work that is counted, in a round or not; where share logs are read. */
export async function countedWork(pool: TestPool): Promise<Record<string, number>> {
  const rows: Record<string, unknown>[] = await pool.database.knex('share_counts')
    .join('users', 'users.id', 'user_id').select('share_counts.*', 'users.name as name');
  return Object.fromEntries(rows.map((row) => [nameOf(row), Number(ledgerCountOf(row))]));
}

export const ledgerCountOf = (row: Record<string, unknown>): bigint =>
  integer(row['snapshot_count']) + integer(row['logged_count']) - integer(row['cut_count'])
  + integer(row['fallback_count']);

const nameOf = (row: Record<string, unknown>): string => (row['name'] as Buffer).toString('latin1');

/** Kinds and sentences of what the daemon reported. */
export async function incidentsOf(pool: TestPool, kind: string): Promise<string[]> {
  return (await pool.rows('incidents')).filter((row) => row['kind'] === kind).map((row) => String(row['detail']));
}

/** Until everything that was written is decided, with the time that it takes. */
export async function rest(pool: TestPool, daemon: AccountingDaemon): Promise<void> {
  for (let look = 0; look < rest_looks; look++) {
    await pool.untilIdle(daemon);
    pool.clock.add(between_looks_ms);
  }
}

export async function askForBaseline(pool: TestPool): Promise<void> {
  await recordRequest(pool.database, { daemon: 'accounting', action: 'baseline', arguments: {}, requested_by: 'test' });
}

