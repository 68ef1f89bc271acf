// An answer that does not end soon: from whatever else may listen at the port of the node.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createNode } from './client.js';

test('an answer of gigabytes is cut off and is a failure, never the end of the daemon', async () => {
  const block = Buffer.alloc(2 ** 20, ' ');
  const server = createServer((request, response) => {
    request.resume();
    const write = (): void => { while (!response.destroyed && response.write(block)); };
    response.on('drain', write);
    write();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const node = createNode({ url: `127.0.0.1:${port}`, user: 'a', password: 'b', wallet: null, passphrase: null });
  try {
    await expect(node.chainInfo()).rejects.toMatchObject({ name: 'OutsideFailure', kind: 'unknown', code: 'EMSGSIZE' });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
