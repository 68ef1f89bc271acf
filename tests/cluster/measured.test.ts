// What three nodes cost: the same commits of the same stores on one server and on a node of a cluster, turn by turn in
// one run, so that a slow machine slows both. The figures are printed; docs/scaling.md tells what they were. All nodes
// share one machine here and its disk, and no network lies between them: a ratio, never a speed to expect.
import type { Knex } from 'knex';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { recordStretch, type StretchCommit } from '../../accounting/edges/log-store.js';
import { postEvent } from '../../payments/edges/ledger-store.js';
import { changeState, reserveBatch, type Batch } from '../../payments/edges/batch-store.js';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { connect } from '../../shared/database/connect.js';
import { timeText, type Database } from '../../shared/database/database.js';
import { createLease, type DaemonLease } from '../../shared/database/lease.js';
import { migrate } from '../../shared/database/migrate.js';
import { blockHeight, satoshis, shares, type LogPosition } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { layCluster, type Cluster } from './ground.js';

const users = 500;
const rounds = 12;
/** Far above what was ever seen: what it guards against is a wait for a timeout in each commit. */
const ratio_max = 25;
const now = timeText(Date.UTC(2026, 0, 1));
const names = Array.from({ length: users }, (_, index) => `miner${index}` as NameBytes);
const amount = satoshis(1_000n);

interface Contender { readonly database: Database; readonly accounting: DaemonLease; readonly payments: DaemonLease }

let server: PrivateMariadb;
let cluster: Cluster;
let one_server: Contender;
let three_nodes: Contender;

beforeAll(async () => {
  [server, cluster] = await Promise.all([startMariadb(), layCluster()]);
  const single = await connect(await server.createDatabase('pool_base'));
  await migrate(single);
  one_server = await contender(single);
  three_nodes = await contender(await cluster.open(cluster.nodes[0]!));
});
afterAll(async () => {
  await one_server?.database.close();
  await server?.stop();
  await cluster?.stop();
});

async function contender(database: Database): Promise<Contender> {
  const [accounting, payments] = [createLease(database, 'accounting_lease', 'measured'), createLease(database, 'payments_lease', 'measured')];
  expect([await accounting.tryTake(), await payments.tryTake()]).toEqual([true, true]);
  return { database, accounting, payments };
}

/** A stretch of the log in which every miner worked, and a block at its end. */
const snapshotCommit = ({ database, accounting }: Contender, round: number): Promise<unknown> =>
  recordStretch(database, accounting, stretch(round));

function stretch(round: number): StretchCommit {
  const cursor = (offset: bigint) => ({
    sequence: 1, device: '1', inode: '1', log_start: 0n, file_offset: offset, fingerprint_length: 1, fingerprint: 'f'.repeat(64), path: 'ckpool.log', state: 'current',
  }) as const;
  const count = shares(BigInt(round) * 8n);
  const end = BigInt(round) * 1_000n;
  return {
    users: new Map(), before: round === 1 ? null : cursor(end - 1_000n), after: [cursor(end)], reading: null, incidents: [], deferred: false, now_ms: 0,
    outcome: {
      changed: names.map((name, index) => ({ id: round === 1 ? null : index + 1, name, counter: count, ledger_count: count, snapshot_count: count, disputed_count: shares(0n) })),
      risen: new Set(), login_seen: true, notice_seen: true, anchors: [], disputed: new Map(), incidents: [],
      snapshots: [{
        height: blockHeight(round), finder: names[0]!, logged_at: now, position: (end - 1n) as LogPosition, quality: 'minute',
        rows: names.map((user) => ({ user, share_count: count, difference: shares(8n), disputed_difference: shares(0n) })),
      }],
    },
  };
}

const fenced = ({ database, payments }: Contender, work: (transaction: Knex.Transaction) => Promise<void>): Promise<void> =>
  database.transaction(async (transaction) => {
    await payments.fence(transaction);
    await work(transaction);
  });

/** Every miner is owed something again; not measured. */
async function owe(contender: Contender, ids: readonly number[], round: number): Promise<void> {
  await fenced(contender, (transaction) => postEvent(transaction, {
    kind: 'settle', cause: `settle:${round}`, round_id: null, batch_id: null, detail: '', occurred_at: now,
    entries: [
      { account: 'coinbase', user_id: null, amount_sats: satoshis(amount * BigInt(-ids.length)) },
      ...ids.map((user_id) => ({ account: 'miner' as const, user_id, amount_sats: amount })),
    ],
  }));
}

async function reservation(contender: Contender, ids: readonly number[]): Promise<void> {
  await fenced(contender, async (transaction) => {
    await reserveBatch(transaction, ids.map((user_id, index) => ({
      script: `0014${user_id.toString(16).padStart(40, '0')}`, address: `address${index}`, planned_sats: amount,
      users: [{ user_id, name: names[index]!, address: `address${index}`, planned_sats: amount }],
    })), 'miners', now);
  });
}

/** So that the next batch may be planned; not measured. */
async function accept(contender: Contender): Promise<void> {
  const batch = await contender.database.knex('payout_batches').where({ state: 'planned' }).first<Batch>();
  await fenced(contender, (transaction) => changeState(transaction, batch, 'prepare', now));
  await fenced(contender, (transaction) => changeState(transaction, { ...batch, state: 'prepared' }, 'accept', now));
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began_ms = performance.now();
  await work();
  return performance.now() - began_ms;
}

it('a commit on three nodes takes longer than on one server, and no commit waits for a time to run out', async () => {
  const taken = new Map<string, Map<Contender, number[]>>();
  const measure = async (what: string, who: Contender, work: () => Promise<unknown>) => {
    const times = taken.get(what) ?? new Map<Contender, number[]>();
    taken.set(what, times.set(who, [...times.get(who) ?? [], await timed(work)]));
  };
  for (let round = 1; round <= rounds; round += 1) {
    for (const who of round % 2 === 0 ? [one_server, three_nodes] : [three_nodes, one_server]) {
      await measure('a fence alone', who, () => who.payments.renew());
      await measure(`a snapshot of ${users} miners`, who, () => snapshotCommit(who, round));
      const ids = (await who.database.knex('users').orderBy('id').select<{ id: string }[]>('id')).map(({ id }) => Number(id));
      await owe(who, ids, round);
      await measure(`a batch of ${users} outputs`, who, () => reservation(who, ids));
      await accept(who);
    }
  }
  for (const [what, times] of taken) {
    const [single, three] = [one_server, three_nodes].map((who) => median(times.get(who)!.slice(2)));
    process.stderr.write(`${what}: one server ${single!.toFixed(1)} ms, three nodes ${three!.toFixed(1)} ms, ratio ${(three! / single!).toFixed(1)}\n`);
    expect(three! / single!).toBeLessThan(ratio_max);
  }
});
