// A node without peers gives no block template, in regtest neither before version 22 of Bitcoin Core. So it is
// told to connect to a socket of ours on the loopback, which listens, says nothing and is closed again when the
// work is done.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { RegtestNode } from '../regtest-node.js';

export async function withSilentPeer<T>(node: Pick<RegtestNode, 'rpc'>, work: () => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).resume());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await node.rpc('addnode', `127.0.0.1:${(server.address() as AddressInfo).port}`, 'onetry');
    return await work();
  } finally {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
}
