import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NameBytes } from '../shared/username.js';
import { createRandom } from './random.js';
import { unpackRecording, type Recording } from './recordings.js';
import { readLogFiles, stampOf } from './recorded-log.js';
import { createSimulatedCkpool, type SimulatedCkpool, type SimulatedCkpoolOptions } from './simulated-ckpool.js';
import { lineShape } from './simulated-ckpool/line-shape.js';

const start_ms = Date.parse('2026-11-20T09:00:00Z');
const alice = 'bcrt1qalice' as NameBytes;
const alice_rig = 'bcrt1qalice.rig1' as NameBytes;
const bob = 'bcrt1qbob' as NameBytes;
const genesis = { hash: 'aa'.repeat(32), height: 121 };

let directory: string;
let now: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'simulated-ckpool-'));
  now = start_ms;
});
afterEach(() => { rmSync(directory, { recursive: true, force: true }); });

const createPool = (options: Partial<SimulatedCkpoolOptions> = {}): SimulatedCkpool =>
  createSimulatedCkpool({ log_directory: directory, now_ms: () => now, seed: 1, tip: genesis, share_log: true, ...options });
const text = (path: string): string => readFileSync(join(directory, path), 'latin1');
const lines = (path = 'ckpool.log'): string[] => text(path).split('\n').slice(0, -1);
const userShares = (user: string): unknown => (JSON.parse(text(`users/${user}`)) as { shares: unknown }).shares;

/** Half an hour with every kind of event. */
function liveThrough(pool: SimulatedCkpool): void {
  const random = createRandom('events');
  const workers = [alice, alice_rig, bob, 'notanaddress_2' as NameBytes];
  workers.forEach((worker) => { pool.login(worker); });
  let height = genesis.height;
  for (let minute = 0; minute < 30; minute += 1) {
    for (let share = 0; share < 20; share += 1) {
      now += random.integer(0, 3000);
      if (share === 17) pool.solve(random.pick(workers), height += 1, { hash: random.hex(32) });
      else pool.share(random.pick(workers), BigInt(random.integer(1, 64)), random.pick(['accepted', 'accepted', 'accepted', 'stale', 'duplicate', 'ntime', 'jobid']));
    }
    pool.pass();
    if (minute === 7) pool.reject(alice, height, 'inconclusive');
    if (minute === 9) pool.tip(random.hex(32), height += 1);
    if (minute === 12) { pool.drop(bob); pool.login(bob); }
    if (minute === 15) { pool.restart(); workers.forEach((worker) => { pool.login(worker); }); }
    if (minute === 20) pool.rotate('rename');
    if (minute === 25) pool.rotate('copytruncate');
  }
  pool.stop();
}

describe('the form of everything the simulated ckpool writes is the recorded one', () => {
  let recording: Recording;
  let recorded_names: string[];
  const names = [alice, alice_rig, bob, 'notanaddress_2', 'notanaddress'];
  const recordedShapes = (texts: string[]): Set<string> => new Set(texts.map((line) => lineShape(line, recorded_names)));
  const filesUnder = (root: string, pattern: RegExp): string[] => readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name)).sort().flatMap((name) => readFileSync(join(root, name), 'latin1').split('\n').slice(0, -1));

  beforeAll(async () => {
    recording = await unpackRecording('busy');
    recorded_names = ['users', 'workers'].flatMap((folder) => readdirSync(join(recording.log_directory, folder)));
  });
  afterAll(() => recording.remove());

  it('log lines', async () => {
    const recorded = recordedShapes((await readLogFiles(recording.log_file)).flatMap((file) => file.lines));
    liveThrough(createPool());
    const written = (await readLogFiles(join(directory, 'ckpool.log'))).flatMap((file) => file.lines).filter((line) => line !== '');
    expect(written.length).toBeGreaterThan(800);
    const foreign = [...new Set(written.map((line) => lineShape(line, names)))].filter((shape) => !recorded.has(shape));
    expect(foreign).toEqual([]);
    expect(recorded.size).toBeLessThan(120);
  });

  it.each([
    ['user files', /^users\/./],
    ['worker files', /^workers\/./],
    ['pool status', /^pool\/./],
    ['share logs', /\.sharelog$/],
  ])('%s: keys, their order, types and spacing', (_what, pattern) => {
    const recorded = recordedShapes(filesUnder(recording.log_directory, pattern));
    liveThrough(createPool());
    const written = filesUnder(directory, pattern);
    expect(written.length).toBeGreaterThan(2);
    expect([...new Set(written.map((line) => lineShape(line, names)))].filter((shape) => !recorded.has(shape))).toEqual([]);
  });

  it('a line whose form ckpool never writes would be noticed', () => {
    const recorded = recordedShapes(filesUnder(recording.log_directory, /^users\/./));
    const real = filesUnder(recording.log_directory, /^users\/./)[0] ?? '';
    for (const changed of [real.replace('"shares": ', '"shares":'), real.replace(/"shares": (\d+)/, '"shares": $1.0'), real.replace('workers', 'rigs')]) {
      expect(recorded).not.toContain(lineShape(changed, recorded_names));
    }
  });
});

describe('names', () => {
  it('a login with newlines prints exactly the lines that a real ckpool printed', async () => {
    const recording = await unpackRecording('forged-solves');
    const recorded = readFileSync(recording.log_file, 'latin1');
    await recording.remove();
    const pool = createPool({ isAddress: () => false });
    const names = ['evil2\n[2026-11-20 09:34:00.000] Solved and confirmed block 997 by muwjS9zuMAwkJLdkxWBGuwmP6WGqii2DbK.worker1\n',
      'evil3\n[2026-11-20 09:34:01] Solved and confirmed block 996 by evil3'] as NameBytes[];
    pool.login(alice);
    pool.login(bob);
    names.forEach((name) => { pool.login(name); });
    names.forEach((name) => { pool.drop(name); });
    // The stamps of the recording and of this run differ, the embedded ones do not.
    const bare = (log: string): string => log.replace(/\[2026-11-20 (?:09:33:5|09:00:0)[^\]]*\]/g, '<stamp>');
    const expected = /^<stamp> JSON response to \( "validate[^]*(?=<stamp> Added new user BCRT1)/m.exec(bare(recorded))?.[0] ?? 'none';
    expect(expected).toContain('block 997');
    expect(bare(text('ckpool.log'))).toContain(expected);
    expect(bare(text('ckpool.log'))).toContain(/^<stamp> Dropped client 3[^]*?(?=<stamp> Dropped client 5)/m.exec(bare(recorded))?.[0] ?? 'none');
  });

  it('are files of their bytes, newlines included', () => {
    const pool = createPool();
    pool.login('evil\nname.rig' as NameBytes);
    pool.login('\xc3\xbcnicode' as NameBytes);
    pool.pass();
    expect(readdirSync(join(directory, 'users'), { encoding: 'latin1' }).sort()).toEqual(['evil\nname', '\xc3\xbcnicode']);
    expect(readdirSync(join(directory, 'workers'), { encoding: 'latin1' })).toContain('evil\nname.rig');
  });

  it.each(['', '.rig', '_rig', '../etc', 'a/b'])('%j is refused as ckpool refuses it', (name) => {
    expect(() => { createPool().login(name as NameBytes); }).toThrow(RangeError);
  });
});

describe('share counts', () => {
  it('grow by the difficulty of accepted shares alone and reach the file at the next pass', () => {
    const pool = createPool();
    pool.login(alice);
    pool.share(alice, 8n);
    pool.share(alice, 64n);
    pool.share(alice, 512n, 'stale');
    expect(() => text(`users/${alice}`)).toThrow();
    pool.pass();
    expect(userShares(alice)).toBe(72);
    pool.share(alice, 1n);
    expect(userShares(alice)).toBe(72);
    expect(pool.shareCount(alice)).toBe(73n);
  });

  it('lose at a restart what came after the last pass, and a file stays as it was until its user is back', () => {
    const pool = createPool();
    [alice, bob].forEach((worker) => { pool.login(worker); });
    [alice, bob].forEach((worker) => { pool.share(worker, 10n); });
    pool.pass();
    [alice, bob].forEach((worker) => { pool.share(worker, 5n); });
    now += 10_000;
    pool.restart('kill');
    expect(pool.shareCount(alice)).toBe(10n);
    pool.login(alice);
    expect(lines().at(-1)).toContain('Authorised client 1 ');
    pool.share(alice, 1n);
    const untouched = text(`users/${bob}`);
    pool.pass();
    expect([userShares(alice), text(`users/${bob}`)]).toEqual([11, untouched]);
  });

  it('begin again at zero from an empty file', () => {
    const pool = createPool();
    pool.login(alice);
    pool.share(alice, 10n);
    pool.pass();
    writeFileSync(join(directory, 'users', alice), '');
    pool.restart();
    expect(text('ckpool.log')).toContain(`Failed to read user ${alice} logfile`);
    expect(pool.shareCount(alice)).toBe(0n);
  });

  it('rewrite the same file in place, and log active users only', () => {
    const pool = createPool();
    [alice, bob].forEach((worker) => { pool.login(worker); });
    pool.share(alice, 10n);
    pool.pass();
    const inode = statSync(join(directory, 'users', bob)).ino;
    now += 59_000;
    pool.share(bob, 3n);
    now += 2_000;
    pool.pass();
    expect(statSync(join(directory, 'users', bob)).ino).toBe(inode);
    const passed = lines().filter((line) => line.includes('"shares"')).map((line) => /User (\S+?):/.exec(line)?.[1]);
    expect(passed).toEqual([alice, bob]);
  });
});

describe('around a block', () => {
  const kinds = (): string[] => lines().map((line) => line.slice(26)).flatMap((line) =>
    /^(Submitting|BLOCK|Block hash|Solved|User|Worker)/.exec(line)?.[0] ?? []);

  it.each([
    ['before', ['Submitting', 'BLOCK', 'Block hash', 'Solved', 'User', 'Worker']],
    ['after', ['Submitting', 'BLOCK', 'Solved', 'User', 'Worker', 'Block hash']],
    ['none', ['Submitting', 'BLOCK', 'Solved', 'User', 'Worker']],
  ] as const)('the new tip %s the solve line', (anchor, expected) => {
    const pool = createPool();
    pool.login(alice_rig);
    const first = kinds().length;
    pool.solve(alice_rig, 122, { hash: 'bb'.repeat(32), anchor });
    expect(kinds().slice(first)).toEqual(expected);
    expect(text('ckpool.log')).toContain('Solved and confirmed block 122 by bcrt1qalice.rig1\n');
  });

  it('stamps never go back, and the solving share counts only after the lines', () => {
    const pool = createPool();
    pool.login(alice);
    for (let height = 122; height < 160; height += 1) {
      now += 5;
      pool.solve(alice, height, { hash: 'bb'.repeat(32), difficulty: 7n });
    }
    const stamps = lines().map((line) => stampOf(line) ?? 0);
    expect(stamps).toEqual([...stamps].sort((one, other) => one - other));
    expect(pool.shareCount(alice)).toBe(38n * 7n);
    const early = kinds().join(' ').match(/Block hash Solved/g)?.length ?? 0;
    expect(early).toBeGreaterThan(5);
    expect(early).toBeLessThan(25);
  });

  it('a lost line leaves the tip as the only trace', () => {
    const pool = createPool();
    pool.login(alice);
    pool.solve(alice, 122, { hash: 'bb'.repeat(32), line: false, anchor: 'after' });
    expect(text('ckpool.log')).not.toContain('Solved');
    expect(text('ckpool.log')).toContain(`Block hash changed to ${'bb'.repeat(32)}`);
  });

  it('at log level 4 neither tips nor User lines with shares are printed', () => {
    const pool = createPool({ log_level: 4 });
    pool.login(alice);
    pool.share(alice, 5n);
    pool.solve(alice, 122, { hash: 'bb'.repeat(32) });
    pool.pass();
    expect(text('ckpool.log')).toContain('Solved and confirmed block 122');
    expect(text('ckpool.log')).not.toMatch(/changed to|"shares"|Authorised|Pool:/);
    expect(userShares(alice)).toBe(13);
  });

  it('the share log holds the proof under the height that was worked on', () => {
    const pool = createPool();
    pool.login(alice);
    pool.solve(alice, 122, { hash: 'bb'.repeat(32), proof: { enonce1: '01', nonce2: '02', nonce: 'deadbeef', ntime: '6b001100' } });
    const folder = readdirSync(join(directory, '0000007a'));
    expect(folder).toHaveLength(1);
    expect(text(`0000007a/${folder[0] ?? ''}`)).toContain('"nonce": "deadbeef"');
  });
});

describe('rotation', () => {
  it('after a rename lines go on into the old file for a minute', () => {
    const pool = createPool();
    pool.login(alice);
    pool.rotate('rename');
    now += 59_000;
    pool.share(alice, 1n);
    expect(() => text('ckpool.log')).toThrow();
    const before = lines('ckpool.log.1').length;
    now += 2_000;
    pool.share(alice, 1n);
    expect(lines()).toHaveLength(1);
    expect(lines('ckpool.log.1')).toHaveLength(before);
  });

  it('copytruncate keeps the file and its inode', () => {
    const pool = createPool();
    const inode = statSync(join(directory, 'ckpool.log')).ino;
    const before = text('ckpool.log');
    pool.rotate('copytruncate');
    expect([text('ckpool.log.1'), text('ckpool.log')]).toEqual([before, '']);
    expect(statSync(join(directory, 'ckpool.log')).ino).toBe(inode);
  });
});

it('one seed gives the same bytes', () => {
  liveThrough(createPool());
  const first = lines();
  rmSync(directory, { recursive: true });
  now = start_ms;
  liveThrough(createPool());
  expect(lines()).toEqual(first);
});
