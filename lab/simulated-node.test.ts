// What the simulated node can do beyond the contract that it shares with real ones: faults, and the states that
// a real node is hard to bring into.
import { beforeEach, describe, expect, it } from 'vitest';
import { satoshis } from '../shared/units.js';
import { createSimulatedNode, type SimulatedNode } from './simulated-node.js';

let simulated: SimulatedNode;
let address: string;
beforeEach(() => {
  simulated = createSimulatedNode();
  address = simulated.newAddress();
  simulated.mine(110, address);
});

async function payment() {
  const { node } = simulated;
  const [coin] = await node.walletCoins();
  const raw = await node.createTransaction([coin!], [{ address: simulated.foreignAddress(), amount: satoshis(coin!.amount - 10_000n) }]);
  const signed = await node.sign(raw);
  return { raw, signed, txid: (await node.decode(signed)).txid };
}

describe('faults', () => {
  it('down: nothing happens, and it says so', async () => {
    const { signed, txid } = await payment();
    simulated.conditions.down = true;
    await expect(simulated.node.broadcast(signed)).rejects.toMatchObject({ kind: 'retry' });
    simulated.conditions.down = false;
    expect(await simulated.node.walletTransaction(txid)).toBeNull();
  });

  it.each([['answer_lost', true], ['request_lost', false]] as const)(
    '%s: unknown in both cases, although only one took effect', async (fault, took_effect) => {
      const { signed, txid } = await payment();
      simulated.conditions.faults = (method) => (method === 'broadcast' ? fault : null);
      await expect(simulated.node.broadcast(signed)).rejects.toMatchObject({ kind: 'unknown' });
      simulated.conditions.faults = null;
      expect(await simulated.node.walletTransaction(txid) !== null).toBe(took_effect);
      expect(await simulated.node.broadcast(signed)).toEqual({ outcome: 'accepted' });
    });

  it('a locked wallet signs only while it is unlocked by someone who knows the passphrase', async () => {
    const { raw } = await payment();
    const { node, conditions } = simulated;
    conditions.locked = true;
    await expect(node.sign(raw)).rejects.toMatchObject({ kind: 'retry', code: -13 });
    await expect(node.unlocked(() => node.sign(raw))).rejects.toMatchObject({ code: -13 });
    conditions.passphrase_known = true;
    await node.unlocked(() => node.sign(raw));
    await expect(node.sign(raw)).rejects.toMatchObject({ code: -13 });
  });

  it('in initial download or with headers ahead it is not synced', async () => {
    simulated.conditions.initial_download = true;
    expect((await simulated.node.chainInfo()).synced).toBe(false);
    simulated.conditions.initial_download = false;
    simulated.conditions.headers_ahead = true;
    expect((await simulated.node.chainInfo()).synced).toBe(false);
  });
});

describe('states that are rare in life', () => {
  it('the mempool evicts a payout with all that builds on it: unconfirmed, its coin still reserved, sendable again', async () => {
    const { signed, txid } = await payment();
    await simulated.node.broadcast(signed);
    const { inputs } = await simulated.node.decode(signed);
    simulated.evict(txid);
    expect(await simulated.node.walletTransaction(txid)).toMatchObject({ confirmations: 0, block_hash: null });
    expect(await simulated.node.walletCoins()).not.toContainEqual(expect.objectContaining({ txid: inputs[0]!.txid }));
    expect(await simulated.node.unspentOutput(inputs[0]!.txid, 0)).not.toBeNull();
    expect(simulated.mine(1)).toHaveLength(1);
    expect(await simulated.node.walletTransaction(txid)).toMatchObject({ confirmations: 0 });
    expect(await simulated.node.broadcast(signed)).toEqual({ outcome: 'accepted' });
  });

  it('a restart may forget the mempool, never the wallet', async () => {
    const { signed, txid } = await payment();
    await simulated.node.broadcast(signed);
    simulated.restart({ keep_mempool: false });
    simulated.mine(1);
    expect(await simulated.node.walletTransaction(txid)).toMatchObject({ confirmations: 0 });
    await simulated.node.broadcast(signed);
    simulated.mine(1);
    expect(await simulated.node.walletTransaction(txid)).toMatchObject({ confirmations: 1 });
  });

  it('a coinbase pays whom it is told to, several outputs and foreign ones included', async () => {
    const donation = simulated.foreignAddress('p2sh-segwit');
    const hash = simulated.mineBlock({ pays: [
      { address, amount: satoshis(4_775_000_000n) }, { address: donation, amount: satoshis(225_000_000n) }, { address, amount: satoshis(7n) },
    ] });
    const { script } = await simulated.node.address(address);
    const block = await simulated.node.blockWithCoinbase(hash);
    const ours = block!.coinbase_outputs.filter((output) => output.script === script);
    expect(ours.map(({ amount }) => amount)).toEqual([4_775_000_000n, 7n]);
  });

  it('a block has the coinbase script, nonce and time that its miner says', async () => {
    const said = { coinbase_script: '017a00aabb', nonce: 0xffffffff, time_seconds: 1_795_166_605 };
    const { coinbase_script, nonce, time_seconds } = (await simulated.node.blockWithCoinbase(simulated.mineBlock(said)))!;
    expect({ coinbase_script, nonce, time_seconds }).toEqual(said);
    expect((await simulated.node.blockWithCoinbase(simulated.mineBlock()))?.time_seconds).toBe(said.time_seconds + 600);
  });

  it.each([
    ['a time not above the median of the eleven blocks before', { time_seconds: 1_700_000_000 }],
    ['a nonce of 33 bits', { nonce: 2 ** 32 }], ['a coinbase script of one byte', { coinbase_script: '00' }],
    ['a coinbase script of 101 bytes', { coinbase_script: '00'.repeat(101) }], ['a coinbase script that is no hex', { coinbase_script: 'ckpool' }],
  ])('refuses a block with %s, and nothing has happened', async (_, options) => {
    const { tip_hash } = await simulated.node.chainInfo();
    expect(() => simulated.mineBlock(options)).toThrow(RangeError);
    expect((await simulated.node.chainInfo()).tip_hash).toBe(tip_hash);
  });

  it('two blocks at one height: the first one seen is the tip, the next block decides', async () => {
    const { tip_hash } = await simulated.node.chainInfo();
    const first = simulated.mineBlock({ on: tip_hash });
    const rival = simulated.mineBlock({ on: tip_hash });
    expect((await simulated.node.chainInfo()).tip_hash).toBe(first);
    const next = simulated.mineBlock({ on: rival });
    expect((await simulated.node.chainInfo()).tip_hash).toBe(next);
    expect(await simulated.node.header(first)).toMatchObject({ confirmations: -1 });
  });

  it('of a hidden block only the header is known', async () => {
    const { tip_hash } = await simulated.node.chainInfo();
    const loser = simulated.mineBlock({ on: (await simulated.node.header(tip_hash))!.previous_hash! });
    simulated.hide(loser);
    expect(await simulated.node.header(loser)).toMatchObject({ confirmations: -1 });
    expect(await simulated.node.blockWithCoinbase(loser)).toBeNull();
    expect(await simulated.node.chainTips()).toContainEqual(expect.objectContaining({ hash: loser, status: 'headers-only' }));
  });

  it('a reorg deeper than maturity takes spent rewards out of the world', async () => {
    const { signed, txid } = await payment();
    await simulated.node.broadcast(signed);
    simulated.mine(1);
    simulated.reorg(111, 112, simulated.foreignAddress());
    expect(await simulated.node.walletTransaction(txid)).toMatchObject({ confirmations: 0, block_hash: null });
    expect(await simulated.node.broadcast(signed)).toEqual({ outcome: 'inputs_missing' });
    expect(await simulated.node.walletCoins()).toEqual([]);
  });
});

it('the same moves give the same hashes', async () => {
  const run = async () => {
    const again = createSimulatedNode('twin');
    again.mine(105, again.newAddress());
    again.reorg(3);
    return (await again.node.chainInfo()).tip_hash;
  };
  expect(await run()).toBe(await run());
  expect(simulated.mine(200)).toHaveLength(200);
});
