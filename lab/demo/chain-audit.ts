// The demo's own look at the chain, block by block, without anything that the daemons know: what came in at
// the pool's address, what left it and for whom. Naive on purpose.
import { z } from 'zod';
import { parseCoins } from '../../shared/amount.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import type { RegtestNode } from '../regtest-node.js';

export interface ChainAudit {
  /** What the coinbase of each active block pays the pool, by block hash. */
  readonly rewards: ReadonlyMap<string, Satoshis>;
  /** Every transaction that spends a coin of the pool, with the height of its block. */
  readonly spends: ReadonlyMap<string, number>;
  /** What those transactions pay to whom, change left out. */
  readonly paid: ReadonlyMap<string, Satoshis>;
  readonly network_fees: Satoshis;
  /** The pool's coins that are not spent. */
  readonly left: Satoshis;
  readonly tip: number;
}

const outputShape = z.object({
  n: z.number(), value: z.number(),
  scriptPubKey: z.object({ address: z.string().optional(), addresses: z.array(z.string()).optional() }),
});
const blockShape = z.object({
  tx: z.array(
    z.object({
      txid: z.string(),
      vin: z.array(
        z.object({
          coinbase: z.string().optional(),
          txid: z.string().optional(),
          vout: z.number().optional(),
        }),
      ),
      vout: z.array(outputShape),
    }),
  ),
});
/** Before 22.0 a node says `addresses`, since then `address`; neither for what is no address. */
const payeeOf = ({ scriptPubKey: { address, addresses } }: z.infer<typeof outputShape>): string =>
  address ?? addresses?.[0] ?? '';

export async function auditChain(node: Pick<RegtestNode, 'rpc'>, pool_address: string): Promise<ChainAudit> {
  const tip = z.number().parse(await node.rpc('getblockcount'));
  const rewards = new Map<string, Satoshis>();
  const spends = new Map<string, number>();
  const paid = new Map<string, Satoshis>();
  const coins = new Map<string, Satoshis>();
  let network_fees = 0n;
  for (let height = 1; height <= tip; height += 1) {
    const hash = z.string().parse(await node.rpc('getblockhash', height));
    for (const { txid, vin, vout } of blockShape.parse(await node.rpc('getblock', hash, 2)).tx) {
      const spent = vin
        .map((input) => `${input.txid ?? ''}:${input.vout ?? ''}`)
        .filter((coin) => coins.has(coin));
      let balance = 0n;
      for (const coin of spent) {
        balance += coins.get(coin)!;
        coins.delete(coin);
      }
      if (spent.length > 0) spends.set(txid, height);
      for (const output of vout) {
        const amount = parseCoins(output.value);
        const payee = payeeOf(output);
        balance -= amount;
        if (payee === pool_address) coins.set(`${txid}:${output.n}`, amount);
        if (payee === pool_address && vin[0]?.coinbase !== undefined) {
          rewards.set(hash, add(rewards.get(hash), amount));
        }
        if (payee !== pool_address && spent.length > 0) paid.set(payee, add(paid.get(payee), amount));
      }
      if (spent.length > 0) network_fees += balance;
    }
  }
  let left = 0n;
  for (const amount of coins.values()) left += amount;
  return { rewards, spends, paid, network_fees: satoshis(network_fees), left: satoshis(left), tip };
}

const add = (sum: Satoshis | undefined, amount: Satoshis): Satoshis => satoshis((sum ?? 0n) + amount);
