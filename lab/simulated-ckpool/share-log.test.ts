// What the simulated pool writes into share logs, held against what a real one wrote: accounting counts every
// satoshi by these lines.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NameBytes } from '../../shared/username.js';
import { poolCoinbaseScript } from '../block-miner/script.js';
import { unpackRecording } from '../recordings.js';
import { createSimulatedCkpool, proofOfBlock, type SimulatedCkpool, type SimulatedCkpoolOptions, type Verdict } from '../simulated-ckpool.js';
import { createSimulatedNode } from '../simulated-node.js';
import { realDisk } from './disk.js';
import { fillableDisk } from './full-disk.js';
import { real, toJansson } from './jansson.js';

const start_ms = Date.parse('2026-11-20T09:00:00Z');
const start_hex = Math.floor(start_ms / 1000).toString(16);
const alice = 'bcrt1qalice.rig1' as NameBytes;
const bob = 'bcrt1qbob' as NameBytes;
const text = '"(?:[^"\\\\]|\\\\.)*"';
const line_form = new RegExp('^\\{"workinfoid": \\d{19}, "clientid": \\d+, "enonce1": "[0-9a-f]{8}", "nonce2": "[0-9a-f]{16}", "nonce": "[0-9a-f]{8}", '
  + '"ntime": "[0-9a-f]{8}", "diff": \\d+\\.0, "sdiff": (?:-1\\.0|\\d+\\.\\d+), "hash": "(?:[0-9a-f]{64})?", "result": (?:true|false, "reject-reason": "[A-Za-z ]+"), '
  + `"errn": [0-5], "createdate": "\\d{10},(?:0|[1-9]\\d{0,8})", "createby": "code", "createcode": "parse_submit", "createinet": "127\\.0\\.0\\.1:\\d+", `
  + `"workername": ${text}, "username": ${text}, "address": "127\\.0\\.0\\.1", "agent": ${text}\\}$`);

let directory: string;
let now: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'share-log-'));
  now = start_ms;
});
afterEach(() => { rmSync(directory, { recursive: true, force: true }); });

function createPool(options: Partial<SimulatedCkpoolOptions> = {}): SimulatedCkpool {
  const pool = createSimulatedCkpool({
    log_directory: directory, now_ms: () => now, seed: 1, tip: { hash: 'aa'.repeat(32), height: 121 }, share_log: true, ...options,
  });
  pool.login(alice);
  pool.login(bob);
  return pool;
}

/** Share logs under a directory: path and whole lines, in the order of their names. */
const shareLogs = (root = directory): { path: string; lines: string[] }[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.sharelog')).sort()
    .map((path) => ({ path, lines: readFileSync(join(root, path), 'latin1').split('\n').slice(0, -1) }));
const allLines = (root = directory): string[] => shareLogs(root).flatMap(({ lines }) => lines);
const field = (line: string, name: string): string => new RegExp(`"${name}": "?([^",}]*)`).exec(line)?.[1] ?? 'none';
const created = (line: string): bigint => {
  const [seconds, nanoseconds] = /"createdate": "(\d+),(\d+)"/.exec(line)!.slice(1) as [string, string];
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
};
const distinctInOrder = (lines: string[]): boolean => lines.map(created).every((at, index, all) => index === 0 || at > all[index - 1]!);

describe('the recorded form', () => {
  it('is that of every line and file name here: widths, order, numbers and the extra nonce of each client', async () => {
    const recording = await unpackRecording('busy');
    const recorded = shareLogs(recording.log_directory);
    await recording.remove();
    const pool = createPool();
    for (const verdict of ['accepted', 'stale', 'jobid', 'duplicate', 'ntime', 'above_target'] as const) pool.share(alice, 47n, verdict);
    pool.solve(bob, 122, { hash: 'bb'.repeat(32) });
    pool.share(bob, 1n);
    const written = shareLogs();
    expect(written.flatMap(({ lines }) => lines)).toHaveLength(8);
    expect(recorded.flatMap(({ lines }) => lines).length).toBeGreaterThan(2000);
    for (const { path, lines } of [...recorded, ...written]) {
      const [, workinfoid, began] = /^[0-9a-f]{8}[/\\](([0-9a-f]{8})[0-9a-f]{8})\.sharelog$/.exec(path)!;
      for (const line of lines) {
        expect(line).toMatch(line_form);
        expect(BigInt(field(line, 'workinfoid'))).toBe(BigInt(`0x${workinfoid}`));
        const enonce1 = Buffer.from(field(line, 'enonce1'), 'hex').readUInt32LE();
        expect(enonce1).toBe(Number.parseInt(began!, 16) + Number(field(line, 'clientid')));
      }
      expect(distinctInOrder(lines)).toBe(true);
    }
  });

  it.each<[Verdict, string, string]>([
    ['accepted', 'true', '0'], ['jobid', 'Invalid JobID', '1'], ['stale', 'Stale', '2'], ['ntime', 'Ntime out of range', '3'],
    ['duplicate', 'Duplicate', '4'], ['above_target', 'Above target', '5'],
  ])('a share that is %s says so, and only an accepted one counts', (verdict, said, errn) => {
    const pool = createPool();
    pool.share(alice, 512n, verdict);
    const [line] = allLines();
    expect([field(line!, verdict === 'accepted' ? 'result' : 'reject-reason'), field(line!, 'errn'), field(line!, 'diff')]).toEqual([said, errn, '512.0']);
    expect(pool.shareCount('bcrt1qalice' as NameBytes)).toBe(verdict === 'accepted' ? 512n : 0n);
    if (verdict === 'above_target') expect(Number(field(line!, 'sdiff'))).toBeLessThan(512);
    if (verdict === 'jobid') expect([field(line!, 'sdiff'), field(line!, 'hash')]).toEqual(['-1.0', '']);
  });

  it.each([
    [8, '8.0'], [0, '0.0'], [-1, '-1.0'], [0.5, '0.5'], [0.1, '0.10000000000000001'], [1138.0692777380423, '1138.0692777380423'], [1357.70538824236, '1357.70538824236'],
    [0.0001, '0.0001'], [0.00001, '1.0000000000000001e-5'], [2 ** 53, '9007199254740992.0'], [1e16, '10000000000000000.0'], [1e17, '1e17'], [1.5e20, '1.5e20'],
  ])('the number %d is written as %s', (value, expected) => {
    expect(toJansson([['diff', real(value)]])).toBe(`{"diff": ${expected}}`);
  });

  it('escapes names as the library does, and leaves all other bytes as they are', () => {
    const pool = createPool();
    const name = 'a"b\\cd\n\t\u0001\u001f\u007f\xc3\xbc.rig' as NameBytes;
    pool.login(name);
    pool.share(name, 8n);
    expect(allLines()[0]).toContain('"workername": "a\\"b\\\\cd\\n\\t\\u0001\\u001F\u007f\xc3\xbc.rig", "username": "a\\"b\\\\cd\\n\\t\\u0001\\u001F\u007f\xc3\xbc", ');
  });

  it('has an order even for what comes within one millisecond, blocks included', () => {
    const pool = createPool();
    for (let share = 0; share < 3000; share += 1) pool.share(share % 2 ? alice : bob, 8n);
    pool.solve(alice, 122, { hash: 'bb'.repeat(32), anchor: 'none' });
    pool.solve(bob, 122, { hash: 'cc'.repeat(32), anchor: 'after' });
    expect(shareLogs()).toHaveLength(1);
    expect(distinctInOrder(allLines())).toBe(true);
    now += 1;
    pool.share(alice, 8n, 'accepted', { arrived_ms: start_ms - 250 });
    expect(created(shareLogs()[1]!.lines[0]!)).toBeLessThan(created(allLines()[0]!));
  });
});

describe('the file of a share', () => {
  const paths = () => shareLogs().map(({ path, lines }) => `${path} ${lines.length}`);

  it('is that of the work it was done on: new work is a new file, a late share goes to an old one', () => {
    const pool = createPool();
    const early = pool.job();
    pool.share(alice, 8n);
    pool.refresh();
    pool.share(alice, 8n);
    pool.share(bob, 8n, 'accepted', { job: early });
    pool.tip('bb'.repeat(32), 122);
    pool.share(bob, 8n, 'stale');
    pool.share(bob, 8n, 'stale', { job: early });
    pool.share(bob, 8n, 'jobid');
    const newest = pool.job().workinfoid.toString(16);
    expect(paths()).toEqual([`0000007a/${start_hex}00000001.sharelog 3`, `0000007a/${start_hex}00000002.sharelog 2`, `0000007b/${newest}.sharelog 1`]);
  });

  it('is one of a directory that a branch and the chain that replaces it have in common', () => {
    const pool = createPool();
    pool.tip('bb'.repeat(32), 122);
    pool.share(alice, 8n);
    pool.tip('cc'.repeat(32), 122);
    pool.share(alice, 8n);
    expect(new Set(shareLogs().map(({ path }) => path.slice(0, 8)))).toEqual(new Set(['0000007b']));
    expect(shareLogs()).toHaveLength(2);
  });

  it('is none without -L; a restart begins, ends and begins again', () => {
    const pool = createPool({ share_log: false });
    const restart = (share_log?: boolean) => {
      now += 10_000;
      pool.restart('term', share_log === undefined ? {} : { share_log });
      pool.login(alice);
      pool.share(alice, 8n);
    };
    pool.share(alice, 8n);
    const folders = () => readdirSync(directory).filter((name) => /^[0-9a-f]{8}$/.test(name));
    expect(folders()).toEqual([]);
    restart(true);
    restart();
    expect([folders(), allLines().length]).toEqual([['0000007a'], 2]);
    restart(false);
    pool.tip('bb'.repeat(32), 122);
    expect([folders(), allLines().length]).toEqual([['0000007a'], 2]);
    restart(true);
    expect([folders(), allLines().length]).toEqual([['0000007a', '0000007b'], 3]);
  });
});

describe('the solving share', () => {
  it('is proven by the block: nonces, time and height, whatever the log says', async () => {
    const pool = createPool();
    const node = createSimulatedNode();
    node.mine(121, node.foreignAddress());
    const nonces = pool.extraNonces(bob);
    const made_seconds = Math.floor(start_ms / 1000);
    const coinbase_script = poolCoinbaseScript({ height: 122, made_seconds, made_nanoseconds: 7, ...nonces, signature: '/opow pool/' });
    const hash = node.mineBlock({ coinbase_script, nonce: 0x0000beef, time_seconds: made_seconds + 1 });
    pool.share(alice, 8n);
    now += 20;
    pool.solve(bob, 122, { hash, line: false, proof: proofOfBlock({ ...nonces, nonce: 0xbeef, ntime: made_seconds + 1 }) });
    const block = (await node.node.blockWithCoinbase(hash))!;
    const [{ path, lines }] = shareLogs() as [{ path: string; lines: string[] }];
    const proving = lines.filter((line) => Number.parseInt(field(line, 'nonce'), 16) === block.nonce
      && Number.parseInt(field(line, 'ntime'), 16) === block.time_seconds
      && block.coinbase_script.includes(field(line, 'enonce1') + field(line, 'nonce2')));
    expect(Number.parseInt(path.slice(0, 8), 16)).toBe(block.height);
    expect(proving.map((line) => [field(line, 'workername'), field(line, 'nonce'), field(line, 'result')])).toEqual([[bob, '0000beef', 'true']]);
  });

  it('comes in before the line of its block is stamped, within a tenth of a second (as recorded)', () => {
    const pool = createPool();
    pool.solve(alice, 122, { hash: 'bb'.repeat(32), anchor: 'before' });
    const stamp = /^\[(.{23})\] Solved/m.exec(readFileSync(join(directory, 'ckpool.log'), 'latin1'))![1]!;
    const after_ms = Date.parse(`${stamp.replace(' ', 'T')}Z`) - Number(created(allLines()[0]!) / 1_000_000n);
    expect(after_ms).toBeGreaterThan(40);
    expect(after_ms).toBeLessThan(100);
  });

  it('is neither counted nor logged when ckpool dies first', () => {
    const pool = createPool();
    pool.solve(alice, 122, { hash: 'bb'.repeat(32), line: false, anchor: 'none', counted: false });
    expect([allLines(), pool.shareCount('bcrt1qalice' as NameBytes)]).toEqual([[], 0n]);
  });
});

it('a full disk loses shares, tears one and glues the next to it, as recorded; counters go on', () => {
  const { disk, fill, free } = fillableDisk(realDisk(directory));
  const pool = createPool({ disk });
  pool.share(alice, 8n);
  const [whole] = allLines();
  const log_bytes = readFileSync(join(directory, 'ckpool.log')).length;
  pool.share(alice, 8n);
  // Room for the log line of the next share and for the first half of its share log line.
  fill(readFileSync(join(directory, 'ckpool.log')).length - log_bytes + 200);
  pool.share(bob, 8n);
  pool.share(bob, 8n);
  pool.refresh();
  pool.share(bob, 8n);
  pool.pass();
  free();
  pool.share(alice, 16n, 'accepted', { job: { ...pool.job(), workinfoid: pool.job().workinfoid - 1n } });
  const [first, second] = shareLogs();
  expect(second).toEqual({ path: `0000007a/${start_hex}00000002.sharelog`, lines: [] });
  expect(first!.lines).toHaveLength(3);
  expect(first!.lines[0]).toBe(whole);
  expect(first!.lines[2]).toMatch(/^\{"workinfoid".{50,250}\{"workinfoid".*"diff": 16\.0, .*\}$/);
  expect(pool.shareCount(bob)).toBe(24n);
  expect(readFileSync(join(directory, 'users', bob), 'latin1')).toBe('');
});
