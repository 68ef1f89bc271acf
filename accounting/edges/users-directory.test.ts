import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostile_names, hostile_users } from '../../lab/hostile-names.js';
import { unpackRecording } from '../../lab/recordings.js';
import type { NameBytes } from '../../shared/username.js';
import { readAllUsers, readUsers } from './users-directory.js';

let directory: string;
beforeEach(() => { directory = mkdtempSync(path.join(tmpdir(), 'users-')); });
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const put = (name: string, content: string): void =>
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, 'latin1')]), content);
const read = async (...names: string[]) => readUsers(directory, names as NameBytes[]);

describe('the files of some users', () => {
  it('are counters, and no file is no counter rather than zero', async () => {
    put('alice', '{"shares": 9007199254740993}\n');
    put('\xff\xfe\n', '{"shares": 7}\n');
    expect([...await read('alice', '\xff\xfe\n', 'nobody', 'alice')]).toEqual([
      ['alice', { counter: 9007199254740993n }], ['\xff\xfe\n', { counter: 7n }], ['nobody', { absent: true }],
    ]);
  });

  it('keep names that differ only in case apart', async () => {
    put('BCRT1', '{"shares": 1}');
    put('bcrt1', '{"shares": 2}');
    expect([...await read('BCRT1', 'bcrt1')]).toEqual([['BCRT1', { counter: 1n }], ['bcrt1', { counter: 2n }]]);
  });

  it('fault 34: are read again when they are being rewritten (D-23)', async () => {
    put('alice', '');
    put('bob', '{"shares": 1');
    setTimeout(() => {
      put('alice', '{"shares": 5}');
      put('bob', '{"shares": 12}');
    }, 60);
    expect([...await read('alice', 'bob')]).toEqual([['alice', { counter: 5n }], ['bob', { counter: 12n }]]);
  });

  it('fault 33: are unreadable when they stay empty or torn: a full disk is not a fall to zero (D-23)', async () => {
    put('alice', '');
    put('bob', '{"shares": 1');
    put('carol', `{"shares": 5}${' '.repeat(100_000)}`);
    put('dave', `{"shares": 5}${' '.repeat(10_000)}`);
    expect([...await read('alice', 'bob', 'carol', 'dave')]).toEqual([
      ['alice', { unreadable: 'users/alice is empty' }],
      ['bob', { unreadable: 'users/bob is not a JSON object' }],
      ['carol', { unreadable: expect.stringMatching(/longer than/) }],
      ['dave', { counter: 5n }],
    ]);
  });

  it('fault 33: are never something else: no link, pipe or directory is followed, waited for or entered', async () => {
    writeFileSync(path.join(directory, 'secret.txt'), '{"shares": 999}');
    symlinkSync(path.join(directory, 'secret.txt'), path.join(directory, 'link'));
    execFileSync('mkfifo', [path.join(directory, 'pipe')]);
    mkdirSync(path.join(directory, 'folder'));
    const readings = await read('link', 'pipe', 'folder', '../secret', '..', '', 'secret.txt', `${'u'.repeat(128)}`);
    for (const reading of readings.values()) expect(reading).toEqual({ absent: true });
    expect(await readAllUsers(directory)).toEqual(new Map());
  });

  it('of thousands of users are read with few files open at a time', async () => {
    for (let user = 0; user < 3000; user++) put(`user${user}`, `{"shares": ${user}}`);
    for (let user = 0; user < 1000; user++) put(`empty${user}`, '');
    const started_ms = performance.now();
    const readings = await readAllUsers(directory);
    expect(performance.now() - started_ms).toBeLessThan(10_000);
    expect(readings.size).toBe(4000);
    expect(readings.get('user2999' as NameBytes)).toEqual({ counter: 2999n });
  });
});

describe('all files', () => {
  it('fault 36: of hostile names are found by their exact bytes, and no name leads out of the directory', async () => {
    for (const { name } of hostile_users) put(name, '{"shares": 7}');
    expect([...(await readAllUsers(directory)).keys()].sort()).toEqual(hostile_users.map(({ name }) => name).sort());
    for (const { name, can_log_in } of hostile_names) {
      expect([...await read(name)]).toEqual([[name, can_log_in ? { counter: 7n } : { absent: true }]]);
    }
  });

  it('fault 36: of the recording with hostile names are read, each by its exact bytes (D-31)', async () => {
    const recording = await unpackRecording('hostile-names');
    const readings = await readAllUsers(path.join(recording.log_directory, 'users'));
    await recording.remove();
    const names = [...readings.keys()];
    expect(names).toEqual(expect.arrayContaining([
      '-rf', 'evil\n[2026-11-20 09:30:00', 'sneaky Solved and confirmed block 998 by sneaky', 'back\\slash', 'quo"te',
      Buffer.from('ünïcode').toString('latin1'),
    ]));
    expect([...readings.values()].every((reading) => 'counter' in reading)).toBe(true);
  });

  it('leave out what cannot be a user', async () => {
    put('alice', '{"shares": 5}');
    put('alice.bak', '{"shares": 5}');
    put('alice_rig', '{"shares": 5}');
    put('u'.repeat(128), '{"shares": 5}');
    expect([...(await readAllUsers(directory)).keys()]).toEqual(['alice']);
  });

  it('are none before ckpool made the directory', async () => {
    expect(await readAllUsers(path.join(directory, 'users'))).toEqual(new Map());
    expect([...await readUsers(path.join(directory, 'users'), ['alice' as NameBytes])]).toEqual([['alice', { absent: true }]]);
  });
});

describe('without permission', () => {
  const asNobody = async (act: () => Promise<void>): Promise<void> => {
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid!(65_534);
    await act().finally(() => { if (root) process.seteuid!(0); });
  };

  it('fault 33: one file is unreadable, a whole directory is a failure that names the key', async () => {
    put('alice', '{"shares": 5}');
    chmodSync(path.join(directory, 'alice'), 0);
    chmodSync(directory, 0o755);
    await asNobody(async () => {
      expect([...await read('alice')]).toEqual([['alice', { unreadable: 'users/alice may not be read (EACCES)' }]]);
    });
    chmodSync(directory, 0o444);
    await asNobody(async () => {
      const failure = { kind: 'refused', where: 'files', message: expect.stringMatching(/"logdir"/) };
      await expect(read('alice')).rejects.toMatchObject(failure);
      await expect(readAllUsers(directory)).rejects.toMatchObject(failure);
    });
    chmodSync(directory, 0o755);
  });
});
