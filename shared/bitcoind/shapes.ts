// Of every answer of the node the fields that we use, and no others: the rest changes name and type between
// versions (`warnings` is a string up to 27 and a list from 28 on, `addresses` went away in 22). Amounts
// arrive as a number or, when the literal is long, as a string; `coins` is the one place that reads them.
import { z } from 'zod';
import { parseCoins } from '../amount.js';
import { blockHash, blockHeight, isBlockHeight, satoshis, transactionId, type Satoshis } from '../units.js';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/);
const count = z.number().int();

export const hashText = hash.transform(blockHash);
export const txidText = hash.transform(transactionId);
export const heightNumber = z.number().refine(isBlockHeight).transform(blockHeight);
export const hexText = hex;
export const anything = z.unknown();

/** An amount in coin, exact: no float is ever calculated with. */
const coins = z.union([z.string(), z.number()]).transform((value, context): Satoshis => {
  try {
    return parseCoins(value);
  } catch {
    context.addIssue({ code: 'custom', message: 'not an amount in coin' });
    return satoshis(0n);
  }
});

export const chainInfoShape = z.object({
  chain: z.string(),
  initialblockdownload: z.boolean(),
  blocks: heightNumber.optional(),
  headers: count.optional(),
  bestblockhash: hashText.optional(),
});

export const headerShape = z.object({
  hash: hashText,
  height: heightNumber,
  confirmations: count,
  time: count,
  previousblockhash: hashText.optional(),
});

const outputShape = z.object({ value: coins, n: count, scriptPubKey: z.object({ hex }) });

const coinbaseShape = z.object({
  txid: txidText, vin: z.tuple([z.object({ coinbase: hex })]), vout: z.array(outputShape),
});

/** Verbosity 2. Only the coinbase is looked into; it stands first. */
export const blockShape = headerShape.extend({
  nonce: z.number().int().min(0).max(0xffffffff),
  tx: z.tuple([coinbaseShape], z.unknown()),
});

export const chainTipsShape = z.array(z.object({
  height: heightNumber, hash: hashText, branchlen: count, status: z.string(),
}));

export const addressShape = z.object({
  isvalid: z.boolean(), scriptPubKey: hex.optional(), witness_version: count.optional(),
});
export const addressInfoShape = z.object({ ismine: z.boolean() });

export const unspentOutputShape = z.object({
  value: coins, confirmations: count, coinbase: z.boolean(), scriptPubKey: z.object({ hex }),
}).nullable();

export const walletCoinsShape = z.array(z.object({
  txid: txidText, vout: count, amount: coins, scriptPubKey: hex, confirmations: count,
}));

export const signedShape = z.object({
  hex, complete: z.boolean(), errors: z.array(z.object({ error: z.string() })).optional(),
});

export const decodedShape = z.object({
  txid: txidText,
  vsize: count,
  weight: count,
  vin: z.array(z.object({ txid: txidText, vout: count })),
  vout: z.array(outputShape),
});

export const walletTransactionShape = z.object({
  txid: txidText, confirmations: count, blockhash: hashText.optional(), hex,
});

export const feeEstimateShape = z.object({ feerate: coins.optional() });
export const relayFeeShape = z.object({ relayfee: coins });
export const mempoolFeeShape = z.object({ mempoolminfee: coins });

export const balancesShape = z.object({
  mine: z.object({ trusted: coins, untrusted_pending: coins, immature: coins }),
});

export const sinceBlockShape = z.object({
  transactions: z.array(z.object({ category: z.string(), txid: txidText.optional() })),
});

/** `value`, `n` and the script, in our words. */
export function toOutput(output: z.infer<typeof outputShape>) {
  return { index: output.n, amount: output.value, script: output.scriptPubKey.hex };
}
