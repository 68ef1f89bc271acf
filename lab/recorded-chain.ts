// The chain of a recording: all that its node knew at the end, and what it would have said at an earlier
// time. Holds values only; recorded-node.ts puts it behind HTTP.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

/** What is needed of a recorded block; the other fields of `getblock` 2 are answered as they are. */
const block = z.looseObject({
  hash: z.string(),
  height: z.number(),
  previousblockhash: z.string().optional(),
  tx: z.array(z.looseObject({ txid: z.string() })),
});
const chainTip = z.looseObject({
  height: z.number(),
  hash: z.string(),
  branchlen: z.number(),
  status: z.string(),
});

export type RecordedBlock = z.infer<typeof block>;
export type RecordedTip = z.infer<typeof chainTip>;

export interface Recording {
  /** Hash per height at the end of the recording. */
  readonly active: readonly string[];
  readonly blocks: ReadonlyMap<string, RecordedBlock>;
  readonly tips: readonly RecordedTip[];
  /** Answers of validateaddress. */
  readonly addresses: ReadonlyMap<string, unknown>;
  readonly chain_info: Readonly<Record<string, unknown>>;
  readonly network_info: Readonly<Record<string, unknown>>;
}

/** @throws Error or ZodError when the folder is not the chain/ of a recording. */
export function readRecording(directory: string): Recording {
  const info = z.object({
    getblockchaininfo: z.record(z.string(), z.unknown()),
    getnetworkinfo: z.record(z.string(), z.unknown()),
  }).parse(readJson(directory, 'info.json'));
  return {
    active: z.array(z.string()).parse(readJson(directory, 'active.json')),
    blocks: new Map(
      Object.entries(z.record(z.string(), block).parse(readJson(directory, 'blocks.json'))),
    ),
    tips: z.array(chainTip).parse(readJson(directory, 'chaintips.json')),
    addresses: new Map(
      Object.entries(z.record(z.string(), z.unknown()).parse(readJson(directory, 'addresses.json'))),
    ),
    chain_info: info.getblockchaininfo,
    network_info: info.getnetworkinfo,
  };
}

function readJson(directory: string, name: string): unknown {
  const file = join(directory, name);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  return JSON.parse(gunzipSync(readFileSync(`${file}.gz`)).toString('utf8'));
}

/** What the node knows at one moment. */
export interface ChainView {
  /** Hash per height. */
  readonly active: readonly string[];
  readonly known: ReadonlySet<string>;
  readonly tips: readonly RecordedTip[];
}

/** The end of the recording. */
export const wholeView = (recording: Recording): ChainView =>
  ({ active: recording.active, known: new Set(recording.blocks.keys()), tips: recording.tips });

/**
 * An earlier moment: `tip` is the tip, and of the other blocks those in `seen` and their ancestors are known.
 * @throws RangeError when the recording does not hold a block.
 */
export function earlierView(recording: Recording, tip: string, seen: Iterable<string>): ChainView {
  const active = branch(recording, tip);
  const known = new Set(active);
  for (const hash of seen) branch(recording, hash).forEach((ancestor) => known.add(ancestor));
  return { active, known, tips: tipsOf(recording, active, known) };
}

/** From genesis to the block. */
function branch(recording: Recording, hash: string): string[] {
  const hashes: string[] = [];
  for (let at: string | undefined = hash; at !== undefined;) {
    const found = recording.blocks.get(at);
    if (!found) throw new RangeError(`the recording holds no block ${at}`);
    hashes.push(at);
    at = found.previousblockhash;
  }
  return hashes.reverse();
}

/** As getchaintips: the active tip and every known block that no known block builds upon. */
function tipsOf(recording: Recording, active: readonly string[], known: ReadonlySet<string>): RecordedTip[] {
  const parents = new Set([...known].map((hash) => recording.blocks.get(hash)?.previousblockhash));
  const leaves = [...known].filter((hash) => !parents.has(hash) && hash !== active.at(-1));
  const side = leaves.map((hash): RecordedTip => {
    const height = recording.blocks.get(hash)?.height ?? 0;
    const branchlen = branch(recording, hash).filter((at, index) => active[index] !== at).length;
    return { height, hash, branchlen, status: 'valid-fork' };
  });
  return [
    { height: active.length - 1, hash: active.at(-1) ?? '', branchlen: 0, status: 'active' },
    ...side.sort((one, other) => other.height - one.height),
  ];
}

/** The fields of a block that depend on where the chain stands; JSON leaves an undefined one out. */
export function placeInChain(
  view: ChainView, found: RecordedBlock,
): { confirmations: number; nextblockhash: string | undefined } {
  if (view.active[found.height] !== found.hash) return { confirmations: -1, nextblockhash: undefined };
  return { confirmations: view.active.length - found.height, nextblockhash: view.active[found.height + 1] };
}
