import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { createPayablePool, payingStep, payUntilIdle } from '../../lab/payable-pool.js';
import { startRegtestNode, type RegtestNode } from '../../lab/regtest-node.js';
import { sumSatoshis } from '../../shared/amount.js';
import type { Database } from '../../shared/database/database.js';
import { OutsideFailure } from '../../shared/errors.js';
import { satoshis } from '../../shared/units.js';
import { batchById } from '../edges/batch-store.js';
import { minerBalances } from '../edges/ledger-store.js';
import { transactionOf } from '../edges/transaction-store.js';
import { payoutChecks } from './audit.js';
import { payoutRequests } from './requests.js';

let regtest: RegtestNode;
let nobody: string;
beforeAll(async () => {
  regtest = await startRegtestNode({ arguments: ['-persistmempool=0'] });
  nobody = strangerAddress();
});
afterAll(async () => { await regtest.stop(); });

let strangers = 0;
/** P2PKH of Litecoin's or Bitcoin's regtest (version byte 111): nobody has the key. */
function strangerAddress(): string {
  strangers += 1;
  return base58check(Buffer.concat([Buffer.from([111]), Buffer.alloc(16, 7), Buffer.from([0, 0, 0, strangers])]));
}

async function earned(database: Database) {
  const chain = { node: regtest.node, mine: (blocks: number, address: string) => regtest.mine(blocks, address) };
  const pool = await createPayablePool(database, chain, { pool: await regtest.newAddress(), nobody }, { fallback_fee_rate: satoshis(10_000n) });
  const alice = strangerAddress();
  const bob = strangerAddress();
  for (let block = 0; block < 2; block += 1) await pool.earn({ [alice]: 300, [bob]: 101, 'no address': 50 });
  await pool.mature();
  return { ...pool, alice, bob };
}

async function auditFaults(context: Parameters<typeof payUntilIdle>[0]): Promise<string[]> {
  const faults: string[] = [];
  for (const check of payoutChecks) {
    const { ok, detail } = await check.run(context);
    if (!ok) faults.push(`${check.name}: ${detail}`);
  }
  return faults;
}

forEachDatabase('paying on a real node', (open) => {
  it('fault 20: a miner is paid what was earned less the fee, through a forgotten mempool, a repeated send and a reorg (D-1, D-2, D-14)', async () => {
    const { context, alice, bury } = await earned(await open());
    const state = async () => (await batchById(context.database.knex, 1))?.state;
    while ((await payingStep(context)) !== 'prepare');
    const stored = (await transactionOf(context.database.knex, 1))!;

    // The answer to the first send is lost: the node has the transaction, we do not know it.
    const deaf = { ...context, node: { ...context.node, broadcast: async (raw_hex: string) => {
      await context.node.broadcast(raw_hex);
      throw new OutsideFailure('unknown', 'node', 'The answer was lost.');
    } } };
    await expect(payingStep(deaf)).rejects.toMatchObject({ kind: 'unknown' });
    expect(await state()).toBe('prepared');
    expect(await context.node.broadcast(stored.raw_hex)).toEqual({ outcome: 'accepted' });
    expect(await payUntilIdle(context)).toEqual(['broadcast']);

    // The node restarts and forgets its mempool; its wallet does not help.
    await regtest.restart(['-walletbroadcast=0']);
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    await bury(1);
    expect(await payUntilIdle(context)).toEqual(['watch']);
    expect(await state()).toBe('confirmed');

    // A reorg throws it out; it comes back by itself. The new branch is made of blocks without it.
    const first = (await transactionOf(context.database.knex, 1))!.confirmed!;
    await regtest.invalidate(first.hash);
    await regtest.mineOnly([], nobody);
    await regtest.mineOnly([], nobody);
    await regtest.reconsider(first.hash);
    expect((await payUntilIdle(context))[0]).toBe('watch');
    expect(await state()).toBe('broadcast');
    await bury(6);
    await payUntilIdle(context);
    expect(await state()).toBe('final');
    expect((await transactionOf(context.database.knex, 1))!.confirmed!.hash).not.toBe(first.hash);

    const users = await minerBalances(context.database.knex);
    const user = users.find(({ name }) => name === alice)!;
    const { script } = await context.node.address(alice);
    const decoded = await context.node.decode(stored.raw_hex);
    expect(decoded.outputs.find((output) => output.script === script)?.amount).toBe(user.paid_sats);
    expect(sumSatoshis(users.map(({ network_fee_sats }) => network_fee_sats))).toBe(stored.network_fee_sats);
    expect(BigInt(decoded.virtual_size) * 10_000n <= stored.network_fee_sats * 1000n).toBe(true);
    expect(users.find(({ name }) => name === 'no address')?.balance_sats).toBeGreaterThan(0n);
    expect(await context.node.broadcast(stored.raw_hex)).toEqual({ outcome: 'already_in_chain' });

    expect(stored.change).not.toBeNull();
    expect(await auditFaults(context)).toEqual([]);
  });

  it('fault 21: a stranger who spends a coin of a signed batch is found out; the batch is held, then released by a person', async () => {
    const { context, bury } = await earned(await open());
    while ((await payingStep(context)) !== 'prepare');
    const stored = (await transactionOf(context.database.knex, 1))!;
    const coin = stored.inputs[0]!;
    const theft = await context.node.sign(await context.node.createTransaction([coin], [{ address: strangerAddress(), amount: satoshis(coin.amount - 100_000n) }]));
    await regtest.mineOnly([theft], nobody);
    await payUntilIdle(context);
    expect(context.waits.current()[0]?.sentence).toMatch(/was spent by/);
    await bury(6);
    await payUntilIdle(context);
    expect((await batchById(context.database.knex, 1))?.state).toBe('held');
    expect(await auditFaults(context)).toEqual([expect.stringContaining('is no payout of this ledger')]);
    const decision = await payoutRequests['resolve']!(context, {
      id: 1, action: 'resolve', arguments: { incident_id: 1, choice: 'release' }, requested_by: 'test', requested_at: '',
    });
    expect(decision.outcome).toBe('done');
    await context.database.transaction(async (transaction) => {
      await context.lease.fence(transaction);
      await decision.write?.(transaction);
    });
    expect((await batchById(context.database.knex, 1))?.state).toBe('released');
    // The operator's word is recorded: the loss is no secret any more.
    expect(await auditFaults(context)).toEqual([]);
  });
});

function base58check(payload: Buffer): string {
  const twice = createHash('sha256').update(createHash('sha256').update(payload).digest()).digest();
  let value = BigInt(`0x${Buffer.concat([payload, twice.subarray(0, 4)]).toString('hex')}`);
  let text = '';
  for (; value > 0n; value /= 58n) text = `${'123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'[Number(value % 58n)] ?? ''}${text}`;
  return text;
}
