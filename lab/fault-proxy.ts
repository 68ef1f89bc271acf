// A proxy on loopback between a daemon and a server (MariaDB, a node) that knows where a request begins and what it
// is called, counts them, and does to a chosen one what networks and power cuts do. The daemon needs no switch for it:
// its configuration names the proxy's port. It changes no byte of what it passes on, and picks nothing by chance.
//
//   const proxy = await startFaultProxy({ target_port: mariadb.port, protocol: mysqlRequests });
//   const lost = proxy.meet(({ name }) => name === 'COMMIT', cutAfter);      // the first from now on
//   …
//   await lost;                                                               // which request it was
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { pass } from './fault-proxy/faults.js';
import { carry, type Fault, type SeenRequest } from './fault-proxy/passage.js';
import type { Protocol, RequestName } from './fault-proxy/request-reader.js';

export * from './fault-proxy/faults.js';
export { mysqlRequests } from './fault-proxy/mysql-requests.js';
export type { Fault, Passage, SeenRequest } from './fault-proxy/passage.js';
export { rpcRequests } from './fault-proxy/rpc-requests.js';

export interface FaultProxyOptions {
  readonly target_port: number;
  readonly protocol: Protocol;
  /** Default: a free one. */
  readonly port?: number;
}

export interface FaultProxy {
  readonly port: number;
  /** Every request since the start or the last `countAnew`. */
  readonly seen: readonly SeenRequest[];
  /** Forgets what was seen; the next request is number 1. */
  countAnew(): void;
  /**
   * The first request from now on that `which` chooses meets the fault, once. Resolves when the fault has run its
   * course; several may wait at a time, and one request meets the first that chooses it.
   */
  meet(which: (request: SeenRequest) => boolean, fault: Fault): Promise<SeenRequest>;
  /** Every request that `which` chooses meets the fault, until the function that is returned is called. */
  meetAll(which: (request: SeenRequest) => boolean, fault: Fault): () => void;
  /** From now on nothing passes and nobody is told: a half-open network. Until the function that is returned is called. */
  blackHole(): () => void;
  /** Breaks every connection that there is. */
  cutAll(): void;
  close(): Promise<void>;
}

interface Rule {
  readonly which: (request: SeenRequest) => boolean;
  readonly fault: Fault;
  readonly remains: boolean;
}

export async function startFaultProxy({ target_port, protocol, port = 0 }: FaultProxyOptions): Promise<FaultProxy> {
  const connections = new Set<{ cut(): void }>();
  const rules = new Set<Rule>();
  let seen: SeenRequest[] = [];
  let holes = 0;

  function judge(named: RequestName): { request: SeenRequest; fault: Fault } {
    const request = { ...named, number: seen.length + 1 };
    seen.push(request);
    const rule = [...rules].find(({ which }) => which(request));
    if (rule && !rule.remains) rules.delete(rule);
    return { request, fault: rule?.fault ?? pass };
  }

  function accept(client: Socket): void {
    const connection = carry(client, { target_port, reader: protocol(), judge, inHole: () => holes > 0 });
    connections.add(connection);
    void connection.over.then(() => connections.delete(connection));
  }

  const cutAll = (): void => { for (const connection of connections) connection.cut(); };
  const server = createServer(accept).listen(port, '127.0.0.1');
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    get seen() { return seen; },
    countAnew: () => { seen = []; },
    meet: (which, fault) => new Promise((resolve, reject) => {
      rules.add({
        which, remains: false,
        fault: async (passage) => {
          try {
            await fault(passage);
            resolve(passage.request);
          } catch (failure) {
            reject(failure instanceof Error ? failure : new Error(String(failure)));
            throw failure;
          }
        },
      });
    }),
    meetAll: (which, fault) => {
      const rule = { which, fault, remains: true };
      rules.add(rule);
      return () => { rules.delete(rule); };
    },
    blackHole: () => {
      holes += 1;
      return () => {
        holes -= 1;
        // What was sent into the hole is gone: nobody could go on with half of it.
        cutAll();
      };
    },
    cutAll,
    close: async () => {
      cutAll();
      server.close();
      await once(server, 'close');
    },
  };
}
