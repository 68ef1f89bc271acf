// Three real Galera nodes and the stores of the daemons, in process: what a cluster does differently from one
// server, and that none of it loses or doubles a decision. The daemons as processes: daemons.test.ts.
import { setTimeout as wait } from 'node:timers/promises';
import type { Knex } from 'knex';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFront, type ClusterFront } from '../../lab/cluster-front.js';
import type { GaleraNode } from '../../lab/galera.js';
import { systemClock } from '../../shared/clock.js';
import { smallInteger, timeText, type Database } from '../../shared/database/database.js';
import { isDuplicate } from '../../shared/database/errors.js';
import { createLease, LeaseLost, takeLease, type DaemonLease } from '../../shared/database/lease.js';
import { OutsideFailure } from '../../shared/errors.js';
import { asDaemon, heldBack, layCluster, until, type Cluster } from './ground.js';

const limit_ms = 120_000;
const thrown = (work: Promise<unknown>): Promise<unknown> => work.then(() => null, (error: unknown) => error);
const row = (name: string) => ({ name, value: '0', set_at: timeText(0) });

let cluster: Cluster;
let nodes: readonly [GaleraNode, GaleraNode, GaleraNode];
/** What an instance of a daemon has open on each node. */
let databases: readonly [Database, Database, Database];
/** Goes where it is told. */
let front: ClusterFront;
let behind_front: Database;

beforeAll(async () => {
  cluster = await layCluster();
  nodes = cluster.nodes as unknown as typeof nodes;
  databases = await Promise.all(nodes.map((node) => cluster.open(node))) as unknown as typeof databases;
  front = await startFront(nodes, { watched: false });
  behind_front = await cluster.open(front);
}, limit_ms);
afterAll(async () => {
  await front?.close();
  await cluster?.stop();
}, limit_ms);

const expireLease = () => databases[0].knex('payments_lease').update({ expires_at_ms: 0 });
const named = async (database: Database, name: string) => (await database.knex('settings').where({ name })).length;

async function takenLease(database: Database, holder: string): Promise<DaemonLease> {
  await expireLease();
  const lease = createLease(database, 'payments_lease', holder);
  expect(await takeLease(lease, { clock: systemClock, stop: new AbortController().signal, wait_ms: 5_000 })).toBe(true);
  return lease;
}

const fenced = (database: Database, lease: DaemonLease, work: (transaction: Knex.Transaction) => Promise<unknown>) =>
  database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await work(transaction);
  });

describe('what was committed on one node', () => {
  it('is what the next node answers, although that one has not applied it yet', async () => {
    const { reads } = await heldBack(nodes[1], async () => {
      await databases[0].transaction((transaction) => transaction('settings').insert(row('seen')));
      const one = databases[1].knex('settings').where({ name: 'seen' });
      const view = databases[1].snapshot(async (transaction) => transaction('settings').where({ name: 'seen' }));
      const writing = databases[1].transaction(async (transaction) => transaction('settings').where({ name: 'seen' }));
      const answers = Promise.all([one, view, writing].map(async (read) => ((await read) as unknown[]).length));
      const first = await Promise.race([answers, wait(700, 'they wait')]);
      expect(first).toBe('they wait');
      return { reads: answers };
    });
    expect(await reads).toEqual([1, 1, 1]);
  });

  it('is what a daemon builds on when its connection comes to another node: it does not think itself replaced', async () => {
    const { written } = await heldBack(nodes[1], async () => {
      const lease = await takenLease(behind_front, 'moving');
      front.switchTo(nodes[1]);
      const writing = thrown(asDaemon(() => fenced(behind_front, lease, (transaction) => transaction('settings').insert(row('moved')))));
      await wait(700);
      return { written: writing };
    });
    expect(await written).toBeNull();
    expect(await named(databases[2], 'moved')).toBe(1);
    front.switchTo(nodes[0]);
  });

  it('has a lower id than what is written on another node later, whatever numbers the nodes leave out', async () => {
    const ids: number[] = [];
    for (const database of [databases[0], databases[0], databases[2], databases[1], databases[0], databases[2]]) {
      const [id] = await database.transaction((transaction) => transaction('incidents').insert({
        kind: 'test', occurrences: 1, detail: `${ids.length}`, occurred_at: timeText(0),
      }));
      ids.push(smallInteger(id));
    }
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('two that write the same row on two nodes', () => {
  /** Both have their statements behind them before either commits: only COMMIT can tell. */
  async function atOnce(work: (database: Database, transaction: Knex.Transaction, place: number) => Promise<unknown>) {
    let arrived = 0;
    const tries = [0, 0];
    const outcomes = await Promise.all([databases[0], databases[1]].map((database, place) => thrown(database.transaction(async (transaction) => {
      tries[place]! += 1;
      await work(database, transaction, place);
      arrived += 1;
      await until('the other', 5_000, () => arrived >= 2);
    }))));
    return { outcomes, tries };
  }

  it('both succeed, the later one as a whole again: no count is lost', async () => {
    await databases[0].knex('settings').insert(row('counter'));
    const { outcomes, tries } = await atOnce(async (_, transaction, place) => {
      await transaction('settings').insert(row(`beside ${place}`));
      await transaction('settings').where({ name: 'counter' }).update({ value: transaction.raw('value + 1') });
    });
    expect(outcomes).toEqual([null, null]);
    expect(tries[0]! + tries[1]!).toBe(3);
    expect(await databases[2].knex('settings').where({ name: 'counter' }).first()).toMatchObject({ value: '2' });
    expect(await named(databases[2], 'beside 0') + await named(databases[2], 'beside 1')).toBe(2);
  });

  it('one decision of one cause is written down once, and the other one learns it', async () => {
    const { outcomes } = await atOnce((_, transaction) => transaction('settings').insert(row('decided')));
    expect(outcomes.filter((outcome) => outcome === null)).toHaveLength(1);
    expect(isDuplicate(outcomes.find((outcome) => outcome !== null))).toBe(true);
    expect(await named(databases[2], 'decided')).toBe(1);
  });

  it('says at COMMIT that it collided, which is certain: nothing of it is in the database', async () => {
    await databases[0].knex('settings').insert(row('contested'));
    const late = thrown(databases[1].knex.transaction(async (transaction) => {
      await transaction('settings').insert(row('not to be'));
      await transaction('settings').where({ name: 'contested' }).update({ value: '1' });
      await databases[0].transaction((other) => other('settings').where({ name: 'contested' }).update({ value: '2' }));
    }));
    expect(await late).toMatchObject({ name: 'OutsideFailure', kind: 'retry', code: 1213 });
    expect(await named(databases[0], 'not to be')).toBe(0);
  });

  it('a hundred times at once: every step is there once', async () => {
    await databases[0].knex('settings').insert(row('steps'));
    await Promise.all([0, 1].map(async (place) => {
      for (let step = 0; step < 50; step += 1) {
        await asDaemon(() => databases[place]!.transaction(async (transaction) => {
          await transaction('settings').where({ name: 'steps' }).update({ value: transaction.raw('value + 1') });
          await transaction('settings').insert(row(`step ${place} ${step}`));
        }));
      }
    }));
    expect(await databases[2].knex('settings').where({ name: 'steps' }).first()).toMatchObject({ value: '100' });
    expect(await databases[2].knex('settings').where('name', 'like', 'step %')).toHaveLength(100);
  });
});

describe('two instances of a daemon on two nodes', () => {
  it('one has the lease, however often both reach for it in the same moment', async () => {
    for (let round = 0; round < 10; round += 1) {
      await expireLease();
      const taken = await Promise.all([0, 1, 2].map((place) => asDaemon(() => createLease(databases[place]!, 'payments_lease', `${place}`).tryTake())));
      expect(taken.filter(Boolean)).toHaveLength(1);
    }
  });

  it('one that was replaced from another node writes nothing, although both are under way at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const old = await takenLease(databases[0], 'old');
      await expireLease();
      const next = createLease(databases[1], 'payments_lease', 'next');
      const [taken, written] = await Promise.all([
        asDaemon(() => next.tryTake()),
        thrown(asDaemon(() => fenced(databases[0], old, (transaction) => transaction('settings').insert(row(`round ${round}`))))),
      ]);
      // Either it wrote and thereby kept the lease, or it lost the lease and wrote nothing.
      expect([taken, written === null, await named(databases[2], `round ${round}`)]).toEqual(taken ? [true, false, 0] : [false, true, 1]);
      if (taken) expect(written).toBeInstanceOf(LeaseLost);
    }
  });

  it('every fence is a write that the other nodes see, two of one millisecond as well', async () => {
    const lease = await takenLease(databases[0], 'quick');
    const committed = async () => Number(await nodes[0].status('wsrep_last_committed'));
    const fencedAtOneInstant = () => databases[0].transaction(async (transaction) => {
      await transaction.raw('SET SESSION timestamp = 2000000000.25');
      await lease.fence(transaction);
      await transaction.raw('SET SESSION timestamp = DEFAULT');
    });
    await fencedAtOneInstant();
    for (let round = 0; round < 3; round += 1) {
      const before = await committed();
      await fencedAtOneInstant();
      expect(await committed()).toBe(before + 1);
    }
    await expireLease();
  });
});

describe('a node that is cut off from the others', () => {
  it('refuses every read and write in a sentence that says so, and the daemon asks again', async () => {
    const lease = await takenLease(databases[2], 'cut off');
    await nodes[2].isolate(true);
    await until('the node to notice', 20_000, async () => await nodes[2].status('wsrep_ready') === 'OFF');
    const asked: (() => Promise<unknown>)[] = [
      async () => databases[2].knex('settings').select('name'),
      () => databases[2].snapshot(async (transaction) => transaction('settings')),
      () => fenced(databases[2], lease, (transaction) => transaction('settings').insert(row('minority'))),
      () => cluster.open(nodes[2]),
    ];
    for (const work of asked) {
      const failure = await thrown(work());
      expect(failure).toMatchObject({ name: 'OutsideFailure', kind: 'retry' });
      expect((failure as OutsideFailure).message).toMatch(/cluster/);
    }
    // The others go on, and whoever takes over there fences the one that was cut off.
    const next = await takenLease(databases[0], 'majority');
    await nodes[2].isolate(false);
    await cluster.whole();
    expect(await thrown(asDaemon(() => fenced(databases[2], lease, (transaction) => transaction('settings').insert(row('minority')))))).toBeInstanceOf(LeaseLost);
    expect(await named(databases[1], 'minority')).toBe(0);
    await next.renew();
  });

  it('answers nothing from the past even where its administrator allows that', async () => {
    const administrator = await nodes[2].administrator();
    await administrator.knex.raw('SET GLOBAL wsrep_dirty_reads = ON');
    await administrator.close();
    const database = await cluster.open(nodes[2]);
    await nodes[2].isolate(true);
    await until('the node to notice', 20_000, async () => await nodes[2].status('wsrep_ready') === 'OFF');
    expect(await thrown(Promise.resolve(database.knex('settings').select('name')))).toMatchObject({ kind: 'retry', code: 1047 });
    await nodes[2].isolate(false);
    await cluster.whole();
  });

  it('leaves the outcome of a COMMIT under way unknown, never retried blindly; looked up, it is there once or not at all', async () => {
    const lease = await takenLease(databases[2], 'under way');
    let tries = 0;
    const outcome = thrown(fenced(databases[2], lease, async (transaction) => {
      tries += 1;
      await transaction('settings').insert(row('under way'));
      await nodes[2].isolate(true);
    }));
    expect(await outcome).toMatchObject({ name: 'OutsideFailure', kind: 'unknown' });
    expect(tries).toBe(1);
    await nodes[2].isolate(false);
    await cluster.whole();
    const counts = await Promise.all(databases.map((database) => asDaemon(() => named(database, 'under way'))));
    expect([[0, 0, 0], [1, 1, 1]]).toContainEqual(counts);
  });
});
