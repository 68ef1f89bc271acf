import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNode } from '../shared/bitcoind/client.js';
import type { WalletNode } from '../shared/bitcoind/node.js';
import { blockHash, blockHeight } from '../shared/units.js';
import { serveRecordedChain, type RecordedNode } from './recorded-node.js';

const chain = join(import.meta.dirname, 'recordings', 'busy', 'chain');
const tip = blockHash('6843222a3d1f26c09b001eb8da05ba2bc26fedb5fb8cf79c905442b5e89fa138');
const stale = blockHash('7052d73589e38943a2c7c4f1a108ab68ba44fdd9f88fd7c6807ed3895bdcfce3');

describe('a recorded chain answers as its node did', () => {
  let recorded: RecordedNode;
  let node: WalletNode;
  beforeAll(async () => {
    recorded = await serveRecordedChain(chain);
    node = createNode(recorded.login);
  });
  afterAll(() => recorded.close());

  it('names chain and tip and is synced', async () => {
    expect(await node.chainInfo()).toEqual({ chain: 'regtest', tip_height: 165, tip_hash: tip, synced: true });
  });

  it('knows every height up to the tip and none above', async () => {
    expect(await node.blockHashAt(blockHeight(165))).toBe(tip);
    expect(await node.blockHashAt(blockHeight(166))).toBeNull();
  });

  it('gives reward outputs to the satoshi', async () => {
    const hash = blockHash('01f9990b8754781ac296653319f25e47ba3ce6f99bb344e8f4b7aa0430b1ef9d');
    const block = await node.blockWithCoinbase(hash);
    expect(block).toMatchObject({ hash, height: 148, confirmations: 18 });
    expect(block?.coinbase_outputs.map(({ amount }) => amount)).toEqual([4_775_000_273n, 0n, 225_000_012n]);
    expect(block?.coinbase_outputs[0]?.script).toBe('00145a90f5bacc9ddb18b011f1df40b10fa4906be867');
  });

  it('shows what proves a block: header nonce, header time and the coinbase script with the extra nonces', async () => {
    const hash = blockHash('61d4f27035a2ce0ad271d2436c4546dc1f82d46b622762aaaddea6e76fdca1c8');
    expect(await node.blockWithCoinbase(hash)).toMatchObject({
      height: 125, nonce: 1020822329, time_seconds: 0x6b00118d,
      coinbase_script: '017d00046411006b042cef9e240c0d11006b7908c6e8825200000a636b706f6f6c0b2f6f706f7720706f6f6c2f',
    });
  });

  it('knows side branches, with confirmations -1', async () => {
    expect(await node.header(stale)).toMatchObject({ height: 152, confirmations: -1 });
    expect((await node.blockWithCoinbase(stale))?.confirmations).toBe(-1);
    expect((await node.chainTips()).filter(({ status }) => status !== 'active')).toHaveLength(4);
  });

  it('does not know other blocks', async () => {
    const other = blockHash('0'.repeat(63) + '1');
    expect(await node.header(other)).toBeNull();
    expect(await node.blockWithCoinbase(other)).toBeNull();
  });

  it('tells addresses from names that are none', async () => {
    expect(await node.address('2MwPzohrVth3d44RpoYvVDBTNiv7CSvzRfC')).toEqual(
      { valid: true, script: 'a9142d893e208b86c38e3aac1f0f2dcabc2f224e1a3087', witness_version: null });
    expect((await node.address('bcrt1q5gkcadwy8g98znepw23e6ehukj67glu52p7ump')).witness_version).toBe(0);
    expect(await node.address('notanaddress')).toEqual({ valid: false, script: null, witness_version: null });
  });

  it('refuses a wrong password', async () => {
    const intruder = createNode({ ...recorded.login, password: 'guess' });
    await expect(intruder.chainInfo()).rejects.toMatchObject({ kind: 'refused', code: 401 });
  });

  it('is unreachable when told so, and comes back on the same port', async () => {
    await recorded.setReachable(false);
    await expect(node.chainInfo()).rejects.toMatchObject({ kind: 'retry', code: 'ECONNREFUSED' });
    await recorded.setReachable(true);
    expect((await node.chainInfo()).tip_hash).toBe(tip);
  });

  it('is not synced while in initial download', async () => {
    recorded.setInitialDownload(true);
    expect((await node.chainInfo()).synced).toBe(false);
    recorded.setInitialDownload(false);
  });

  it('can stand at an earlier tip: later blocks are unknown and confirmations are counted from there', async () => {
    recorded.setTip(150);
    const at_148 = blockHash('01f9990b8754781ac296653319f25e47ba3ce6f99bb344e8f4b7aa0430b1ef9d');
    expect((await node.header(at_148))?.confirmations).toBe(3);
    expect(await node.header(tip)).toBeNull();
    expect(await node.header(stale)).toBeNull();
    recorded.setTip(null);
  });

  it('plays a reorg: a branch that was the tip stays known as a side branch', async () => {
    recorded.setTip(stale);
    expect(await node.chainInfo()).toMatchObject({ tip_height: 152, tip_hash: stale });
    recorded.setTip(153);
    expect(await node.header(stale)).toMatchObject({ confirmations: -1 });
    expect(await node.chainTips()).toEqual([
      expect.objectContaining({ height: 153, status: 'active', branch_length: 0 }),
      { height: 152, hash: stale, status: 'valid-fork', branch_length: 3 },
    ]);
    recorded.setTip(null);
  });

  it('learns of a block that lost the race without ever being the tip', async () => {
    const loser = blockHash('4514c9036ec9f88f7c88bf10a5fda269fcce793f8f9c4da1b6dccff3c0abf90c');
    recorded.setTip(144);
    expect(await node.header(loser)).toBeNull();
    recorded.learn(loser);
    expect(await node.header(loser)).toMatchObject({ height: 144, confirmations: -1 });
    recorded.setTip(null);
  });
});
