// Where things are, in the sources and in dist.bench/ alike: the bench needs the recordings of lab/ for a chain
// to answer with, and writes its results beside its sources.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readRecording } from '../lab/recorded-chain.js';

/** The folder of package.json. */
export const root_directory: string = findRoot(import.meta.dirname);

function findRoot(directory: string): string {
  if (existsSync(join(directory, 'package.json'))) return directory;
  const above = dirname(directory);
  if (above === directory) throw new Error('package.json is missing: run the bench in a whole clone');
  return findRoot(above);
}

/** The chain that the recorded node answers from. */
export const chain_directory: string = join(root_directory, 'lab/recordings/busy/chain');

/** Its tip when the recording ended. */
export function chainTip(): { readonly hash: string; readonly height: number } {
  const { active } = readRecording(chain_directory);
  return { hash: active.at(-1) ?? '', height: active.length - 1 };
}

/** The pool of that chain: `btcaddress` of its configuration. */
export const pool_address = 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru';
