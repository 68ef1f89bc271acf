// The fault proxy on real servers, through the clients that the daemons use: what it says of a request happened to it.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createRpc, type Rpc } from '../shared/bitcoind/rpc.js';
import { connect } from '../shared/database/connect.js';
import type { Database } from '../shared/database/database.js';
import * as faults from './fault-proxy.js';
import { mysqlRequests, rpcRequests, startFaultProxy, type FaultProxy, type SeenRequest } from './fault-proxy.js';
import { startMariadb, type PrivateMariadb } from './mariadb.js';
import { startRegtestNode, type RegtestNode } from './regtest-node.js';

const named = (wanted: string) => ({ name }: SeenRequest) => name === wanted;

describe('behind the proxy MariaDB', () => {
  let mariadb: PrivateMariadb;
  let direct: Database;
  let proxy: FaultProxy;
  let database: Database;
  const write = (note: string) => database.transaction((transaction) => transaction('notes').insert({ note }));
  const notes = async () => (await direct.knex<{ note: string }>('notes').select('note')).map(({ note }) => note);

  beforeAll(async () => {
    mariadb = await startMariadb();
    direct = await connect(await mariadb.createDatabase('proxied'));
    await direct.knex.raw('CREATE TABLE notes (note VARCHAR(20) PRIMARY KEY)');
  });
  afterAll(async () => {
    await direct?.close();
    await mariadb?.stop();
  });
  beforeEach(async () => {
    await direct.knex('notes').delete();
    proxy = await startFaultProxy({ target_port: mariadb.port, protocol: mysqlRequests });
    database = await connect({ ...mariadb.settings('proxied'), socket_path: null, port: proxy.port });
  });
  afterEach(async () => {
    await database.close();
    await proxy.close();
  });

  it('names and counts each command of a client, the log-in first', async () => {
    const names = proxy.seen.map(({ name }) => name);
    expect(names[0]).toBe('LOGIN');
    // How many settings a session asks for is connect.ts's.
    expect(new Set(names.slice(1))).toEqual(new Set(['SELECT', 'SET']));
    proxy.countAnew();
    await write('one');
    expect(proxy.seen).toMatchObject([{ number: 1, name: 'START' }, { name: 'INSERT notes' }, { number: 3, name: 'COMMIT' }]);
    expect(await notes()).toEqual(['one']);
  });

  it('has not committed where COMMIT was cut before delivery, has committed where only the answer was lost', async () => {
    const before = proxy.meet(named('COMMIT'), faults.cutBefore);
    await expect(write('before')).rejects.toMatchObject({ kind: 'unknown' });
    await before;
    expect(await notes()).toEqual([]);
    const after = proxy.meet(named('COMMIT'), faults.cutAfter);
    await expect(write('after')).rejects.toMatchObject({ kind: 'unknown' });
    expect(await after).toMatchObject({ name: 'COMMIT', text: 'COMMIT;' });
    expect(await notes()).toEqual(['after']);
    await write('whole again');
  });

  it('commits late what the client has long given up, and keeps its rows locked until then', async () => {
    const late = proxy.meet(named('COMMIT'), faults.deliveredLate(1_000));
    await expect(write('late')).rejects.toMatchObject({ kind: 'unknown' });
    expect(await notes()).toEqual([]);
    await expect(write('late')).rejects.toMatchObject({ kind: 'refused', code: 1062 });
    await late;
    expect(await notes()).toEqual(['late']);
  });

  it('is down and up again between a request and its answer', async () => {
    const killed = proxy.meet(named('COMMIT'), faults.rightAfter(async () => {
      await mariadb.kill();
      await mariadb.restart();
    }));
    await expect(write('durable')).rejects.toMatchObject({ kind: 'unknown' });
    await killed;
    await direct.close();
    direct = await connect(mariadb.settings('proxied'));
    expect(await notes()).toEqual(['durable']);
  });

  it('says nothing in a black hole, and is there again after it', async () => {
    const end = proxy.blackHole();
    const outcomes: string[] = [];
    const asked = write('into the hole').then(() => outcomes.push('done'), () => outcomes.push('failed'));
    await direct.knex.raw('SELECT SLEEP(0.3)');
    expect(outcomes).toEqual([]);
    end();
    await asked;
    expect(outcomes).toEqual(['failed']);
    expect(await notes()).toEqual([]);
    await write('after it');
  });
});

describe('behind the proxy a node', () => {
  let node: RegtestNode;
  let proxy: FaultProxy;
  let rpc: Rpc;
  let address: string;
  const mine = () => rpc.call(z.array(z.string()), 'generatetoaddress', 1, address);
  const height = async () => z.number().parse(await node.rpc('getblockcount'));

  beforeAll(async () => {
    node = await startRegtestNode();
    address = await node.newAddress();
  });
  afterAll(() => node?.stop());
  beforeEach(async () => {
    proxy = await startFaultProxy({ target_port: Number(node.url.split(':')[1]), protocol: rpcRequests });
    rpc = createRpc({ ...node.login, url: `127.0.0.1:${proxy.port}`, timeout_ms: 500 });
  });
  afterEach(() => proxy.close());

  const lost = { kind: 'unknown', where: 'node' };
  it.each([
    { name: 'cut before delivery', fault: faults.cutBefore, blocks: 0, failure: { ...lost, code: 'ECONNRESET' } },
    { name: 'answer lost', fault: faults.cutAfter, blocks: 1, failure: { ...lost, code: 'ECONNRESET' } },
    { name: 'answer cut short', fault: faults.cutInAnswer(200), blocks: 1, failure: lost },
    { name: 'delivered late', fault: faults.deliveredLate(200), blocks: 1, failure: { ...lost, code: 'ECONNRESET' } },
    { name: 'held until the client gave up', fault: faults.heldUntilGivenUp(0), blocks: 1, failure: { ...lost, code: 'ESOCKETTIMEDOUT' } },
    { name: 'answer later than the client waits', fault: faults.answeredLate(1_000), blocks: 1, failure: { ...lost, code: 'ESOCKETTIMEDOUT' } },
  ])('$name: the node mined $blocks blocks, and the client knows that it does not know', async ({ fault, blocks, failure }) => {
    const before = await height();
    const met = proxy.meet(named('generatetoaddress'), fault);
    await expect(mine()).rejects.toMatchObject(failure);
    expect(await met).toMatchObject({ number: 1, name: 'generatetoaddress' });
    expect(await height()).toBe(before + blocks);
    expect(await mine()).toHaveLength(1);
  });

  it('answers every time to whoever meets no fault, however long the answer is', async () => {
    const [hash] = await node.mine(1);
    const block = await rpc.call(z.unknown(), 'getblock', hash, 2);
    expect(block).toMatchObject({ hash });
    const stop = proxy.meetAll(named('getblockcount'), faults.cutBefore);
    for (let asked = 0; asked < 3; asked += 1) await expect(rpc.call(z.number(), 'getblockcount')).rejects.toMatchObject(lost);
    stop();
    expect(await rpc.call(z.number(), 'getblockcount')).toBe(await height());
  });
});

describe('where a request ends', () => {
  const packet = (sequence: number, payload: Buffer): Buffer => {
    const head = Buffer.alloc(4);
    head.writeUIntLE(payload.length, 0, 3);
    head[3] = sequence;
    return Buffer.concat([head, payload]);
  };
  const queryOf = (sql: string) => Buffer.concat([Buffer.from([3]), Buffer.from(sql)]);

  it('is the same however the bytes arrive', () => {
    const mysql = Buffer.concat([
      packet(1, Buffer.from('log-in')), packet(3, Buffer.from('more of it')), packet(0, queryOf('update `a` set b = 1')),
      packet(0, queryOf('COMMIT;')), packet(0, Buffer.from([1])),
    ]);
    const post = (body: string) => `POST / HTTP/1.1\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    const rpc = Buffer.from(post('{"method":"getblock","params":["é"]}') + post('no json') + post('{"method":"stop"}'));
    const cases = [
      { protocol: mysqlRequests, bytes: mysql, names: ['LOGIN', null, 'UPDATE a', 'COMMIT', 'QUIT'] },
      { protocol: rpcRequests, bytes: rpc, names: ['getblock', '?', 'stop'] },
    ];
    fc.assert(fc.property(fc.constantFrom(...cases), fc.array(fc.nat(60)), ({ protocol, bytes, names }, lengths) => {
      const reader = protocol();
      const pieces = [];
      let at = 0;
      for (const length of [...lengths, bytes.length]) {
        pieces.push(...reader.push(bytes.subarray(at, at + length)));
        at = Math.min(at + length, bytes.length);
      }
      expect(pieces.map(({ request }) => request?.name ?? null)).toEqual(names);
      expect(Buffer.concat(pieces.map((piece) => piece.bytes))).toEqual(bytes);
    }));
  });

  it('comes after the last packet of a statement that is longer than one', () => {
    const long = Buffer.concat([queryOf('INSERT INTO notes VALUES ("'), Buffer.alloc(0xff_ff_ff, 'x')]);
    const bytes = Buffer.concat([packet(0, long.subarray(0, 0xff_ff_ff)), packet(1, long.subarray(0xff_ff_ff))]);
    const pieces = mysqlRequests().push(bytes);
    expect(pieces).toMatchObject([{ request: { name: 'INSERT notes' } }]);
    expect(pieces[0]!.bytes.length).toBe(bytes.length);
  });
});
