// Real bytes to begin from: every form of line that the recordings hold, user files, share logs, pool.status,
// configurations, the node's answers, and a few lines that ckpool can write but did not write there. Unpacks the
// recordings for a moment and removes them; changes nothing.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readRecording } from '../recorded-chain.js';
import { root_directory } from './place.js';
import { recording_names, unpackRecording, type Recording } from '../recordings.js';

export interface Corpus {
  readonly log_lines: readonly Buffer[];
  readonly user_files: readonly Buffer[];
  readonly share_lines: readonly Buffer[];
  readonly pool_status: readonly Buffer[];
  readonly configurations: readonly Buffer[];
  readonly schemas: readonly Buffer[];
  /** What the node says inside of `result`. */
  readonly node_answers: readonly Buffer[];
}

/** As ckpool prints them under other settings. */
const more_lines = [
  '[2026-11-20 09:32:15.378] Block 157 solved by bc1qxyz.rig @ 10.0.0.1!',
  '[2026-11-20 09:32:15] Solved and confirmed block 157 by bc1qxyz.rig',
  '[2026-11-20 09:32:15.378] User bc1qxyz:{"hashrate1m": "1.5T", "lastupdate": 1795166478, "workers": 1, "shares": 9223372036854775807, "bestshare": 1.5}',
  '[2026-11-20 09:32:15.378] Setting maxclients to 18000',
];
const examples_of_a_form = 4;

export async function loadCorpus(): Promise<Corpus> {
  const parts: { log: Buffer[]; users: Buffer[]; shares: Buffer[]; status: Buffer[]; configuration: Buffer[] }[] = [];
  let chain_directory = '';
  for (const name of recording_names) {
    const recording = await unpackRecording(name);
    try {
      parts.push(await readAll(recording));
      chain_directory = recording.chain_directory;
    } finally {
      await recording.remove();
    }
  }
  const sample = await readFile(join(root_directory, 'ckpool.conf'));
  return {
    log_lines: [...oneOfEachForm(parts.flatMap(({ log }) => log)), ...more_lines.map((line) => Buffer.from(line))],
    user_files: parts.flatMap(({ users }) => users),
    share_lines: oneOfEachForm(parts.flatMap(({ shares }) => shares)),
    pool_status: parts.flatMap(({ status }) => status),
    configurations: [sample, ...parts.flatMap(({ configuration }) => configuration)],
    schemas: await schemaFiles(),
    node_answers: answersOf(chain_directory),
  };
}

async function readAll(recording: Recording) {
  const entries = await readdir(recording.log_directory, { recursive: true, withFileTypes: true, encoding: 'utf8' });
  const read = (ending: (path: string) => boolean): Promise<Buffer[]> => Promise.all(entries
    .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).filter(ending).sort()
    .map((path) => readFile(path)));
  return {
    log: (await read((path) => /ckpool2?\.log(?:\.\d)?$/.test(path))).flatMap(linesOf),
    users: [...await read((path) => path.includes('/users/')), ...recording.users_history.slice(0, 40).map(({ content }) => content)],
    shares: (await read((path) => path.endsWith('.sharelog'))).flatMap(linesOf),
    status: await read((path) => path.endsWith('pool.status')),
    configuration: [await readFile(recording.configuration)],
  };
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0, end = bytes.indexOf('\n'); end >= 0; start = end + 1, end = bytes.indexOf('\n', start)) {
    lines.push(bytes.subarray(start, end));
  }
  return lines;
}

/** Lines that differ in their numbers, hashes and names alone are of one form; a few of each are kept. */
function oneOfEachForm(lines: readonly Buffer[]): Buffer[] {
  const counts = new Map<string, number>();
  return lines.filter((line) => {
    const form = line.toString('latin1').replace(/[0-9a-f]{8,}/g, '#').replace(/\d+/g, '0').replace(/\b\w{20,}\b/g, 'name');
    const count = counts.get(form) ?? 0;
    counts.set(form, count + 1);
    return count < examples_of_a_form;
  }).map((line) => Buffer.from(line));
}

async function schemaFiles(): Promise<Buffer[]> {
  const files = await Promise.all(['mysql', 'sqlite'].map(async (engine) =>
    (await readdir(join(root_directory, 'sql', engine))).filter((file) => file.endsWith('.sql')).map((file) => join(root_directory, 'sql', engine, file))));
  return Promise.all(files.flat().map((file) => readFile(file)));
}

function answersOf(chain_directory: string): Buffer[] {
  const chain = readRecording(chain_directory);
  const blocks = [...chain.blocks.values()].slice(-12);
  const headers = blocks.map(({ tx: _, ...header }) => header);
  const hash = blocks[0]!.hash;
  const invented = [
    null, hash, 157, { errors: [{ error: 'Input not found' }], hex: '00', complete: false }, { feerate: 0.0000123, blocks: 6 },
    { relayfee: 1e-5 }, { mempoolminfee: '0.00001000' }, { mine: { trusted: 47.75, untrusted_pending: 0, immature: 1e-8 } },
    { ismine: true }, { value: 12.5, confirmations: 101, coinbase: true, scriptPubKey: { hex: `0014${'ab'.repeat(20)}` } },
    [{ txid: hash, vout: 0, amount: 12.5, scriptPubKey: `0014${'ab'.repeat(20)}`, confirmations: 3 }],
    { txid: hash, vsize: 141, weight: 561, vin: [{ txid: hash, vout: 1 }], vout: [{ value: 1.5, n: 0, scriptPubKey: { hex: '51' } }] },
    { txid: hash, confirmations: -1, hex: '00', blockhash: hash }, { transactions: [{ category: 'send', txid: hash }] },
  ];
  return [...blocks, ...headers, chain.tips, chain.chain_info, chain.network_info, ...chain.addresses.values(), ...invented]
    .map((answer) => Buffer.from(JSON.stringify(answer)));
}
