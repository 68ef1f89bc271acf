import { appendFileSync, chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReadMark } from './core/share-retention.js';
import { createShareLogsOnDisk, old_seconds, share_line, workinfoid, type ShareLogsOnDisk } from './prune.fixture.js';
import { carryOut, forecast, planPrune, type PrunePlan, type PruneResult, type PruneSettings } from './prune-share-logs.js';

let logs: ShareLogsOnDisk;
beforeEach(() => { logs = createShareLogsOnDisk(); });
afterEach(() => rmSync(logs.directory, { recursive: true, force: true }));

const five = share_line.length * 5;
const dead_process = 2_147_483_646;

/** All share logs are read to `offset`, unless a test says otherwise. */
const settings = (change: Partial<PruneSettings> = {}, offset = five): PruneSettings => ({
  limit: { below_height: 300, before_seconds: 1_000 }, keep_days: 30, now_ms: Date.UTC(2026, 10, 20), share_logs_count: true,
  log_directory: logs.directory, action: 'compress',
  marksOf: async () => new Map<string, ReadMark>([1, 2, 3, 4].map((number) => [workinfoid(number), { offset, last_seconds: 999 }])),
  ...change,
});

async function prune(change: Partial<PruneSettings> = {}, offset = five): Promise<PruneResult> {
  const all = settings(change, offset);
  return carryOut(await planPrune(all), all.action);
}
const plan = (change: Partial<PruneSettings> = {}, offset = five): Promise<PrunePlan> => planPrune(settings(change, offset));

describe('compressing', () => {
  it('keeps content, time, mode and owner, and leaves one .gz in place of each file', async () => {
    const file = logs.shareLog(299, 1);
    chmodSync(file, 0o640);
    logs.shareLog(298, 2);
    const { uid, gid } = lstatSync(file);
    const result = await prune();
    expect(logs.names(299)).toEqual([`${workinfoid(1)}.sharelog.gz`]);
    const status = lstatSync(`${file}.gz`);
    expect(gunzipSync(readFileSync(`${file}.gz`)).toString()).toBe(share_line.repeat(5));
    expect(status).toMatchObject({ mtimeMs: old_seconds * 1000, uid, gid });
    expect(status.mode & 0o777).toBe(0o640);
    expect(result.heights.map(({ height, files, bytes }) => [height, files, bytes])).toEqual([[298, 1, five], [299, 1, five]]);
    expect(result.heights[1]!.freed_bytes).toBe(five - status.size);
    expect(result).toMatchObject({ stopped: null, temporary_files: 0 });
  });

  it('does nothing the second time', async () => {
    logs.shareLog(299, 1);
    await prune();
    const before = logs.state();
    expect(await prune()).toMatchObject({ heights: [], kept: new Map([['compressed', 1]]) });
    expect(logs.state()).toBe(before);
  });

  it('gives back every content byte by byte, torn last lines and what is no text included', async () => {
    const contents = fc.array(fc.uint8Array({ maxLength: 3_000 }), { minLength: 1, maxLength: 3 });
    await fc.assert(fc.asyncProperty(contents, async (blocks) => {
      blocks.forEach((block, index) => logs.write(200, `${workinfoid(index)}.sharelog`, Buffer.from(block)));
      await prune({ share_logs_count: false });
      blocks.forEach((block, index) => {
        const file = logs.pathOf(200, `${workinfoid(index)}.sharelog`);
        expect(existsSync(file)).toBe(false);
        expect(gunzipSync(readFileSync(`${file}.gz`)).equals(Buffer.from(block))).toBe(true);
      });
      rmSync(logs.pathOf(200), { recursive: true });
    }), { numRuns: 30 });
  });
});

describe('removing', () => {
  it('unlinks plain and compressed files, then their directory', async () => {
    logs.shareLog(299, 1);
    logs.write(299, `${workinfoid(2)}.sharelog.gz`, gzipSync(share_line.repeat(5)));
    logs.shareLog(300, 3);
    const result = await prune({ action: 'remove' });
    expect(existsSync(logs.pathOf(299))).toBe(false);
    expect(logs.names(300)).toEqual([`${workinfoid(3)}.sharelog`]);
    expect(result.heights).toEqual([
      { height: 299, files: 2, bytes: result.heights[0]!.bytes, freed_bytes: result.heights[0]!.bytes, directory_removed: true },
    ]);
    expect(result.kept).toEqual(new Map([['not_settled', 1]]));
  });

  it('leaves a directory in which anything is left', async () => {
    logs.shareLog(299, 1);
    logs.write(299, 'notes.txt', 'mine');
    const result = await prune({ action: 'remove' });
    expect(logs.names(299)).toEqual(['notes.txt']);
    expect(result.heights).toMatchObject([{ files: 1, directory_removed: false }]);
    expect(result.kept).toEqual(new Map([['foreign', 1]]));
  });

  it('takes away an empty directory that a killed prune left, but none of a height that is needed', async () => {
    mkdirSync(logs.pathOf(298));
    mkdirSync(logs.pathOf(300));
    expect((await prune({ action: 'remove' })).heights).toMatchObject([{ height: 298, files: 0, directory_removed: true }]);
    expect([existsSync(logs.pathOf(298)), existsSync(logs.pathOf(300))]).toEqual([false, true]);
  });
});

describe('a dry run', () => {
  it.each(['compress', 'remove'] as const)('of %s touches nothing and tells what would be done', async (action) => {
    logs.shareLog(299, 1);
    logs.shareLog(299, 2);
    logs.shareLog(301, 3);
    logs.write(299, `${workinfoid(9)}.sharelog.gz.${dead_process}.part`, 'half');
    const before = logs.state();
    const told = forecast(await plan({ action }), action);
    expect(logs.state()).toBe(before);
    expect(told).toEqual({
      heights: [{ height: 299, files: 2, bytes: 2 * five, freed_bytes: action === 'remove' ? 2 * five : null, directory_removed: action === 'remove' }],
      temporary_files: 1, kept: new Map([['not_settled', 1]]), stopped: null,
    });
    const done = await prune({ action });
    expect(done.heights.map(({ height, files, bytes }) => [height, files, bytes])).toEqual([[299, 2, 2 * five]]);
    expect(done.kept).toEqual(told.kept);
  });
});

describe.each(['compress', 'remove'] as const)('what is not done with stays (%s)', (action) => {
  const kept = async (change: Partial<PruneSettings> = {}, offset = five) => {
    const before = logs.state();
    const { heights, kept: reasons } = await prune({ action, ...change }, offset);
    expect(heights).toEqual([]);
    expect(logs.state()).toBe(before);
    return Object.fromEntries(reasons);
  };

  it('no settled round at all', async () => {
    logs.shareLog(1, 1);
    expect(await kept({ limit: null })).toEqual({ not_settled: 1 });
  });
  it('at or above the settled height', async () => {
    logs.shareLog(300, 1);
    logs.shareLog(0x7fffffff, 2);
    expect(await kept()).toEqual({ not_settled: 2 });
  });
  it('changed within the days to keep', async () => {
    logs.shareLog(299, 1, 5, Date.UTC(2026, 10, 19) / 1000);
    expect(await kept()).toEqual({ recent: 1 });
  });
  it('never read', async () => {
    logs.shareLog(299, 77);
    expect(await kept()).toEqual({ not_read: 1 });
  });
  it('not read to the end: a whole line is left', async () => {
    logs.shareLog(299, 1, 6);
    expect(await kept()).toEqual({ not_read: 1 });
  });
  it('shorter than what was read of it', async () => {
    logs.shareLog(299, 1, 4);
    expect(await kept()).toEqual({ not_read: 1 });
  });
  it('a share later than the last settled block', async () => {
    logs.shareLog(299, 1);
    expect(await kept({ limit: { below_height: 300, before_seconds: 999 } })).toEqual({ later_work: 1 });
  });
  it('links, directories and names that are not ckpool\'s', async () => {
    const outside = path.join(logs.directory, 'outside');
    writeFileSync(outside, share_line);
    utimesSync(outside, old_seconds, old_seconds);
    mkdirSync(logs.pathOf(299, `${workinfoid(2)}.sharelog`), { recursive: true });
    symlinkSync(outside, logs.pathOf(299, `${workinfoid(1)}.sharelog`));
    logs.write(299, `${workinfoid(3)}.sharelog.bak`, '');
    logs.write(299, `${workinfoid(3).toUpperCase()}.sharelog`, '');
    expect(await kept()).toEqual({ foreign: 4 });
  });
  it('a height that is a link to another directory, and names that are no heights', async () => {
    logs.shareLog(0x500, 1);
    symlinkSync(logs.pathOf(0x500), logs.pathOf(0x100));
    mkdirSync(path.join(logs.directory, 'users'));
    writeFileSync(path.join(logs.directory, '00000007'), 'a file');
    expect(await kept()).toEqual({ not_settled: 1 });
  });
  it('a log directory that does not exist', async () => {
    expect((await prune({ action, log_directory: path.join(logs.directory, 'none') })).heights).toEqual([]);
  });
});

describe('a torn last line', () => {
  it.each(['compress', 'remove'] as const)('that accounting waits for does not hold up its file (%s)', async (action) => {
    logs.write(299, `${workinfoid(1)}.sharelog`, `${share_line.repeat(5)}{"workinfoid": 7, "di`);
    expect((await prune({ action })).heights).toMatchObject([{ height: 299, files: 1 }]);
  });

  it('in a compressed file neither; one that is damaged stays', async () => {
    logs.write(299, `${workinfoid(1)}.sharelog.gz`, gzipSync(`${share_line.repeat(5)}{"work`));
    logs.write(298, `${workinfoid(2)}.sharelog.gz`, gzipSync(share_line.repeat(6)));
    logs.write(297, `${workinfoid(3)}.sharelog.gz`, gzipSync(`${share_line.repeat(5)}{"work`).subarray(0, 40));
    expect(await prune({ action: 'remove' })).toMatchObject({ heights: [{ height: 299, files: 1 }], kept: new Map([['not_read', 2]]) });
  });
});

describe('where counters count', () => {
  it('share logs that nobody reads may go all the same', async () => {
    logs.shareLog(299, 77);
    expect((await prune({ action: 'remove', share_logs_count: false })).heights).toMatchObject([{ height: 299, files: 1 }]);
  });
});

describe('ckpool writes meanwhile', () => {
  it.each(['compress', 'remove'] as const)('a file that grew after it was looked at stays (%s)', async (action) => {
    const file = logs.shareLog(299, 1);
    const planned = await plan({ action });
    appendFileSync(file, share_line);
    const result = await carryOut(planned, action);
    expect(result).toMatchObject({ heights: [], kept: new Map([['changed', 1]]) });
    expect(logs.names(299)).toEqual([`${workinfoid(1)}.sharelog`]);
    expect(readFileSync(file, 'utf8')).toBe(share_line.repeat(6));
  });

  it('a file that grows while it is compressed stays, and no copy of it', async () => {
    const file = logs.shareLog(299, 1);
    const result = await carryOut(await plan(), 'compress', {
      openTarget: async (target, mode) => {
        appendFileSync(file, share_line);
        return open(target, 'wx', mode);
      },
    });
    expect(result).toMatchObject({ heights: [], kept: new Map([['changed', 1]]) });
    expect(logs.names(299)).toEqual([`${workinfoid(1)}.sharelog`]);
  });

  it.each(['compress', 'remove'] as const)('a file that became a link stays, and what it links to (%s)', async (action) => {
    const file = logs.shareLog(299, 1);
    const planned = await plan({ action });
    const elsewhere = path.join(logs.directory, 'elsewhere');
    writeFileSync(elsewhere, share_line.repeat(5));
    rmSync(file);
    symlinkSync(elsewhere, file);
    expect((await carryOut(planned, action)).kept).toEqual(new Map([['changed', 1]]));
    expect([existsSync(elsewhere), lstatSync(file).isSymbolicLink()]).toEqual([true, true]);
  });
});

describe('killed', () => {
  const content = share_line.repeat(5);
  const gz = (): string => logs.pathOf(299, `${workinfoid(1)}.sharelog.gz`);

  it('while the copy was written: the half copy is taken away and made again', async () => {
    logs.shareLog(299, 1);
    logs.write(299, `${workinfoid(1)}.sharelog.gz.${dead_process}.part`, gzipSync(content).subarray(0, 30));
    expect(await prune()).toMatchObject({ temporary_files: 1, heights: [{ files: 1 }] });
    expect(logs.names(299)).toEqual([`${workinfoid(1)}.sharelog.gz`]);
    expect(gunzipSync(readFileSync(gz())).toString()).toBe(content);
  });

  it('between the rename and the unlink: both are there, they are compared, the plain file goes', async () => {
    logs.shareLog(299, 1);
    logs.write(299, `${workinfoid(1)}.sharelog.gz`, gzipSync(content));
    expect((await prune()).heights).toEqual([
      { height: 299, files: 1, bytes: five + lstatSync(gz()).size, freed_bytes: five, directory_removed: false },
    ]);
    expect(logs.names(299)).toEqual([`${workinfoid(1)}.sharelog.gz`]);
  });

  it.each([['other content', gzipSync(`${content}x`)], ['damaged', gzipSync(content).subarray(0, 50)], ['empty', Buffer.alloc(0)]])(
    'or so it seems, but the copy is not one (%s): both stay', async (_, copy) => {
      logs.shareLog(299, 1);
      logs.write(299, `${workinfoid(1)}.sharelog.gz`, copy);
      const before = logs.state();
      expect(await prune()).toMatchObject({ heights: [], kept: new Map([['copy_differs', 1]]) });
      expect(logs.state()).toBe(before);
    });

  it('leaves to another prune that is alive what it is writing', async () => {
    logs.shareLog(301, 1);
    const name = `${workinfoid(2)}.sharelog.gz.${process.ppid}.part`;
    logs.write(301, name, 'half', Date.UTC(2026, 10, 19, 23) / 1000);
    expect(await prune()).toMatchObject({ temporary_files: 0 });
    expect(logs.names(301)).toContain(name);
    logs.write(301, name, 'half');
    expect(await prune()).toMatchObject({ temporary_files: 1 });
  });
});

describe('the disk', () => {
  it('is full: everything is as it was, what was done before stands, and the sentence says so', async () => {
    logs.shareLog(298, 1);
    const file = logs.shareLog(299, 2);
    let opened = 0;
    const result = await carryOut(await plan(), 'compress', {
      openTarget: async (target, mode) => {
        const real = await open(target, 'wx', mode);
        if ((opened += 1) === 1) return real;
        await real.close();
        return open('/dev/full', 'w');
      },
    });
    expect(result.heights).toMatchObject([{ height: 298, files: 1 }]);
    expect(result.stopped).toMatchObject({ where: 'files', code: 'ENOSPC' });
    expect(result.stopped!.message).toBe(`There is no room left to compress ${file}: it stays as it was; free some space and run prune again.`);
    expect(logs.names(299)).toEqual([`${workinfoid(2)}.sharelog`]);
    expect(readFileSync(file, 'utf8')).toBe(share_line.repeat(5));
  });

  it.each([
    ['EACCES', /may not be changed by this user: run prune as the user that ckpool runs as, or give .* \(key "logdir"\)\.$/],
    ['EROFS', /mounted read-only: run prune where the log directory \(key "logdir"\) may be written to\.$/],
    ['EIO', /could not be changed \(EIO\): look at the disk it is on\.$/],
  ])('refuses with %s: a sentence with path and remedy', async (code, sentence) => {
    const file = logs.shareLog(299, 1);
    const before = logs.state();
    const result = await carryOut(await plan(), 'compress', { openTarget: () => Promise.reject(Object.assign(new Error(code), { code })) });
    expect(result.stopped).toMatchObject({ where: 'files', code });
    expect(result.stopped!.message).toMatch(sentence);
    expect(result.stopped!.message).toContain(file);
    expect(logs.state()).toBe(before);
  });

  it('gives back something else than was written: the copy is thrown away', async () => {
    const file = logs.shareLog(299, 1);
    const result = await carryOut(await plan(), 'compress', {
      openTarget: async (target, mode) => {
        writeFileSync(target, gzipSync('something else'), { mode });
        return open('/dev/null', 'r+');
      },
    });
    expect(result.stopped?.message ?? '').toContain(file);
    expect(logs.names(299)).toEqual([`${workinfoid(1)}.sharelog`]);
  });
});
