// Row 6 of the fault matrix: little memory and a large log. Accounting as a process with a heap that could not hold
// the log, nor one of its lines; it reads through and finds every block. That a process which the system kills for
// its memory loses nothing is row 1: it is a kill -9 like another.
import { createWriteStream, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serveRecordedChain, type RecordedNode } from '../../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../../lab/recordings.js';
import { accountingBlocks } from '../json-shapes.js';
import { ask, buildPrograms, run } from '../programs.js';

const heap_mib = 64;
const noise_bytes = 192 * 1024 * 1024;
const long_line_bytes = 96 * 1024 * 1024;

let node: RecordedNode;
let busy: Recording;
let directory: string;
beforeAll(async () => {
  buildPrograms();
  busy = await unpackRecording('busy');
  node = await serveRecordedChain(busy.chain_directory);
  directory = mkdtempSync(join(tmpdir(), 'fault-6-'));
});
afterAll(async () => {
  await node?.close();
  await busy?.remove();
  rmSync(directory, { recursive: true, force: true });
});

/** Between the first line, which says that ckpool starts, and the rest: lines that tell nothing, and one without an end. */
async function swell(log_file: string): Promise<void> {
  const [first, ...rest] = readFileSync(log_file, 'latin1').split('\n');
  const swollen = `${log_file}.swollen`;
  const out = createWriteStream(swollen);
  const put = async (bytes: Buffer) => { if (!out.write(bytes)) await once(out, 'drain'); };
  await put(Buffer.from(`${first}\n`, 'latin1'));
  const stamp = /^\[[^\]]*\]/.exec(first!)![0];
  const noise = Buffer.from(`${stamp} Pool stats that nobody needs, and that are long enough to fill a line of this log\n`.repeat(10_000));
  for (let written = 0; written < noise_bytes; written += noise.length) await put(noise);
  const piece = Buffer.alloc(1024 * 1024, 0x41);
  for (let written = 0; written < long_line_bytes; written += piece.length) await put(piece);
  await put(Buffer.from(`\n${rest.join('\n')}`, 'latin1'));
  out.end();
  await once(out, 'finish');
  renameSync(swollen, log_file);
}

it(`fault 6: with a heap of ${heap_mib} MiB accounting reads a log of ${(noise_bytes + long_line_bytes) / 1024 / 1024} MiB with a line of ${long_line_bytes / 1024 / 1024} MiB, and finds every block`, async () => {
  await swell(busy.log_file);
  const config_file = join(directory, 'ckpool.conf');
  const pool_address = /"btcaddress" : "(\w+)"/.exec(readFileSync(busy.configuration, 'utf8'))![1]!;
  writeFileSync(config_file, JSON.stringify({
    btcd: [{ url: node.url, auth: node.user, pass: node.password }], btcaddress: pool_address, logdir: busy.log_directory, parser: {},
  }), { mode: 0o600 });
  const through = await run('accounting', ['run', '--once', '-c', config_file], { env: { NODE_OPTIONS: `--max-old-space-size=${heap_mib}` } });
  expect(through).toMatchObject({ status: 0, stdout: '' });
  const blocks = await ask(accountingBlocks, 'accounting', config_file, 'blocks');
  expect(blocks.flatMap(({ state, hash }) => (state === 'confirmed' ? [hash] : [])).sort())
    .toEqual([...busy.truth.solves, ...busy.truth.own_blocks_without_a_line].map(({ hash }) => hash).sort());
});
