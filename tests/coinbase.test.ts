// The reward is what the coinbase pays to the pool's script, all outputs together, whatever else stands in the
// answer: a node of another version is played by rewriting the answers of the recorded one.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveRecordedChain, type RecordedNode } from '../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../lab/recordings.js';
import * as shapes from './json-shapes.js';
import { ask, buildPrograms, run } from './programs.js';

interface Output { value: number; n: number; scriptPubKey: { hex: string; address?: string; addresses?: string[] } }
interface AnsweredBlock { tx: { vout: Output[] }[] }

const part_coins = 0.1;
let old_node: RecordedNode;
let other_node: Server;
let busy: Recording;
let directory: string;

beforeAll(async () => {
  buildPrograms();
  busy = await unpackRecording('busy');
  old_node = await serveRecordedChain(busy.chain_directory);
  other_node = createServer((request, response) => { void passOn(request, response); }).listen(0, '127.0.0.1');
  await once(other_node, 'listening');
  directory = mkdtempSync(join(tmpdir(), 'coinbase-'));
});
afterAll(async () => {
  other_node.close();
  await old_node.close();
  await busy.remove();
  rmSync(directory, { recursive: true, force: true });
});

async function passOn(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces).toString();
  const answered = await fetch(`http://${old_node.url}/`, { method: 'POST', body, headers: { authorization: request.headers.authorization ?? '' } });
  const answer = JSON.parse(await answered.text()) as { result: unknown };
  const { method, params } = JSON.parse(body) as { method: string; params: unknown[] };
  if (method === 'getblock' && params[1] === 2 && answer.result !== null) rewrite(answer.result as AnsweredBlock);
  response.writeHead(answered.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
}

/** No addresses, and the first output in two parts, one of them last: as a coinbase with several outputs of ours. */
function rewrite({ tx }: AnsweredBlock): void {
  const [coinbase] = tx;
  if (!coinbase) return;
  for (const { scriptPubKey } of coinbase.vout) {
    delete scriptPubKey.address;
    delete scriptPubKey.addresses;
  }
  const [first] = coinbase.vout;
  if (!first || first.value <= part_coins) return;
  coinbase.vout = [
    { ...first, value: Math.round((first.value - part_coins) * 1e8) / 1e8 }, ...coinbase.vout.slice(1),
    { ...first, value: part_coins, n: coinbase.vout.length },
  ];
}

describe('the reward of a block', () => {
  it('fault 28: is the sum of all coinbase outputs to the pool\'s script, with or without addresses in the answer (D-37)', async () => {
    const address = other_node.address() as AddressInfo;
    const config_file = join(directory, 'ckpool.conf');
    writeFileSync(config_file, JSON.stringify({
      btcd: [{ url: `127.0.0.1:${address.port}`, auth: old_node.user, pass: old_node.password }],
      btcaddress: /"btcaddress" : "(\w+)"/.exec(readFileSync(busy.configuration, 'utf8'))![1], logdir: busy.log_directory,
    }), { mode: 0o600 });
    expect(await run('accounting', ['run', '--once', '-c', config_file])).toMatchObject({ status: 0, stdout: '' });
    const blocks = await ask(shapes.accountingBlocks, 'accounting', config_file, 'blocks');
    for (const { hash, reward_sats } of [...busy.truth.solves, ...busy.truth.own_blocks_without_a_line]) {
      const reward = blocks.find((block) => block.hash === hash)?.reward ?? '';
      expect(BigInt(reward.replace('.', ''))).toBe(BigInt(reward_sats));
    }
  });
});
