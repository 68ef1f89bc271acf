import {
  appendFileSync, chmodSync, closeSync, copyFileSync, futimesSync, linkSync, mkdirSync, openSync, readFileSync,
  renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync, writeSync,
} from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unpackRecording } from '../../lab/recordings.js';
import { systemClock } from '../../shared/clock.js';
import { openLogFiles } from './log-files.js';
import { createTestPool, createTestReader, quiet, type TestPool, type TestReader } from './log-reader.fixture.js';

let pool: TestPool;
let reader: TestReader;
beforeEach(() => {
  pool = createTestPool();
  reader = createTestReader(pool.log);
});
afterEach(async () => {
  await reader.close();
  pool.remove();
});

const compress = (file: string): void => {
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
  rmSync(file);
};

/** Root may read everything: the test gives that up for a while. */
async function asNobody(act: () => Promise<void>): Promise<void> {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid!(65_534);
  try {
    await act();
  } finally {
    if (root) process.seteuid!(0);
  }
}

describe('fault 30: a log that only grows', () => {
  it('is read to its last whole line and on from there, and is never changed (D-17)', async () => {
    const lines = pool.write(5);
    appendFileSync(pool.log, '[2026-11-20 09:00:01.000] tor');
    expect(await reader.drain()).toEqual(lines);
    const size = statSync(pool.log).size;
    appendFileSync(pool.log, 'n\n');
    lines.push('[2026-11-20 09:00:01.000] torn', ...pool.write(3));
    await reader.restart();
    expect(await reader.drain()).toEqual(lines);
    expect(statSync(pool.log).size).toBeGreaterThan(size);
    expect(reader.gaps).toEqual([]);
    expect(reader.cursors).toHaveLength(1);
  });

  it('a line that is longer than a whole read costs no memory and is stepped over (D-38)', async () => {
    reader = createTestReader(pool.log, { bytes_max: 1000 });
    const lines = pool.write(2);
    appendFileSync(pool.log, `${'x'.repeat(500_000)}\n`);
    lines.push(...pool.write(2));
    expect(await reader.drain()).toEqual(lines);
  });

  it('a hole of a gigabyte without a newline is stepped over', async () => {
    const lines = pool.write(2);
    truncateSync(pool.log, 2 ** 30);
    appendFileSync(pool.log, '\n');
    lines.push(...pool.write(1));
    expect(await reader.drain()).toEqual(lines);
  });
});

describe('fault 29: a rotation by rename', () => {
  it('loses no line that ckpool still writes to the old file (D-17)', async () => {
    const lines = pool.write(3);
    await reader.drain();
    renameSync(pool.log, `${pool.log}.1`);
    lines.push(...pool.write(2, `${pool.log}.1`));
    expect(await reader.drain()).toEqual(lines);
    const newer = pool.write(2);
    expect(await reader.drain()).toEqual(lines);
    lines.push(...pool.write(1, `${pool.log}.1`));
    expect(await reader.drain()).toEqual(lines);
    quiet(`${pool.log}.1`);
    expect(await reader.drain()).toEqual([...lines, ...newer]);
    expect(reader.cursors.map((cursor) => cursor.state)).toEqual(['finished', 'current']);
    expect(reader.gaps).toEqual([]);
  });

  it('does not wait when it reads only what is there (--once)', async () => {
    const lines = pool.write(3);
    reader = createTestReader(pool.log, { once: true });
    await reader.drain();
    renameSync(pool.log, `${pool.log}.1`);
    lines.push(...pool.write(2, `${pool.log}.1`), ...pool.write(2));
    expect(await reader.drain()).toEqual(lines);
  });

  it.each([false, true])('twice while we were down, compressed: %s', async (compressed) => {
    const lines = pool.write(300);
    await reader.drain();
    lines.push(...pool.write(300));
    await reader.restart();
    renameSync(pool.log, `${pool.log}.2`);
    lines.push(...pool.write(5));
    renameSync(pool.log, `${pool.log}.1`);
    lines.push(...pool.write(4));
    for (const name of [`${pool.log}.1`, `${pool.log}.2`]) quiet(name);
    if (compressed) for (const name of [`${pool.log}.1`, `${pool.log}.2`]) compress(name);
    expect(await reader.drain()).toEqual(lines);
    expect(reader.gaps).toEqual([]);
    expect(reader.cursors).toHaveLength(3);
    await reader.restart();
    expect(await reader.drain()).toEqual(lines);
  });

  it('goes on in a file that was compressed half read, with small reads', async () => {
    reader = createTestReader(pool.log, { bytes_max: 700 });
    const lines = pool.write(4000);
    await reader.step();
    await reader.step();
    renameSync(pool.log, `${pool.log}-20261101`);
    compress(`${pool.log}-20261101`);
    await reader.restart();
    lines.push(...pool.write(2));
    expect(await reader.drain()).toEqual(lines);
  });

  it('to a dated name with a link at the configured path follows the link', async () => {
    const first = `${pool.log}.20261101`;
    const second = `${pool.log}.20261102`;
    const lines = pool.write(2, first);
    symlinkSync(first, pool.log);
    await reader.drain();
    lines.push(...pool.write(1, first));
    rmSync(pool.log);
    symlinkSync(second, pool.log);
    lines.push(...pool.write(2, second));
    quiet(first);
    expect(await reader.drain()).toEqual(lines);
  });

  it('waits for a file that is still being compressed', async () => {
    const lines = pool.write(2000);
    await reader.step();
    const whole = gzipSync(readFileSync(pool.log));
    rmSync(pool.log);
    await reader.restart();
    writeFileSync(`${pool.log}.1.gz`, whole.subarray(0, whole.length / 2));
    const newer = pool.write(2);
    const before = [...reader.lines];
    expect(await reader.drain()).toEqual(before);
    writeFileSync(`${pool.log}.1.gz`, Buffer.concat([whole, gzipSync('')]));
    expect(await reader.drain()).toEqual([...lines, ...newer]);
    expect(reader.gaps).toEqual([]);
  });
});

describe('fault 29: a truncated log', () => {
  it('is read on in the copy that was made before, then from its start (copytruncate)', async () => {
    const lines = pool.write(3);
    await reader.drain();
    lines.push(...pool.write(2));
    copyFileSync(pool.log, `${pool.log}.1`);
    truncateSync(pool.log, 0);
    lines.push(...pool.write(1));
    expect(await reader.drain()).toEqual(lines);
    expect(reader.gaps).toEqual([]);
  });

  it('is told from a grown one although it has grown past the old place', async () => {
    const lines = pool.write(3);
    await reader.drain();
    truncateSync(pool.log, 0);
    lines.push(...pool.write(50));
    expect(await reader.drain()).toEqual(lines);
    expect(reader.gaps).toEqual([expect.stringMatching(/ckpool\.log was cut or removed after its byte 99,/)]);
    expect(reader.cursors.map((cursor) => cursor.log_start)).toEqual([0n, 99n]);
  });

  it('that lost only its tail goes on at its end, without doubling a line', async () => {
    const lines = pool.write(50);
    await reader.drain();
    truncateSync(pool.log, statSync(pool.log).size - 100);
    await reader.drain();
    appendFileSync(pool.log, '\n');
    lines.push(...pool.write(2));
    const read = await reader.drain();
    expect(read.filter((line) => lines.includes(line))).toEqual(lines);
    expect(reader.gaps).toHaveLength(1);
  });

  it('while it is being read gives no byte of the new content for the old', async () => {
    pool.write(100);
    const files = openLogFiles({ log_file: pool.log, quiet_ms: 60_000, once: false, clock: systemClock });
    const { parts: [part] } = await files.survey([]);
    truncateSync(pool.log, 0);
    await expect(files.read(part!, 1050n, 1000)).rejects.toMatchObject({ kind: 'retry', where: 'files' });
    pool.write(200);
    await expect(files.read(part!, 1050n, 1000)).rejects.toMatchObject({ kind: 'retry', where: 'files' });
    await files.close();
  });
});

describe('fault 29: a deleted log', () => {
  it('that was recreated while we were down leaves a gap that is told once', async () => {
    const lines = pool.write(3);
    await reader.drain();
    await reader.restart();
    rmSync(pool.log);
    lines.push(...pool.write(3));
    expect(await reader.drain()).toEqual(lines);
    lines.push(...pool.write(3));
    expect(await reader.drain()).toEqual(lines);
    expect(reader.gaps).toHaveLength(1);
  });

  it('is read to its end while we hold it open', async () => {
    const lines = pool.write(3);
    await reader.drain();
    const held_by_ckpool = openSync(pool.log, 'a');
    rmSync(pool.log);
    const late = '[2026-11-20 09:30:00.000] late';
    writeSync(held_by_ckpool, `${late}\n`);
    const newer = pool.write(2);
    expect(await reader.drain()).toEqual([...lines, late]);
    futimesSync(held_by_ckpool, new Date(0), new Date(0));
    closeSync(held_by_ckpool);
    expect(await reader.drain()).toEqual([...lines, late, ...newer]);
  });

  it('whose inode is used again is another log', async () => {
    const lines = pool.write(3);
    await reader.drain();
    const cursor = reader.cursors[0]!;
    await reader.restart();
    rmSync(pool.log);
    lines.push(...pool.write(9));
    cursor.inode = statSync(pool.log, { bigint: true }).ino.toString();
    expect(await reader.drain()).toEqual(lines);
  });

  it('that is not back yet is waited for', async () => {
    const files = openLogFiles({ log_file: pool.log, quiet_ms: 60_000, once: true, clock: systemClock });
    expect(await files.survey([])).toEqual({ parts: [], gap: null, behind: null, missing: expect.stringMatching(/"logfile"/) });
    rmSync(pool.directory, { recursive: true });
    expect(await files.survey([])).toEqual({ parts: [], gap: null, behind: null, missing: expect.stringMatching(/"logdir"/) });
    await files.close();
  });
});

describe('the first start', () => {
  it('reads the three files of the busy recording in the order they were written', async () => {
    const recording = await unpackRecording('busy');
    const busy = createTestReader(recording.log_file, { once: true });
    await busy.drain();
    expect(busy.cursors.map((cursor) => path.basename(cursor.path))).toEqual(['ckpool.log.1', 'ckpool.log.2', 'ckpool.log']);
    const text = ['.1', '.2', ''].map((suffix) => readFileSync(recording.log_file + suffix, 'latin1')).join('');
    expect(busy.lines.join('\n') === text.trimEnd()).toBe(true);
    await busy.close();
    await recording.remove();
  });

  it('reads copies of one log once, and nothing that is no log', async () => {
    reader = createTestReader(pool.log, { once: true });
    const oldest = pool.write(100, `${pool.log}.2`);
    copyFileSync(`${pool.log}.2`, `${pool.log}.9`);
    truncateSync(`${pool.log}.9`, 700);
    writeFileSync(`${pool.log}.8.gz`, gzipSync(readFileSync(`${pool.log}.2`)));
    linkSync(`${pool.log}.2`, `${pool.log}.7`);
    const lines = [...oldest, ...pool.write(3)];
    copyFileSync(pool.log, `${pool.log}.bak`);
    pool.write(2, path.join(pool.directory, 'other.log'));
    mkdirSync(`${pool.log}.d`);
    symlinkSync(path.join(pool.directory, 'other.log'), `${pool.log}.link`);
    writeFileSync(`${pool.log}.swp`, 'b0VIM 8.2');
    lines.push(...pool.write(2));
    expect(await reader.drain()).toEqual(lines);
    expect(reader.cursors).toHaveLength(2);
  });

  it('refuses a log that it may not read, with path and key', async () => {
    pool.write(1);
    chmodSync(pool.directory, 0o755);
    chmodSync(pool.log, 0);
    await asNobody(() => expect(reader.step()).rejects.toMatchObject({
      kind: 'refused', where: 'files', message: expect.stringMatching(/ckpool\.log \(key "logfile"\) may not be read/),
    }));
  });

  it('refuses when a rotated file may not be read, later no more', async () => {
    const lines = pool.write(1, `${pool.log}.1`);
    lines.push(...pool.write(1));
    quiet(`${pool.log}.1`);
    chmodSync(pool.directory, 0o755);
    chmodSync(`${pool.log}.1`, 0);
    await asNobody(() => expect(reader.step()).rejects.toMatchObject({ kind: 'refused', where: 'files' }));
    await reader.drain();
    await reader.restart();
    lines.push(...pool.write(1));
    await asNobody(() => expect(reader.drain()).resolves.toEqual(lines));
  });

  it('refuses a directory in the place of the log', async () => {
    mkdirSync(pool.log);
    await expect(reader.step()).rejects.toMatchObject({ kind: 'refused', where: 'files' });
  });
});
