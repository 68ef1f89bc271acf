// What the tests of a cluster share: a cluster with the schema in a database of its own, and means to hold one node
// back so that it answers from the past, which on a quiet machine it does too seldom to be tested.
import { setTimeout as wait } from 'node:timers/promises';
import type { ClusterFront } from '../../lab/cluster-front.js';
import { startGalera, type GaleraCluster, type GaleraNode } from '../../lab/galera.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { migrate } from '../../shared/database/migrate.js';
import { OutsideFailure } from '../../shared/errors.js';

export const database_name = 'pool_base';

export interface Cluster extends GaleraCluster {
  /** As a daemon opens it, on one node or through the front; closed with the cluster. */
  open(at: GaleraNode | ClusterFront, login?: { user: string; password: string }): Promise<Database>;
}

export async function layCluster(): Promise<Cluster> {
  const cluster = await startGalera();
  await cluster.createDatabase(database_name);
  const opened: Database[] = [];
  const open: Cluster['open'] = async (at, login) => {
    const database = await connect({
      engine: 'mysql', host: '127.0.0.1', port: at.port, socket_path: null,
      user: login?.user ?? 'root', password: login?.password ?? '', database: database_name,
    });
    opened.push(database);
    return database;
  };
  await migrate(await open(cluster.nodes[0]!));
  return {
    ...cluster, open,
    stop: async () => {
      await Promise.all(opened.map((database) => database.close().catch(() => undefined)));
      await cluster.stop();
    },
  };
}

/** While it runs, the node receives what the others commit but applies none of it. */
export async function heldBack<T>(node: GaleraNode, work: () => Promise<T>): Promise<T> {
  const holder = await node.administrator();
  const held = await holder.knex.transaction();
  try {
    await held.raw('FLUSH TABLES WITH READ LOCK');
    return await work();
  } finally {
    await held.raw('UNLOCK TABLES');
    await held.rollback();
    await holder.close();
  }
}

export async function until(what: string, limit_ms: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const given_up_ms = performance.now() + limit_ms;
  while (!(await holds())) {
    if (performance.now() > given_up_ms) throw new Error(`waited ${limit_ms / 1000} s in vain for ${what}`);
    await wait(50);
  }
}

/** As the loop of a daemon does: what failed outside is done again, whole. @throws anything else, and the last failure after the limit. */
export async function asDaemon<T>(work: () => Promise<T>, limit_ms = 20_000): Promise<T> {
  const given_up_ms = performance.now() + limit_ms;
  for (;;) {
    try {
      return await work();
    } catch (failure) {
      if (!(failure instanceof OutsideFailure) || failure.kind === 'refused' || performance.now() > given_up_ms) throw failure;
      await wait(100);
    }
  }
}
