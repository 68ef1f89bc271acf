// What an operator puts before the nodes of a cluster so that a daemon has one address: this stands for HAProxy,
// ProxySQL or an address that moves. All connections go to one node; it is asked again and again whether it takes
// statements (what HAProxy's clustercheck asks), and when it does not, its connections are cut and the next node in
// order has its turn. It reads no byte of what passes through, and goes back to no node by itself.
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { GaleraNode } from './galera.js';

export interface ClusterFront {
  readonly port: number;
  /** The node that has its turn. */
  current(): GaleraNode;
  /** Sends everything to this node, as an operator does for a planned change. */
  switchTo(node: GaleraNode): void;
  close(): Promise<void>;
}

const look_every_ms = 200;
/** So many looks in a row must fail. */
const fails_max = 3;

/** `watched: false`: it goes to another node only when it is told to. */
export async function startFront(nodes: readonly GaleraNode[], { watched = true } = {}): Promise<ClusterFront> {
  const stop = new AbortController();
  const open = new Set<Socket>();
  let current = nodes[0]!;
  const switchTo = (node: GaleraNode): void => {
    current = node;
    for (const socket of open) socket.destroy();
  };
  const server = createServer((client) => {
    const behind = createConnection({ host: '127.0.0.1', port: current.port });
    for (const [socket, other] of [[client, behind], [behind, client]] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
    client.pipe(behind).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const watching = watched ? watch(() => current, nodes, switchTo, stop.signal) : null;
  return {
    port: (server.address() as AddressInfo).port,
    current: () => current,
    switchTo,
    close: async () => {
      stop.abort();
      await watching;
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => { server.close(resolve); });
    },
  };
}

async function watch(
  current: () => GaleraNode, nodes: readonly GaleraNode[], switchTo: (node: GaleraNode) => void, stop: AbortSignal,
): Promise<void> {
  let fails = 0;
  while (!stop.aborted) {
    fails = await takesStatements(current()) ? 0 : fails + 1;
    if (fails >= fails_max) {
      const next = await firstOf(nodes.filter((node) => node !== current()));
      if (next) switchTo(next);
      fails = 0;
    }
    await wait(look_every_ms, undefined, { signal: stop }).catch(() => undefined);
  }
}

async function firstOf(nodes: readonly GaleraNode[]): Promise<GaleraNode | null> {
  for (const node of nodes) if (await takesStatements(node)) return node;
  return null;
}

async function takesStatements(node: GaleraNode): Promise<boolean> {
  return await node.status('wsrep_ready') === 'ON' && await node.status('wsrep_local_state_comment') === 'Synced';
}
