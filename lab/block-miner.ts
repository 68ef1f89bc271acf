// A real block with a pool's coinbase, mined on a node in regtest, so that a share log can prove whose it is:
// generatetoaddress lets nobody choose the coinbase. Order: the node's template, our coinbase, the merkle
// root, then one nonce after the other until the node takes the block. The node alone judges the work, half of
// all nonces pass in regtest, so this holds for every proof of work (sha256d, scrypt, HeavyHash). It builds on
// the tip only and takes all transactions that the template offers; if it dies, the node has the block or not.
import { z } from 'zod';
import { OutsideFailure } from '../shared/errors.js';
import { blockHash, type BlockHash, type Satoshis } from '../shared/units.js';
import { compactSize, doubleSha256, hashBytes, merkleRoot, uint32, uint64 } from './block-miner/bytes.js';
import { poolCoinbaseScript } from './block-miner/script.js';
import { withSilentPeer } from './block-miner/silent-peer.js';
import type { RegtestNode } from './regtest-node.js';

export interface ProvableBlock {
  /** scriptPubKey in hex of whom the coinbase pays. */
  readonly script: string;
  /** An output after the witness commitment, taken from the reward; ckpool writes one of 0 as well. */
  readonly donation?: { readonly script: string; readonly amount: Satoshis };
  /** Of the client and of its share, hex. */
  readonly enonce1: string;
  readonly nonce2: string;
  /** ckpool's `btcsig`. */
  readonly signature?: string;
  /** Header time, unix seconds. Default: as the node says. */
  readonly ntime?: number;
  /** Where the search begins. Default: drawn from the extra nonces. */
  readonly first_nonce?: number;
}

export interface MinedBlock {
  readonly hash: BlockHash;
  readonly height: number;
  /** Header nonce and time as numbers. */
  readonly nonce: number;
  readonly ntime: number;
  readonly enonce1: string;
  readonly nonce2: string;
  /** The whole coinbase transaction. */
  readonly coinbase: string;
}

const templateShape = z.object({
  version: z.number(), previousblockhash: z.string(), bits: z.string(), curtime: z.number(),
  height: z.number(), coinbasevalue: z.number().transform(BigInt),
  default_witness_commitment: z.string().optional(),
  transactions: z.array(z.object({ data: z.string(), txid: z.string() })),
  mweb: z.string().optional(),
});
type Template = z.infer<typeof templateShape>;

/** What a node without peers answers. */
const not_connected = -9;
const tries_max = 200;
const nonces = 2 ** 32;

/** @throws Error when the node refuses the block for another reason than its proof of work. */
export async function mineProvableBlock(
  node: Pick<RegtestNode, 'rpc'>, wanted: ProvableBlock,
): Promise<MinedBlock> {
  const template = await templateOf(node);
  const { enonce1, nonce2, ntime = template.curtime } = wanted;
  const coinbase = coinbaseOf(template, wanted);
  const txids = template.transactions.map(({ txid }) => hashBytes(txid));
  const root = merkleRoot([doubleSha256(coinbase.bare), ...txids]);
  const body = Buffer.concat([
    compactSize(template.transactions.length + 1), coinbase.whole,
    ...template.transactions.map(({ data }) => Buffer.from(data, 'hex')),
  ]);
  const first_nonce = wanted.first_nonce ?? doubleSha256(Buffer.from(enonce1 + nonce2, 'hex')).readUInt32LE();
  for (let tried = 0; tried < tries_max; tried += 1) {
    const nonce = (first_nonce + tried) % nonces;
    const block = Buffer.concat([headerOf(template, { root, ntime, nonce }), body]);
    const refusal = z.string().nullable().parse(await node.rpc('submitblock', block.toString('hex')));
    if (refusal === null) {
      const hash = blockHash(z.string().parse(await node.rpc('getblockhash', template.height)));
      const { height } = template;
      return { hash, height, nonce, ntime, enonce1, nonce2, coinbase: coinbase.whole.toString('hex') };
    }
    if (refusal !== 'high-hash') throw new Error(`The node refuses the block: ${refusal}.`);
  }
  throw new Error(`None of ${tries_max} nonces is good enough: is the node in regtest?`);
}

async function templateOf(node: Pick<RegtestNode, 'rpc'>): Promise<Template> {
  const ask = () => node.rpc('getblocktemplate', { rules: ['segwit', 'mweb'] });
  const template = templateShape.parse(await ask().catch((failure: unknown) => {
    if (failure instanceof OutsideFailure && failure.code === not_connected) return withSilentPeer(node, ask);
    throw failure;
  }));
  if (template.mweb === undefined) return template;
  throw new Error(
    'The node asks for an extension block; start it with -vbparams=mweb:9999999999:99999999999.',
  );
}

function headerOf(template: Template, made: { root: Buffer; ntime: number; nonce: number }): Buffer {
  const { root, ntime, nonce } = made;
  return Buffer.concat([
    uint32(template.version), hashBytes(template.previousblockhash), root, uint32(ntime),
    hashBytes(template.bits), uint32(nonce),
  ]);
}

/** `bare` is what the transaction id is made of, `whole` has the witness that the commitment needs. */
function coinbaseOf(template: Template, wanted: ProvableBlock): { bare: Buffer; whole: Buffer } {
  const { height, coinbasevalue, default_witness_commitment: commitment, curtime } = template;
  const { script, donation, enonce1, nonce2, signature = '' } = wanted;
  const made = { made_seconds: curtime, made_nanoseconds: 0 };
  const script_sig = Buffer.from(poolCoinbaseScript({ height, ...made, enonce1, nonce2, signature }), 'hex');
  const outputs = [
    output(script, coinbasevalue - (donation?.amount ?? 0n)),
    ...(commitment === undefined ? [] : [output(commitment, 0n)]),
    ...(donation === undefined ? [] : [output(donation.script, donation.amount)]),
  ];
  const version = uint32(1);
  const lock_time = uint32(0);
  const body = Buffer.concat([
    compactSize(1), Buffer.alloc(32), uint32(0xffffffff), compactSize(script_sig.length), script_sig,
    uint32(0xffffffff), compactSize(outputs.length), ...outputs,
  ]);
  const bare = Buffer.concat([version, body, lock_time]);
  if (commitment === undefined) return { bare, whole: bare };
  const witness = Buffer.concat([compactSize(1), compactSize(32), Buffer.alloc(32)]);
  return { bare, whole: Buffer.concat([version, Buffer.from([0, 1]), body, witness, lock_time]) };
}

function output(script_hex: string, amount: bigint): Buffer {
  const script = Buffer.from(script_hex, 'hex');
  return Buffer.concat([uint64(amount), compactSize(script.length), script]);
}
