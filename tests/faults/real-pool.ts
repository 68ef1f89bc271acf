// A pool on a real node for faults of node and wallet: facts as accounting would have written them, payments' own
// moves one by one, an embedded database in memory. One by one, because a fault must strike between two of them;
// the daemon as a process meets the same faults in the tests beside this one. Miners' addresses are a second wallet's.
import { z } from 'zod';
import { createPayablePool, payingStep, type PayablePool } from '../../lab/payable-pool.js';
import { startRegtestNode, type AddressType, type RegtestNode } from '../../lab/regtest-node.js';
import { createNode, type NodeLogin } from '../../shared/bitcoind/client.js';
import type { WalletNode } from '../../shared/bitcoind/node.js';
import { createRpc, type Rpc } from '../../shared/bitcoind/rpc.js';
import type { Config } from '../../shared/config.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { migrate } from '../../shared/database/migrate.js';
import { satoshis, transactionId, type BlockHash, type Satoshis } from '../../shared/units.js';
import type { PaymentsContext } from '../../payments/context.js';
import { batchById } from '../../payments/edges/batch-store.js';
import { minerBalances } from '../../payments/edges/ledger-store.js';
import { payoutRequests } from '../../payments/paying/requests.js';

export interface RealNode {
  readonly regtest: RegtestNode;
  readonly login: NodeLogin;
  readonly node: WalletNode;
  readonly pool_wallet: Rpc;
  readonly miners_wallet: Rpc;
  /** Of the pool's wallet. */
  newAddress(): Promise<string>;
  minerAddress(type?: AddressType): Promise<string>;
  mine(blocks: number, address: string): Promise<BlockHash[]>;
  /** Ends in order and starts again with these arguments, both wallets loaded. */
  restart(more_arguments?: readonly string[]): Promise<void>;
}

export interface RealPool extends PayablePool {
  readonly real: RealNode;
  readonly alice: string;
  readonly bob: string;
  readonly nobody: string;
  readonly database: Database;
}

const text = z.string();
const miners = 'miners';

export async function startRealNode(more_arguments: readonly string[] = []): Promise<RealNode> {
  const regtest = await startRegtestNode({ arguments: more_arguments });
  await regtest.rpc('createwallet', miners);
  const login: NodeLogin = { ...regtest.login, wallet: 'pool' };
  const pool_wallet = createRpc(login);
  const miners_wallet = createRpc({ ...regtest.login, wallet: miners });
  return {
    regtest, login, pool_wallet, miners_wallet,
    node: createNode(login),
    newAddress: () => pool_wallet.call(text, 'getnewaddress', '', 'bech32'),
    minerAddress: (type = 'bech32') => miners_wallet.call(text, 'getnewaddress', '', type),
    mine: (blocks, address) => regtest.mine(blocks, address),
    restart: async (arguments_) => {
      await regtest.restart(arguments_);
      const loaded = z.array(text).parse(await regtest.rpc('listwallets'));
      for (const name of ['pool', miners]) if (!loaded.includes(name)) await regtest.rpc('loadwallet', name);
    },
  };
}

/** A pool that has found nothing yet. Its database is closed by the caller. */
export async function openRealPool(real: RealNode, change: Partial<Config> = {}, pool_address?: string): Promise<RealPool> {
  const database = await connect({ engine: 'sqlite', file: ':memory:' });
  await migrate(database);
  const nobody = await real.minerAddress();
  const made = await createPayablePool(database, real, { pool: pool_address ?? await real.newAddress(), nobody }, {
    fallback_fee_rate: satoshis(10_000n), ...change,
  });
  return { ...made, real, nobody, database, alice: await real.minerAddress(), bob: await real.minerAddress('legacy') };
}

/** Alice and Bob have earned two blocks, three to one; both are settled, nothing is planned. */
export async function openEarnedPool(real: RealNode, change: Partial<Config> = {}): Promise<RealPool> {
  const pool = await openRealPool(real, change);
  for (let block = 0; block < 2; block += 1) await pool.earn({ [pool.alice]: 300, [pool.bob]: 100 });
  await pool.mature();
  return pool;
}

export async function untilMove(context: PaymentsContext, name: string): Promise<void> {
  const done: string[] = [];
  while (done.at(-1) !== name) {
    done.push(await payingStep(context));
    if (done.length > 20) throw new Error(`paying never came to ${name}: ${done.join(', ')}`);
  }
}

export const stateOf = async ({ database }: Pick<RealPool, 'database'>, batch_id = 1): Promise<string | undefined> =>
  (await batchById(database.knex, batch_id))?.state;

/** What blocks have paid to an address, whoever paid. */
export async function receivedOnChain({ miners_wallet }: RealNode, address: string): Promise<Satoshis> {
  const coins = await miners_wallet.call(z.number(), 'getreceivedbyaddress', address, 1);
  return satoshis(BigInt(Math.round(coins * 1e8)));
}

/** Confirmed transactions of the pool's wallet that spend its coins, all batches together. */
export async function spendsSince(real: RealNode, since: BlockHash | null): Promise<readonly string[]> {
  return (await real.node.walletSpends(since)).filter(({ confirmations }) => confirmations > 0).map(({ txid }) => txid);
}

/** Nobody got more on the chain than was earned, and everything earned is somewhere. */
export async function overpaid({ real, database }: RealPool): Promise<readonly string[]> {
  const found: string[] = [];
  for (const user of await minerBalances(database.knex)) {
    const { earned_sats, paid_sats, network_fee_sats, reserved_sats, balance_sats } = user;
    if (earned_sats !== paid_sats + network_fee_sats + reserved_sats + balance_sats) found.push(`${user.name} does not add up`);
    if ((await receivedOnChain(real, user.name)) > earned_sats) found.push(`${user.name} got more than was earned`);
  }
  return found;
}

/** An operator's word, as the daemon acts on it. Returns the outcome and its sentence. */
export async function say(context: RealPool['context'], incident_id: number, choice: string): Promise<{ outcome: string; detail: string }> {
  const decision = await payoutRequests['resolve']!(context, {
    id: 1, action: 'resolve', arguments: { incident_id, choice }, requested_by: 'test', requested_at: '',
  });
  if (decision.write) {
    await context.database.transaction(async (transaction) => {
      await context.lease.fence(transaction);
      await decision.write?.(transaction);
    });
  }
  return { outcome: decision.outcome, detail: decision.detail };
}

/** A signed transaction of one wallet that gives all of one output away, less a fee. */
export async function signedSpend(
  wallet: Rpc, coin: { readonly txid: string; readonly index: number; readonly amount: bigint }, address: string,
): Promise<{ raw_hex: string; txid: string }> {
  const amount = coin.amount - 100_000n;
  const outputs = [{ [address]: `${amount / 100_000_000n}.${(amount % 100_000_000n).toString().padStart(8, '0')}` }];
  const raw = await wallet.call(text, 'createrawtransaction', [{ txid: coin.txid, vout: coin.index }], outputs);
  const { hex } = await wallet.call(z.object({ hex: text, complete: z.literal(true) }), 'signrawtransactionwithwallet', raw);
  const { txid } = await wallet.call(z.object({ txid: text }), 'decoderawtransaction', hex);
  return { raw_hex: hex, txid: transactionId(txid) };
}
