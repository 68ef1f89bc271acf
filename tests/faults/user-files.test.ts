// Rows 33 to 35 of the fault matrix: the files under users/. Whatever stands in the place of one of them, nobody else is
// held up, the last good count stays, and what was missed is counted when the file is good again.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAllUsers, readUsers } from '../../accounting/edges/users-directory.js';
import { userLine } from '../../accounting/pool.fixture.js';
import type { NameBytes } from '../../shared/username.js';
import { expectEveryBlockOnce, openFaultPool, startAtFloor, type FaultPool } from './log-pool.js';

let pool: FaultPool;
beforeEach(async () => { pool = await openFaultPool(); });
afterEach(() => pool.close());

const usersDirectory = (): string => path.join(pool.directory, 'users');
const fileOf = (user: string): string => path.join(usersDirectory(), user);
const putText = (text: string) => (): void => writeFileSync(fileOf('anna'), text);

/** Instead of the file, something that is none. */
function putInstead(make: (file: string) => void): () => void {
  return () => {
    rmSync(fileOf('anna'));
    make(fileOf('anna'));
  };
}

/** `flagged`: the incident; there is a file that cannot be used, or there is none. */
const spoilt: readonly [title: string, flagged: 'user_file_unreadable' | 'line_dropped', spoil: () => void][] = [
  ['empty', 'user_file_unreadable', putText('')],
  ['half', 'user_file_unreadable', putText('{"hashrate1m": "1T", "shares": 2')],
  ['garbage', 'user_file_unreadable', () => writeFileSync(fileOf('anna'), Buffer.from(Array.from({ length: 300 }, (_, at) => (at * 37) % 256)))],
  ['NUL bytes', 'user_file_unreadable', putText('\0'.repeat(200))],
  ['an array', 'user_file_unreadable', putText('[{"shares": 200}]')],
  ['a number', 'user_file_unreadable', putText('200')],
  ['without shares', 'user_file_unreadable', putText('{"hashrate1m": "1T"}')],
  ['shares in quotes', 'user_file_unreadable', putText('{"shares": "200"}')],
  ['a fraction', 'user_file_unreadable', putText('{"shares": 200.5}')],
  ['a negative count', 'user_file_unreadable', putText('{"shares": -200}')],
  ['1e308', 'user_file_unreadable', putText('{"shares": 1e308}')],
  ['beyond 64 bits', 'user_file_unreadable', putText('{"shares": 9223372036854775808}')],
  ['deep JSON', 'user_file_unreadable', putText(`{"shares": 200, "a": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`)],
  ['deeper JSON than is read', 'user_file_unreadable', putText(`{"shares": 200, "a": ${'['.repeat(200_000)}${']'.repeat(200_000)}}`)],
  ['100 MB', 'user_file_unreadable', () => {
    writeFileSync(fileOf('anna'), '{"shares": 200}');
    truncateSync(fileOf('anna'), 100_000_000);
  }],
  ['removed', 'line_dropped', () => rmSync(fileOf('anna'))],
  ['a directory', 'line_dropped', putInstead((file) => mkdirSync(file))],
  ['a FIFO', 'line_dropped', putInstead((file) => execFileSync('mkfifo', [file]))],
  ['a symbolic link to /etc/passwd', 'line_dropped', putInstead((file) => symlinkSync('/etc/passwd', file))],
  ['a symbolic link to another user', 'line_dropped', putInstead((file) => symlinkSync(fileOf('bert'), file))],
  ['a symbolic link to itself', 'line_dropped', putInstead((file) => symlinkSync('anna', file))],
  ['a link to a device without end', 'line_dropped', putInstead((file) => symlinkSync('/dev/zero', file))],
];

async function expectOnlyAnnaWaits(spoil: () => void, flagged: string): Promise<void> {
  const daemon = await startAtFloor(pool);
  pool.pass('anna', 100);
  pool.block('bert', 50);
  await pool.untilIdle(daemon);
  spoil();
  pool.say(userLine('anna', 200));
  pool.block('bert', 80);
  const began_ms = performance.now();
  await pool.settle(daemon);
  expect(performance.now() - began_ms).toBeLessThan(5_000);
  expect(await pool.counts()).toEqual({ anna: 100n, bert: 80n });
  const about = (await pool.rows('incidents')).filter(({ kind }) => kind === flagged);
  expect(about).toHaveLength(1);

  rmSync(fileOf('anna'), { recursive: true, force: true });
  pool.pass('anna', 230);
  pool.block('bert', 85);
  await pool.settle(daemon);
  await expectEveryBlockOnce(pool, { anna: 230n, bert: 85n });
  expect((await pool.recorded()).map(({ difference }) => difference)).toEqual([150n, 30n, 135n]);
}

describe('fault 33: a user file that is none costs its user some minutes and nobody anything; it is flagged', () => {
  it.each(spoilt)('%s', async (_, flagged, spoil) => { await expectOnlyAnnaWaits(spoil, flagged); });

  it('unreadable (mode 000)', async () => {
    // Root may read everything: it is given up for the reading, and what is the daemon's stays open.
    const root = process.geteuid?.() === 0;
    const daemon = await startAtFloor(pool);
    pool.pass('anna', 100);
    pool.block('bert', 50);
    await pool.untilIdle(daemon);
    chmodSync(path.dirname(pool.directory), 0o755);
    chmodSync(fileOf('anna'), 0);
    if (root) process.seteuid!(65_534);
    try {
      expect((await readUsers(usersDirectory(), ['anna', 'bert'] as NameBytes[])).get('anna' as NameBytes))
        .toEqual({ unreadable: 'users/anna may not be read (EACCES)' });
    } finally {
      if (root) process.seteuid!(0);
    }
  });

  it('names that cannot be users are left out, and files that come and go while they are listed break nothing', async () => {
    for (const name of ['.hidden', 'anna.rig', 'anna_rig', 'x'.repeat(128)]) writeFileSync(fileOf(name), '{"shares": 9}');
    pool.file('anna', 100);
    const goer = startChild(`
      const { rmSync, writeFileSync } = require('node:fs');
      for (let round = 0; ; round += 1) {
        const file = directory + '/' + 'goer' + (round % 7);
        writeFileSync(file, '{"shares": 5}');
        if (round % 3 === 0) writeFileSync(file, '');
        rmSync(file);
      }`);
    try {
      await goer.started;
      for (let look = 0; look < 60; look += 1) {
        const readings = await readAllUsers(usersDirectory());
        expect(readings.get('anna' as NameBytes)).toMatchObject({ counter: 100n });
        for (const [name, reading] of readings) {
          if (name === 'anna') continue;
          expect(name).toMatch(/^goer\d$/);
          expect('counter' in reading ? reading : { counter: 5n }).toEqual({ counter: 5n });
        }
      }
    } finally {
      await goer.end();
    }
  });
});

/** Runs a script with `directory` in it in a process of its own, until it is ended by its process id. */
function startChild(script: string): { readonly started: Promise<unknown>; end(): Promise<void> } {
  const begin = `const directory = process.argv[1]; process.stdout.write('writing');`;
  const child: ChildProcess = spawn(process.execPath, ['-e', `${begin}${script}`, usersDirectory()], { stdio: ['ignore', 'pipe', 'inherit'] });
  return {
    started: once(child.stdout!, 'data'),
    end: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

describe('fault 34: while ckpool rewrites a file in place, never is a half value read', () => {
  // Every count that is ever whole is a multiple of 1 000 003 with 16 digits: a part of one, or a mixture of two, is none.
  const unit = 1_000_003n;
  const writer = (parts: number): string => `
    const { closeSync, openSync, writeSync } = require('node:fs');
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let count = 10n ** 16n / 1000003n + 1n; ; count += 1n) {
      const text = '{"hashrate1m": "1T", "shares": ' + count * 1000003n + ', "bestshare": 1.5}\\n';
      const file = openSync(directory + '/anna', 'w');
      for (let part = 0; part < ${parts}; part += 1) {
        writeSync(file, text.slice(Math.floor(text.length * part / ${parts}), Math.floor(text.length * (part + 1) / ${parts})));
      }
      closeSync(file);
      Atomics.wait(pause, 0, 0, 1);
    }`;

  it.each([[1, 'in one write, as the C library does for a short file'], [40, 'in forty writes']])('%i: %s', async (parts) => {
    const rewriting = startChild(writer(parts));
    try {
      await rewriting.started;
      while (!existsSync(fileOf('anna'))) await new Promise((resolve) => { setTimeout(resolve, 1); });
      let latest = 0n;
      let whole = 0;
      for (let look = 0; look < 200; look += 1) {
        const reading = (await readUsers(usersDirectory(), ['anna' as NameBytes])).get('anna' as NameBytes)!;
        if (!('counter' in reading)) {
          expect(Object.keys(reading)).toEqual(['unreadable']);
          continue;
        }
        whole += 1;
        expect(reading.counter % unit).toBe(0n);
        expect(reading.counter >= latest).toBe(true);
        latest = reading.counter;
      }
      expect(whole).toBeGreaterThan(20);
    } finally {
      await rewriting.end();
    }
  });
});

describe('fault 35: whatever a count does, no difference is negative and the work of a round is what was done', () => {
  it.each<[string, () => void, Record<string, bigint>, bigint[]]>([
    ['falls to zero: a new base, nothing is added or taken', () => pool.pass('anna', 0), { anna: 100n, bert: 51n }, [150n, 1n]],
    ['falls, and grows again: only the growth is added', () => { pool.pass('anna', 40); pool.pass('anna', 45); }, { anna: 105n, bert: 51n }, [150n, 6n]],
    ['jumps by 10^15', () => pool.pass('anna', 1_000_000_000_000_100), { anna: 1_000_000_000_000_100n, bert: 51n }, [150n, 1_000_000_000_000_001n]],
    ['jumps to the largest there is', () => pool.pass('anna', 2n ** 63n - 1n), { anna: 2n ** 63n - 1n, bert: 51n }, [150n, 2n ** 63n - 100n]],
    ['of a user who was renamed: two users, each with what stood in his file', () => { rmSync(fileOf('anna')); pool.pass('ann', 7); }, { anna: 100n, ann: 7n, bert: 51n }, [150n, 8n]],
    ['of a user who comes in the middle of a round', () => pool.pass('carl', 20), { anna: 100n, bert: 51n, carl: 20n }, [150n, 21n]],
    ['of a user who went and came back: no work is counted again', () => { rmSync(fileOf('anna')); pool.say(userLine('bert', 50)); pool.pass('anna', 130); }, { anna: 130n, bert: 51n }, [150n, 31n]],
  ])('%s', async (_, happens, counts, differences) => {
    const daemon = await startAtFloor(pool);
    pool.pass('anna', 100);
    pool.block('bert', 50);
    await pool.settle(daemon);
    happens();
    pool.block('bert', 51);
    await pool.settle(daemon);
    await expectEveryBlockOnce(pool, counts);
    expect((await pool.recorded()).map(({ difference }) => difference)).toEqual(differences);
    expect((await pool.replay()).differences).toEqual([]);
    expect(readdirSync(usersDirectory())).toContain('bert');
  });

  it('a fall is an incident that names the user, and both counts', async () => {
    const daemon = await startAtFloor(pool);
    pool.block('anna', 100);
    await pool.settle(daemon);
    pool.block('anna', 30);
    await pool.settle(daemon);
    expect((await pool.rows('incidents')).map(({ kind, detail }) => [kind, detail]))
      .toEqual([['counter_fell', expect.stringMatching(/from 100 to 30; nothing is added/)]]);
  });
});
