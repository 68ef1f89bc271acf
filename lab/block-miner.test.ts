// Blocks whose coinbase proves who found them, on a real node: it must take them at every height and whatever
// else is in them, because the demo and the scenarios stand on that.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { satoshis } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import { mineProvableBlock, type ProvableBlock } from './block-miner.js';
import { poolCoinbaseScript, pushHeight, pushNumber } from './block-miner/script.js';
import { startRegtestNode, type RegtestNode } from './regtest-node.js';
import { createSimulatedCkpool, proofOfBlock } from './simulated-ckpool.js';

const nonces = { enonce1: '0c11006b', nonce2: '2d8ef43f4cdc0000' };

describe('on a real node', () => {
  let regtest: RegtestNode;
  let script: string;
  beforeAll(async () => {
    regtest = await startRegtestNode();
    // A node whose chain is old news gives no template.
    await regtest.mine(1);
    script = (await regtest.node.address(await regtest.newAddress())).script!;
  });
  afterAll(async () => { await regtest.stop(); });

  const mine = (wanted: Partial<ProvableBlock> = {}) => mineProvableBlock(regtest, { script, ...nonces, ...wanted });
  const read = async (hash: Awaited<ReturnType<typeof mine>>['hash']) => (await regtest.node.blockWithCoinbase(hash))!;

  it('each of 20 blocks in a row is taken as the tip and shows nonce, time and extra nonces as they were made', async () => {
    for (let made = 0; made < 20; made += 1) {
      const nonce2 = made.toString(16).padStart(16, '0');
      const block = await mine({ nonce2, first_nonce: made % 2 === 0 ? 0 : 0xffffffff });
      const seen = await read(block.hash);
      expect((await regtest.node.chainInfo()).tip_hash).toBe(block.hash);
      expect(seen).toMatchObject({ height: block.height, nonce: block.nonce, time_seconds: block.ntime, confirmations: 1 });
      expect(seen.coinbase_script).toContain(nonces.enonce1 + nonce2);
      const coinbase = z.object({ hex: z.string() }).parse(await regtest.rpc('getrawtransaction', seen.coinbase_txid, true, block.hash));
      expect(coinbase.hex).toBe(block.coinbase);
    }
  });

  it('pays the whole reward to the script, or the rest of it beside a donation', async () => {
    const donation = { script: `a914${'22'.repeat(20)}87`, amount: satoshis(225_000_123n) };
    expect((await read((await mine()).hash)).coinbase_outputs[0]).toEqual({ index: 0, amount: 5_000_000_000n, script });
    const pays = (await read((await mine({ donation, signature: '/opow pool/' })).hash)).coinbase_outputs;
    expect(pays).toMatchObject([{ script, amount: 4_774_999_877n }, { amount: 0n }, donation]);
    expect((await read((await mine({ donation: { ...donation, amount: satoshis(0n) } })).hash)).coinbase_outputs).toHaveLength(3);
  });

  it('has a header time of the miner\'s choice', async () => {
    const { ntime } = await mine();
    const later = await mine({ ntime: ntime + 1000 });
    expect((await read(later.hash)).time_seconds).toBe(ntime + 1000);
    await expect(mine({ ntime: ntime - 100_000 })).rejects.toThrow(/refuses the block: time-too-old/);
  });

  it('takes up the transactions that wait, an odd and an even number, and their fees', async () => {
    await regtest.mine(101);
    for (const waiting of [1, 2, 5]) {
      for (let sent = 0; sent < waiting; sent += 1) await regtest.rpc('sendtoaddress', await regtest.newAddress(), '0.5');
      const fees = z.record(z.string(), z.object({ fees: z.object({ base: z.number() }) })).parse(await regtest.rpc('getrawmempool', true));
      const fee_sats = Object.values(fees).reduce((sum, { fees: { base } }) => sum + BigInt(Math.round(base * 1e8)), 0n);
      const block = await mine();
      const { tx } = z.object({ tx: z.array(z.string()) }).parse(await regtest.rpc('getblock', block.hash));
      expect(tx).toHaveLength(waiting + 1);
      expect(await regtest.rpc('getrawmempool')).toEqual([]);
      expect((await read(block.hash)).coinbase_outputs[0]!.amount).toBe((5_000_000_000n >> (block.height >= 150 ? 1n : 0n)) + fee_sats);
    }
  });

  it('can be orphaned and stays known, as any block', async () => {
    const block = await mine();
    await regtest.reorg(1, 2);
    expect(await read(block.hash)).toMatchObject({ confirmations: -1, nonce: block.nonce });
    expect((await mine()).height).toBe(block.height + 2);
  });

  it('is taken before and after height 431, where litecoin\'s regtest would begin extension blocks', async () => {
    const { tip_height } = await regtest.node.chainInfo();
    await regtest.mine(429 - tip_height);
    for (let height = 430; height <= 435; height += 1) expect((await mine()).height).toBe(height);
    await regtest.rpc('sendtoaddress', await regtest.newAddress(), '0.5');
    expect((await read((await mine()).hash)).coinbase_script).toContain(nonces.enonce1 + nonces.nonce2);
  });
});

it('a pool on a real node: each solving share, and no other, is proven by its block', async () => {
  const regtest = await startRegtestNode();
  const directory = mkdtempSync(join(tmpdir(), 'block-miner-'));
  try {
    const [hash] = await regtest.mine(1);
    let now_ms = Math.floor(Date.now() / 1000) * 1000;
    const pool = createSimulatedCkpool({ log_directory: directory, now_ms: () => now_ms, seed: 7, tip: { hash: hash!, height: 1 }, share_log: true });
    const workers = ['alice.rig1', 'bob'] as NameBytes[];
    for (const worker of workers) pool.login(worker);
    const { script } = await regtest.node.address(await regtest.newAddress());
    for (let solved = 0; solved < 12; solved += 1) {
      const worker = workers[solved % 2]!;
      for (const other of workers) pool.share(other, 8n);
      const block = await mineProvableBlock(regtest, { script: script!, ...pool.extraNonces(worker) });
      pool.solve(worker, block.height, { hash: block.hash, proof: proofOfBlock(block) });
      const { nonce, time_seconds, coinbase_script } = (await regtest.node.blockWithCoinbase(block.hash))!;
      const folder = join(directory, block.height.toString(16).padStart(8, '0'));
      const lines = readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), 'utf8').trimEnd().split('\n'));
      const proven = lines.map((line) => shareShape.parse(JSON.parse(line))).filter((share) =>
        share.nonce === nonce.toString(16).padStart(8, '0') && share.ntime === time_seconds.toString(16).padStart(8, '0')
        && coinbase_script.includes(share.enonce1 + share.nonce2));
      expect(proven.map(({ workername }) => workername)).toEqual([worker]);
      now_ms += 50;
    }
  } finally {
    await regtest.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});

const shareShape = z.object({ enonce1: z.string(), nonce2: z.string(), nonce: z.string(), ntime: z.string(), workername: z.string() });

describe('the script of a coinbase', () => {
  it('is byte for byte what a real ckpool made of the same parts (block 125 of the recording)', () => {
    const script = poolCoinbaseScript({
      height: 125, made_seconds: 0x6b001164, made_nanoseconds: 0x249eef2c,
      enonce1: '0d11006b', nonce2: '7908c6e882520000', signature: '/opow pool/',
    });
    expect(script).toBe('017d00046411006b042cef9e240c0d11006b7908c6e8825200000a636b706f6f6c0b2f6f706f7720706f6f6c2f');
  });

  it.each([[1, '51'], [16, '60'], [17, '0111'], [127, '017f'], [128, '028000'], [255, '02ff00'], [256, '020001'], [431, '02af01'], [840_000, '0340d10c']])(
    'begins with height %d as consensus wants it', (height, expected) => {
      expect(pushHeight(height).toString('hex')).toBe(expected);
    });

  it('pushes numbers with the least bytes, and nothing longer than consensus allows', () => {
    expect([0, 1, 200, 70_000].map((value) => pushNumber(value).toString('hex'))).toEqual(['00', '0101', '02c800', '03701101']);
    const marks = { height: 840_000, made_seconds: 1, made_nanoseconds: 1, ...nonces };
    expect(() => poolCoinbaseScript({ ...marks, signature: 'x'.repeat(70) })).toThrow(RangeError);
  });
});
