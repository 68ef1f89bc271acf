// The schema and its migration on three nodes, what preflight says of a node, and a stream of decisions during which
// the node that takes them is killed twice.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFront } from '../../lab/cluster-front.js';
import type { GaleraNode } from '../../lab/galera.js';
import { timeText, type Database } from '../../shared/database/database.js';
import { createLease } from '../../shared/database/lease.js';
import { migrate, tableKinds } from '../../shared/database/migrate.js';
import { durabilityFaults } from '../../shared/database/preflight.js';
import { rowsOf } from '../../shared/database/rows.js';
import { OutsideFailure } from '../../shared/errors.js';
import { asDaemon, layCluster, until, type Cluster } from './ground.js';

const decisions = 120;

let cluster: Cluster;
let nodes: readonly [GaleraNode, GaleraNode, GaleraNode];

beforeAll(async () => {
  cluster = await layCluster();
  nodes = cluster.nodes as unknown as typeof nodes;
});
afterAll(() => cluster?.stop());

async function asAdministrator<T>(node: GaleraNode, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await node.administrator();
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

describe('the schema', () => {
  it('has a primary key in every table, without which nodes cannot tell rows apart', async () => {
    const { knex } = await cluster.open(nodes[1]);
    const bare = await rowsOf<{ name: string }>(knex, 'SELECT t.table_name AS name FROM information_schema.tables AS t '
      + 'LEFT JOIN information_schema.table_constraints AS c ON c.table_schema = t.table_schema AND c.table_name = t.table_name '
      + "AND c.constraint_type = 'PRIMARY KEY' WHERE t.table_schema = database() AND t.table_type = 'BASE TABLE' AND c.table_name IS NULL");
    expect(bare).toEqual([]);
    expect([...await tableKinds(knex, 'mysql')].length).toBeGreaterThan(30);
  });

  it('that was made on one node is whole on each, its triggers and its first rows too', async () => {
    const [first, ...others] = await Promise.all(nodes.map((node) => cluster.open(node)));
    expect(await triggersOf(first!)).toHaveLength(4);
    for (const other of others) {
      expect([...await tableKinds(other.knex, 'mysql')].sort()).toEqual([...await tableKinds(first!.knex, 'mysql')].sort());
      expect(await triggersOf(other)).toEqual(await triggersOf(first!));
      expect(await migrate(other)).toBe(0);
      expect(await other.knex('payments_lease')).toHaveLength(1);
    }
  });

  it('refuses to change the ledger on every node, to an administrator as well', async () => {
    const [first] = await Promise.all(nodes.map((node) => cluster.open(node)));
    await first!.transaction((transaction) => transaction('ledger_events').insert({ kind: 'settle', cause: 'kept', detail: '', occurred_at: timeText(0) }));
    for (const node of nodes) {
      const { knex } = await cluster.open(node);
      await expect(Promise.resolve(knex('ledger_events').where({ cause: 'kept' }).update({ detail: 'changed' }))).rejects.toMatchObject({ kind: 'refused', code: 1644 });
    }
  });
});

async function triggersOf({ knex }: Database): Promise<unknown[]> {
  return rowsOf(knex, 'SELECT trigger_name AS name, event_manipulation AS event, action_statement AS body FROM information_schema.triggers '
    + 'WHERE trigger_schema = database() ORDER BY trigger_name');
}

describe('preflight', () => {
  it('finds no fault in a node of a cluster that keeps together', async () => {
    for (const node of nodes) expect(await durabilityFaults(await cluster.open(node))).toEqual([]);
  });

  it.each([
    ['SET GLOBAL wsrep_provider_options = \'pc.ignore_quorum=true\'', 'SET GLOBAL wsrep_provider_options = \'pc.ignore_quorum=false\'', /pc\.ignore_quorum.*both halves/],
    ['SET GLOBAL wsrep_provider_options = \'pc.ignore_sb=true\'', 'SET GLOBAL wsrep_provider_options = \'pc.ignore_sb=false\'', /pc\.ignore_sb.*both halves/],
    ['SET GLOBAL wsrep_on = OFF', 'SET GLOBAL wsrep_on = ON', /wsrep_on is OFF/],
  ])('refuses a node after %s, because two halves would pay', async (wrong, right, sentence) => {
    const database = await cluster.open(nodes[2]);
    await asAdministrator(nodes[2], ({ knex }) => knex.raw(wrong));
    const faults = await durabilityFaults(database);
    await asAdministrator(nodes[2], ({ knex }) => knex.raw(right));
    expect(faults).toEqual([expect.stringMatching(sentence)]);
    expect(await durabilityFaults(database)).toEqual([]);
  });
});

describe('a node that is killed under a stream of decisions', () => {
  it('loses none of them and doubles none, whichever answer it still owed', async () => {
    const front = await startFront(nodes);
    const database = await cluster.open(front);
    const lease = createLease(database, 'accounting_lease', 'stream');
    expect(await asDaemon(() => lease.tryTake())).toBe(true);
    let unknown = 0;
    let slowest_ms = 0;
    let dying: Promise<unknown> = Promise.resolve();
    /** Between the last statement and the answer to COMMIT. */
    let strike: (() => void) | null = null;
    // Nothing in the schema keeps a second row of one decision out: only looking before doing does.
    const decide = async (detail: string): Promise<void> => {
      if ((await database.knex('incidents').where({ detail })).length > 0) return;
      await database.transaction(async (transaction) => {
        await lease.fence(transaction);
        await transaction('incidents').insert({ kind: 'test', occurrences: 1, detail, occurred_at: timeText(0) });
        strike?.();
        strike = null;
      }).catch((failure: unknown) => {
        if (failure instanceof OutsideFailure && failure.kind === 'unknown') unknown += 1;
        throw failure;
      });
    };
    for (let count = 0; count < decisions; count += 1) {
      // The second death comes when the first node is back.
      if (count === 40) strike = () => { dying = front.current().kill(); };
      if (count === 80) {
        await dying;
        const gone = await Promise.all(nodes.map(async (node) => await node.status('wsrep_ready') === null ? node : null));
        for (const node of gone) await node?.rejoin();
        strike = () => { setTimeout(() => { dying = front.current().kill(); }, 1); };
      }
      const began_ms = performance.now();
      await asDaemon(() => decide(`decision ${count}`));
      slowest_ms = Math.max(slowest_ms, performance.now() - began_ms);
    }
    await dying;
    for (const node of nodes) if (await node.status('wsrep_ready') === null) await node.rejoin();
    await cluster.whole();
    await until('the nodes to be one', 10_000, async () => (await Promise.all(nodes.map((node) => node.status('wsrep_cluster_size')))).every((size) => size === '3'));
    for (const node of nodes) {
      const rows = await (await cluster.open(node)).knex('incidents').where({ kind: 'test' }).select<{ detail: string }[]>('detail');
      expect(rows.map(({ detail }) => detail).sort()).toEqual(Array.from({ length: decisions }, (_, count) => `decision ${count}`).sort());
    }
    expect(unknown).toBeGreaterThan(0);
    process.stderr.write(`two kills in ${decisions} decisions: ${unknown} answers to COMMIT missing, longest wait ${(slowest_ms / 1000).toFixed(1)} s\n`);
    await front.close();
  });
});
