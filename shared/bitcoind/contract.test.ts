// One body of promises, held by a real node and by the simulated one: what the daemons are tested with must
// not be kinder than what they will meet. The cases marked (fact N) are the numbered facts of wallet and node
// on which the payout protocol rests.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { mineProvableBlock } from '../../lab/block-miner.js';
import { startRegtestNode, type RegtestNode } from '../../lab/regtest-node.js';
import { createSimulatedNode } from '../../lab/simulated-node.js';
import { blockHash, blockHeight, satoshis, transactionId, type BlockHash, type Satoshis } from '../units.js';
import type { UnspentOutput, WalletNode } from './node.js';

type AddressKind = 'bech32' | 'legacy' | 'p2sh-segwit' | 'witness-1' | 'witness-2';
type Soon<T> = T | Promise<T>;

interface Lab {
  readonly node: WalletNode;
  mine(blocks: number, address?: string): Soon<BlockHash[]>;
  mineOnly(transactions: readonly string[]): Soon<BlockHash>;
  /** A block whose coinbase carries these bytes (hex), and what its miner says of its header. */
  mineMarked(marks: { script: string; enonce1: string; nonce2: string }): Soon<{ hash: BlockHash; nonce: number; ntime: number }>;
  invalidate(hash: BlockHash): Soon<void>;
  reconsider(hash: BlockHash): Soon<void>;
  reorg(depth: number, length: number): Soon<BlockHash[]>;
  newAddress(type?: 'bech32' | 'legacy' | 'p2sh-segwit'): Soon<string>;
  foreignAddress(type?: AddressKind): Soon<string>;
  restart(): Soon<void>;
  stop(): Soon<void>;
}

async function realLab(): Promise<Lab> {
  const regtest = await startRegtestNode();
  let foreign = 0;
  return {
    ...regtest,
    mineOnly: (transactions) => regtest.mineOnly(transactions),
    mineMarked: (marks) => mineProvableBlock(regtest, marks),
    foreignAddress: (type = 'bech32') => addressOfScript(regtest, foreignScript(type, ++foreign)),
    restart: () => regtest.restart(),
  };
}

function foreignScript(type: AddressKind, number: number): string {
  const short = number.toString(16).padStart(40, 'f');
  const long = number.toString(16).padStart(64, '7');
  const scripts = { 'bech32': `0014${short}`, 'legacy': `76a914${short}88ac`, 'p2sh-segwit': `a914${short}87`, 'witness-1': `5120${long}`, 'witness-2': `5220${long}` };
  return scripts[type];
}

async function addressOfScript(regtest: RegtestNode, script: string): Promise<string> {
  const shape = z.object({ address: z.string().optional(), addresses: z.array(z.string()).optional() });
  const { address, addresses } = shape.parse(await regtest.rpc('decodescript', script));
  return address ?? addresses?.[0] ?? expect.fail(`no address for ${script}`);
}

function simulatedLab(): Lab {
  const simulated = createSimulatedNode();
  return {
    ...simulated,
    mineOnly: (transactions) => simulated.mineBlock({ transactions }),
    mineMarked: ({ enonce1, nonce2 }) => {
      const header = { nonce: 0xdeadbeef, time_seconds: 1_800_000_000 };
      const hash = simulated.mineBlock({ ...header, coinbase_script: `0200020c${enonce1}${nonce2}` });
      return { hash, nonce: header.nonce, ntime: header.time_seconds };
    },
    restart: () => { simulated.restart(); },
    stop: () => undefined,
  };
}

const nowhere = blockHash('0'.repeat(63) + '1');
const nothing = transactionId('0'.repeat(63) + '1');
const fee = 10_000n;

describe.each([
  { name: 'the simulated node', start: simulatedLab },
  { name: 'a real node in regtest', start: realLab },
])('$name', ({ start }) => {
  let lab: Lab;
  let node: WalletNode;
  beforeAll(async () => {
    lab = await start();
    node = lab.node;
    await lab.mine(110, await lab.newAddress());
  });
  afterAll(async () => { await lab.stop(); });

  const tip = async () => (await node.chainInfo()).tip_hash;
  const anyCoin = async (): Promise<UnspentOutput> => {
    const coin = (await node.walletCoins()).find(({ coinbase }) => coinbase);
    return coin ?? expect.fail('the wallet has no mature coin');
  };
  /** A signed transaction that gives the whole coin, less the fee, to one address. */
  const spend = async (coin: UnspentOutput, address: string, fee_sats: bigint = fee) => {
    const raw = await node.createTransaction([coin], [{ address, amount: satoshis(coin.amount - fee_sats) }]);
    const signed = await node.sign(raw);
    return { raw, signed, txid: (await node.decode(signed)).txid };
  };

  describe('the chain', () => {
    it('is synced and names its tip', async () => {
      const info = await node.chainInfo();
      expect(info).toMatchObject({ chain: 'regtest', synced: true });
      expect(await node.blockHashAt(info.tip_height)).toBe(info.tip_hash);
      expect(await node.blockHashAt(blockHeight(info.tip_height + 1))).toBeNull();
    });

    it('counts the tip as one confirmation, and genesis has no parent', async () => {
      const genesis = await node.header((await node.blockHashAt(blockHeight(0)))!);
      expect(genesis).toMatchObject({ height: 0, previous_hash: null });
      expect(await node.header(await tip())).toMatchObject({ confirmations: 1 });
    });

    it('shows what a coinbase pays, to the satoshi and by script', async () => {
      const address = await lab.foreignAddress('legacy');
      const [hash] = await lab.mine(1, address);
      const block = await node.blockWithCoinbase(hash!);
      const { script } = await node.address(address);
      expect(block).toMatchObject({ hash, confirmations: 1 });
      const rewards = block!.coinbase_outputs.filter((output) => output.script === script);
      expect(rewards).toEqual([{ index: 0, amount: 5_000_000_000n, script }]);
      const coin = await node.unspentOutput(block!.coinbase_txid, 0);
      expect(coin).toMatchObject({ coinbase: true, amount: 5_000_000_000n, confirmations: 1, script });
    });

    it('shows what its miner wrote into a block: header nonce and time, and the script of the coinbase, in hex', async () => {
      const { script } = await node.address(await lab.foreignAddress());
      const marks = { script: script!, enonce1: '0c11006b', nonce2: 'dc8df43f4cdc0000' };
      const { hash, nonce, ntime } = await lab.mineMarked(marks);
      const block = (await node.blockWithCoinbase(hash))!;
      expect(block).toMatchObject({ hash, nonce, time_seconds: ntime, confirmations: 1 });
      expect(block.coinbase_script).toMatch(/^(?:[0-9a-f]{2}){2,100}$/);
      expect(block.coinbase_script).toContain(marks.enonce1 + marks.nonce2);
    });

    it('gives every block a coinbase script and a nonce of 32 bits', async () => {
      for (const hash of await lab.mine(5)) {
        const { coinbase_script, nonce } = (await node.blockWithCoinbase(hash))!;
        expect(coinbase_script).toMatch(/^(?:[0-9a-f]{2}){2,100}$/);
        expect(nonce).toBeGreaterThanOrEqual(0);
        expect(nonce).toBeLessThan(2 ** 32);
      }
    });

    it('does not know a block that nobody mined', async () => {
      expect(await node.header(nowhere)).toBeNull();
      expect(await node.blockWithCoinbase(nowhere)).toBeNull();
    });

    it('still answers for blocks that a reorg left behind, with confirmations -1: presence is no proof', async () => {
      const old = await lab.mine(2);
      const { tip_height } = await node.chainInfo();
      const fresh = await lab.reorg(2, 3);
      expect(await node.chainInfo()).toMatchObject({ tip_height: tip_height + 1, tip_hash: fresh[2] });
      expect(await node.blockHashAt(tip_height)).toBe(fresh[1]);
      for (const hash of old) {
        expect(await node.header(hash)).toMatchObject({ confirmations: -1 });
        expect(await node.blockWithCoinbase(hash)).toMatchObject({ hash, confirmations: -1 });
      }
      const tips = await node.chainTips();
      expect(tips).toContainEqual({ height: tip_height + 1, hash: fresh[2], branch_length: 0, status: 'active' });
      expect(tips).toContainEqual({ height: tip_height, hash: old[1], branch_length: 2, status: 'valid-fork' });
    });

    it('brings an orphaned block back when its branch becomes the longest again', async () => {
      const [first] = await lab.mine(1);
      const [rival] = await lab.reorg(1, 2);
      expect((await node.header(first!))?.confirmations).toBe(-1);
      await lab.invalidate(rival!);
      expect(await node.header(first!)).toMatchObject({ confirmations: 1 });
      expect(await node.chainTips()).toContainEqual(expect.objectContaining({ status: 'invalid', branch_length: 2 }));
      await lab.reconsider(rival!);
      expect((await node.header(first!))?.confirmations).toBe(-1);
    });
  });

  describe('addresses', () => {
    it.each([
      ['bech32', /^0014[0-9a-f]{40}$/, 0], ['legacy', /^76a914[0-9a-f]{40}88ac$/, null],
      ['p2sh-segwit', /^a914[0-9a-f]{40}87$/, null],
    ] as const)('%s is valid and has its script', async (type, script, witness_version) => {
      expect(await node.address(await lab.newAddress(type))).toEqual({ valid: true, script: expect.stringMatching(script), witness_version });
      expect((await node.address(await lab.foreignAddress(type))).valid).toBe(true);
    });

    it.each([['witness-1', 1], ['witness-2', 2]] as const)('%s shows its version, so that it can be quarantined', async (type, version) => {
      const address = await lab.foreignAddress(type);
      expect(await node.address(address)).toMatchObject({ valid: true, witness_version: version });
    });

    it('takes bech32 in upper case for the same script, but legacy addresses by their exact case', async () => {
      const bech32 = await lab.newAddress('bech32');
      expect(await node.address(bech32.toUpperCase())).toEqual(await node.address(bech32));
      const mixed = bech32.slice(0, 3).toUpperCase() + bech32.slice(3);
      expect((await node.address(mixed)).valid).toBe(false);
      expect((await node.address((await lab.newAddress('legacy')).toUpperCase())).valid).toBe(false);
    });

    it.each([
      '', ' ', 'notanaddress', '1BoatSLRHtKNngkdXEeobR76b53LETtpyT', 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq',
      'bcrt1q3c90n7qwlxtrndzzl7fuxu4zrdw3p9txy7x0qh', '__proto__', '../../etc/passwd', '\u0000', '\n', '\u00ff\u00fe', '%s%n', '"', 'a'.repeat(300),
    ])('%j is invalid here: an answer, not a failure', async (name) => {
      expect(await node.address(name)).toEqual({ valid: false, script: null, witness_version: null });
      expect(await node.isMine(name)).toBe(false);
    });

    it('tells own addresses from others', async () => {
      expect(await node.isMine(await lab.newAddress('legacy'))).toBe(true);
      expect(await node.isMine(await lab.newAddress('bech32'))).toBe(true);
      expect(await node.isMine(await lab.foreignAddress())).toBe(false);
    });
  });

  describe('paying', () => {
    it('builds what was planned: order, amounts to the satoshi, and a txid that signing does not change', async () => {
      const coin = await anyCoin();
      const outputs = await Promise.all(([1000n, 12_345_678n, 100_000_001n] as Satoshis[]).map(async (amount, index) =>
        ({ address: await lab.foreignAddress(index === 1 ? 'legacy' : 'bech32'), amount })));
      const raw = await node.createTransaction([coin], outputs);
      const signed = await node.decode(await node.sign(raw));
      expect(signed.txid).toBe((await node.decode(raw)).txid);
      expect(signed.inputs).toEqual([{ txid: coin.txid, index: coin.index }]);
      const scripts = await Promise.all(outputs.map(async ({ address }) => (await node.address(address)).script));
      expect(signed.outputs).toEqual(outputs.map(({ amount }, index) => ({ index, amount, script: scripts[index] })));
      expect(signed.virtual_size).toBeGreaterThan(150);
      expect(signed.weight).toBeLessThanOrEqual(signed.virtual_size * 4);
    });

    it('fault 19: sent twice is sent once; confirmed it is already in the chain; spent on, its inputs are missing (fact 3)', async () => {
      const coin = await anyCoin();
      const payment = await spend(coin, await lab.newAddress());
      expect(await node.broadcast(payment.signed)).toEqual({ outcome: 'accepted' });
      expect(await node.broadcast(payment.signed)).toEqual({ outcome: 'accepted' });
      expect(await node.walletTransaction(payment.txid)).toMatchObject({ confirmations: 0, block_hash: null, raw_hex: payment.signed });

      const [hash] = await lab.mine(1);
      expect(await node.broadcast(payment.signed)).toEqual({ outcome: 'already_in_chain' });
      expect(await node.walletTransaction(payment.txid)).toMatchObject({ confirmations: 1, block_hash: hash });

      const paid = await node.unspentOutput(payment.txid, 0);
      expect(paid).toMatchObject({ amount: coin.amount - fee, confirmations: 1, coinbase: false });
      const onward = await spend(paid!, await lab.foreignAddress());
      expect(await node.broadcast(onward.signed)).toEqual({ outcome: 'accepted' });
      await lab.mine(1);
      expect(await node.broadcast(payment.signed)).toEqual({ outcome: 'inputs_missing' });
      expect(await node.walletTransaction(payment.txid)).toMatchObject({ confirmations: 2, block_hash: hash });
    });

    it('shows a coin as spent with the mempool and unspent without, until it is mined', async () => {
      const coin = await anyCoin();
      const payment = await spend(coin, await lab.newAddress());
      expect(await node.unspentOutput(coin.txid, coin.index)).toMatchObject({ amount: coin.amount });
      await node.broadcast(payment.signed);
      expect(await node.unspentOutput(coin.txid, coin.index)).toBeNull();
      expect(await node.unspentOutput(coin.txid, coin.index, false)).toMatchObject({ coinbase: true, amount: coin.amount });
      expect(await node.unspentOutput(payment.txid, 0)).toMatchObject({ confirmations: 0, amount: coin.amount - fee });
      expect(await node.unspentOutput(payment.txid, 0, false)).toBeNull();
      expect(await node.walletCoins()).toContainEqual(expect.objectContaining({ txid: payment.txid, confirmations: 0, coinbase: false }));
      await lab.mine(1);
      expect(await node.unspentOutput(coin.txid, coin.index, false)).toBeNull();
      expect(await node.unspentOutput(payment.txid, 7)).toBeNull();
      expect(await node.unspentOutput(nothing, 0)).toBeNull();
    });

    it('fault 22: a prepared transaction reserves nothing in the node, before and after a restart (fact 4)', async () => {
      const coin = await anyCoin();
      const prepared = await spend(coin, await lab.foreignAddress());
      const own = expect.objectContaining({ txid: coin.txid, index: coin.index });
      expect(await node.walletCoins()).toContainEqual(own);
      expect(await node.walletTransaction(prepared.txid)).toBeNull();
      await lab.restart();
      expect(await node.walletCoins()).toContainEqual(own);
      expect(await node.broadcast(prepared.signed)).toEqual({ outcome: 'accepted' });
      await lab.restart();
      expect(await node.broadcast(prepared.signed)).toEqual({ outcome: 'accepted' });
      await lab.mine(1);
      expect(await node.walletTransaction(prepared.txid)).toMatchObject({ confirmations: 1 });
    });

    it('two transactions over one coin: the second is refused, and the loser is shown as conflicted by depth', async () => {
      const coin = await anyCoin();
      const first = await spend(coin, await lab.foreignAddress());
      const second = await spend(coin, await lab.foreignAddress());
      expect(await node.broadcast(first.signed)).toEqual({ outcome: 'accepted' });
      expect(await node.broadcast(second.signed)).toMatchObject({ outcome: 'rejected', reason: expect.stringMatching(/conflict|replacement/) });
      const block = await lab.mineOnly([second.signed]);
      expect(await node.walletTransaction(first.txid)).toMatchObject({ confirmations: -1, block_hash: null });
      expect(await node.walletTransaction(second.txid)).toMatchObject({ confirmations: 1, block_hash: block });
      expect(await node.broadcast(first.signed)).toEqual({ outcome: 'inputs_missing' });
      await lab.mine(2);
      expect(await node.walletTransaction(first.txid)).toMatchObject({ confirmations: -3 });
    });

    it('a reorg takes a payout out of its block and the next block takes it up again', async () => {
      const payment = await spend(await anyCoin(), await lab.foreignAddress());
      await node.broadcast(payment.signed);
      const [first] = await lab.mine(1);
      expect(await node.walletTransaction(payment.txid)).toMatchObject({ confirmations: 1, block_hash: first });
      await lab.invalidate(first!);
      expect(await node.walletTransaction(payment.txid)).toMatchObject({ confirmations: 0, block_hash: null });
      expect(await node.broadcast(payment.signed)).toEqual({ outcome: 'accepted' });
      const blocks = await lab.mine(2);
      await lab.reconsider(first!);
      expect(await node.walletTransaction(payment.txid)).toMatchObject({ confirmations: 2, block_hash: blocks[0] });
    });

    it('refuses what consensus or policy forbids, with a reason', async () => {
      const coin = await anyCoin();
      const address = await lab.foreignAddress();
      const too_much = await spend(coin, address, -1n);
      expect(await node.broadcast(too_much.signed)).toMatchObject({ outcome: 'rejected', reason: expect.stringContaining('in-belowout') });
      const no_fee = await spend(coin, address, 0n);
      expect(await node.broadcast(no_fee.signed)).toMatchObject({ outcome: 'rejected', reason: expect.stringContaining('fee') });
      const fee_too_high = await spend(coin, address, 4_000_000_000n);
      expect(await node.broadcast(fee_too_high.signed)).toMatchObject({ outcome: 'rejected', reason: expect.stringMatching(/fee/i) });
      const dust = await spend(coin, address, coin.amount - 200n);
      expect(await node.broadcast(dust.signed)).toMatchObject({ outcome: 'rejected', reason: 'dust' });
      const unsigned = await spend(coin, address);
      expect(await node.broadcast(unsigned.raw)).toMatchObject({ outcome: 'rejected', reason: expect.stringContaining('script') });
      expect(await node.broadcast('00')).toMatchObject({ outcome: 'rejected' });
      expect(await node.walletCoins()).toContainEqual(expect.objectContaining({ txid: coin.txid }));
    });

    it('refuses two outputs to one address, and to none (fact 8)', async () => {
      const coin = await anyCoin();
      const address = await lab.foreignAddress();
      const amount = satoshis(100_000n);
      await expect(node.createTransaction([coin], [{ address, amount }, { address, amount }])).rejects.toMatchObject({ kind: 'refused', code: -8 });
      await expect(node.createTransaction([coin], [{ address: 'nobody', amount }])).rejects.toMatchObject({ kind: 'refused', code: -5 });
    });

    it('does not sign for coins that are not in the wallet', async () => {
      const raw = await node.createTransaction([{ txid: nothing, index: 0 }], [{ address: await lab.foreignAddress(), amount: satoshis(100_000n) }]);
      await expect(node.sign(raw)).rejects.toMatchObject({ kind: 'refused', code: 'incomplete' });
      await expect(node.decode('00ff')).rejects.toMatchObject({ kind: 'refused', code: -22 });
    });

    it('a wallet without passphrase needs no unlocking', async () => {
      expect(await node.unlocked(async () => 'done')).toBe('done');
    });
  });

  describe('the wallet', () => {
    it('a coinbase can be spent at 100 confirmations and the wallet offers it at 101, not before (fact 7)', async () => {
      const address = await lab.newAddress();
      const [hash] = await lab.mine(1, address);
      const { coinbase_txid } = (await node.blockWithCoinbase(hash!))!;
      const offered = async () => (await node.walletCoins()).some(({ txid }) => txid === coinbase_txid);
      await lab.mine(98, await lab.foreignAddress());
      const coin = (await node.unspentOutput(coinbase_txid, 0))!;
      expect(coin.confirmations).toBe(99);
      const early = await spend(coin, await lab.foreignAddress());
      expect(await node.broadcast(early.signed)).toMatchObject({ outcome: 'rejected', reason: expect.stringContaining('premature') });
      await lab.mine(1, await lab.foreignAddress());
      expect(await offered()).toBe(false);
      await lab.mine(1, await lab.foreignAddress());
      expect(await offered()).toBe(true);
      const listed = (await node.walletCoins()).find(({ txid }) => txid === coinbase_txid);
      expect(listed).toEqual({ ...coin, confirmations: 101 });
    });

    it('balances tell mature from immature', async () => {
      await lab.mine(1, await lab.foreignAddress());
      const before = await node.balances();
      const offered = (await node.walletCoins()).reduce((sum, { amount }) => sum + amount, 0n);
      expect(before.trusted).toBe(offered);
      const [hash] = await lab.mine(1, await lab.newAddress());
      const reward = (await node.blockWithCoinbase(hash!))!.coinbase_outputs[0]!.amount;
      const after = await node.balances();
      expect(after.untrusted_pending).toBe(0n);
      expect(after.trusted + after.immature).toBeGreaterThanOrEqual(before.trusted + reward);
    });

    it('lists every transaction that spends its coins, also only those since a block', async () => {
      const since = await tip();
      const payment = await spend(await anyCoin(), await lab.foreignAddress());
      await node.broadcast(payment.signed);
      expect(await node.walletSpends(since)).toEqual([{ txid: payment.txid, confirmations: 0, block_hash: null, raw_hex: payment.signed }]);
      const [hash] = await lab.mine(1);
      expect(await node.walletSpends(since)).toEqual([{ txid: payment.txid, confirmations: 1, block_hash: hash, raw_hex: payment.signed }]);
      expect(await node.walletSpends(hash!)).toEqual([]);
      const all = await node.walletSpends(null);
      expect(all.map(({ txid }) => txid)).toContain(payment.txid);
      expect(all.length).toBeGreaterThan(1);
      await expect(node.walletSpends(nowhere)).rejects.toMatchObject({ kind: 'refused', code: -5 });
    });

    it('does not know a transaction that it has nothing to do with', async () => {
      expect(await node.walletTransaction(nothing)).toBeNull();
    });

    it('on a quiet chain the fee estimator is silent; there is always a least rate for relay', async () => {
      expect(await node.feeRate(6)).toBeNull();
      expect(await node.relayFeeRate()).toBeGreaterThanOrEqual(1000n);
    });
  });
});
