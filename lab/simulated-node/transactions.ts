// Transactions of the simulated network. The raw form is hex as of a real one, but of JSON text; the
// transaction id leaves the signature out, as segwit does, so that it does not change by signing.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { satoshis, transactionId, type Satoshis, type TransactionId } from '../../shared/units.js';

export interface Outpoint {
  readonly txid: TransactionId;
  readonly index: number;
}

export interface Transaction {
  readonly txid: TransactionId;
  readonly inputs: readonly Outpoint[];
  readonly outputs: readonly { readonly script: string; readonly amount: Satoshis }[];
  readonly signed: boolean;
  /** For a coinbase, which has no inputs: its scriptSig in lower-case hex, which makes it unique. */
  readonly coinbase: string | null;
}

const rawShape = z.object({
  inputs: z.array(z.tuple([z.string().transform(transactionId), z.number()])),
  outputs: z.array(z.tuple([z.string(), z.string().regex(/^\d+$/)])),
  coinbase: z.string().nullable(),
  signed: z.boolean(),
});

export const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

export const outpointKey = ({ txid, index }: Outpoint): string => `${txid}:${index}`;

export function makeTransaction(parts: Omit<Transaction, 'txid'>): Transaction {
  const unsigned = encode({ ...parts, signed: false });
  return { ...parts, txid: transactionId(digest(unsigned)) };
}

export function encode({ inputs, outputs, coinbase, signed }: Omit<Transaction, 'txid'>): string {
  const text = JSON.stringify({
    inputs: inputs.map(({ txid, index }) => [txid, index]),
    outputs: outputs.map(({ script, amount }) => [script, String(amount)]),
    coinbase,
    signed,
  });
  return Buffer.from(text, 'utf8').toString('hex');
}

/** null when the bytes are no transaction. */
export function decode(raw_hex: string): Transaction | null {
  if (!/^(?:[0-9a-f]{2})+$/.test(raw_hex)) return null;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(raw_hex, 'hex').toString('utf8'));
  } catch {
    return null;
  }
  const parts = rawShape.safeParse(value).data;
  if (!parts) return null;
  return makeTransaction({
    inputs: parts.inputs.map(([txid, index]) => ({ txid, index })),
    outputs: parts.outputs.map(([script, amount]) => ({ script, amount: satoshis(BigInt(amount)) })),
    coinbase: parts.coinbase,
    signed: parts.signed,
  });
}

/** Of the order of a real one that spends witness outputs. */
export function virtualSize({ inputs, outputs, signed }: Transaction): number {
  const input_bytes = signed ? 68 : 41;
  return outputs.reduce((sum, { script }) => sum + 9 + script.length / 2, 11 + input_bytes * inputs.length);
}
