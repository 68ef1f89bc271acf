// The command as it is called: a configuration, an SQLite file with the rows of both daemons, share logs on the disk.
import fs, { existsSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { statusOf } from '../../shared/command.js';
import { connect } from '../../shared/database/connect.js';
import { migrate } from '../../shared/database/migrate.js';
import { OutsideFailure } from '../../shared/errors.js';
import { addBlock, createShareLogsOnDisk, markRead, setComplete, share_line, workinfoid, type ShareLogsOnDisk } from '../prune.fixture.js';
import { prune } from './prune.js';

const five = share_line.length * 5;
let logs: ShareLogsOnDisk;
let out: string;

beforeEach(async () => {
  logs = createShareLogsOnDisk();
  out = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  const database = await connect({ engine: 'sqlite', file: path.join(logs.directory, 'pool.sqlite') });
  await migrate(database);
  await addBlock(database, { height: 300, round: 'credited' });
  await addBlock(database, { height: 310, round: null });
  await setComplete(database, 410);
  for (const [height, number] of [[298, 1], [299, 2], [299, 3], [305, 4]] as const) await markRead(database, height, number, five);
  await database.close();
  logs.shareLog(298, 1);
  logs.shareLog(299, 2);
  logs.shareLog(299, 3, 6);
  logs.shareLog(299, 9);
  logs.shareLog(305, 4);
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(logs.directory, { recursive: true, force: true });
});

async function call(parser: object, { json = true, dry_run = false } = {}): Promise<string> {
  const config_file = path.join(logs.directory, 'ckpool.conf');
  writeFileSync(config_file, JSON.stringify({
    btcd: [{ url: '127.0.0.1:1', auth: 'a', pass: 'b' }], btcaddress: 'bcrt1qpool', logdir: logs.directory,
    parser: { sql: { file: 'pool.sqlite' }, ...parser },
  }), { mode: 0o600 });
  out = '';
  const status = await prune({ config_file, json, arguments: [], options: dry_run ? { dryRun: true } : {} });
  expect(status ?? 0).toBe(0);
  return out;
}
/** Without the database's own files: to open it writes there. */
const files = (): string[] => [298, 299, 305].flatMap((height) => (existsSync(logs.pathOf(height)) ? logs.names(height) : []));
const kept = { not_settled: 1, not_read: 2 };

describe('prune', () => {
  it('does nothing unless it is told to', async () => {
    const before = files();
    expect(await call({}, { json: false })).toBe('sharelog_keep is "all": share logs are kept as they are, nothing is to be done.\n');
    expect(JSON.parse(await call({}))).toMatchObject({ sharelog_keep: 'all', heights: [], total: { files: 0, bytes: 0, freed_bytes: 0 } });
    expect(files()).toEqual(before);
  });

  it('--dry-run --json tells what would be done for each height, and why the rest stays', async () => {
    const before = files();
    expect(JSON.parse(await call({ sharelog_keep: 'remove' }, { dry_run: true }))).toEqual({
      sharelog_keep: 'remove', dry_run: true, below_height: 300,
      heights: [
        { height: 298, files: 1, bytes: five, freed_bytes: five, directory_removed: true },
        { height: 299, files: 1, bytes: five, freed_bytes: five, directory_removed: false },
      ],
      total: { files: 2, bytes: 2 * five, freed_bytes: 2 * five }, temporary_files: 0, kept, stopped: null,
    });
    expect(files()).toEqual(before);
  });

  it('compresses what is settled, read and old enough', async () => {
    const answer = JSON.parse(await call({ sharelog_keep: 'compress' }));
    expect(answer).toMatchObject({ dry_run: false, total: { files: 2, bytes: 2 * five }, kept, stopped: null });
    expect(answer.total.freed_bytes).toBeGreaterThan(five);
    expect(files()).toEqual([
      `${workinfoid(1)}.sharelog.gz`, `${workinfoid(2)}.sharelog.gz`, `${workinfoid(3)}.sharelog`, `${workinfoid(9)}.sharelog`,
      `${workinfoid(4)}.sharelog`,
    ]);
    expect(JSON.parse(await call({ sharelog_keep: 'remove' }))).toMatchObject({ total: { files: 2 }, kept });
    expect(files()).toEqual([`${workinfoid(3)}.sharelog`, `${workinfoid(9)}.sharelog`, `${workinfoid(4)}.sharelog`]);
  });

  it('keeps everything while the days to keep are not over', async () => {
    expect(JSON.parse(await call({ sharelog_keep: 'remove', sharelog_keep_days: 36_500 })))
      .toMatchObject({ heights: [], kept: { not_settled: 1, recent: 4 } });
  });

  it('prints a table for people', async () => {
    const text = await call({ sharelog_keep: 'remove' }, { json: false, dry_run: true });
    expect(text.split('\n')).toEqual([
      'height  files  bytes  freed  directory', `   298      1   ${five}   ${five}  removed`, `   299      1   ${five}   ${five}  stays`,
      'Share logs below height 300 that were not changed for 30 days:',
      `2 files of ${2 * five} bytes would be removed, ${2 * five} bytes would be freed`,
      '2 kept: accounting has not read it to its end',
      '1 kept: its work may belong to a round that is not settled', '',
    ]);
  });

  it('ends as a failure of the outside when the disk refuses, after it told what was done', async () => {
    const file = logs.pathOf(299, `${workinfoid(2)}.sharelog`);
    const real = fs.unlinkSync;
    vi.spyOn(fs, 'unlinkSync').mockImplementation((target) => {
      if (target === file) throw Object.assign(new Error('read-only'), { code: 'EROFS' });
      real(target);
    });
    syncBuiltinESMExports();
    const failure = await call({ sharelog_keep: 'remove' }).catch((thrown: unknown) => thrown);
    vi.restoreAllMocks();
    syncBuiltinESMExports();
    expect(failure).toBeInstanceOf(OutsideFailure);
    expect(statusOf(failure)).toBe(3);
    expect((failure as Error).message).toContain(`${file} is on a file system that is mounted read-only`);
    expect(JSON.parse(out)).toMatchObject({ total: { files: 1 }, stopped: (failure as Error).message });
    expect(existsSync(file)).toBe(true);
  });
});

describe('the command line', () => {
  it('knows prune, its option and its examples', async () => {
    const argv = process.argv;
    // The program sets a timer for what keeps it from ending; here the test goes on.
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    try {
      process.argv = ['node', 'obtc-accounting', 'prune', '--help'];
      await import('../main.js');
    } finally {
      process.argv = argv;
      vi.useRealTimers();
      process.stdout.removeAllListeners('error');
      process.stderr.removeAllListeners('error');
    }
    expect(out).toMatch(/compress or remove the share logs of settled rounds/);
    expect(out).toMatch(/--dry-run +say what would be done, and change nothing/);
    expect(out).toContain('obtc-accounting prune --dry-run');
    expect(process.exitCode ?? 0).toBe(0);
  });
});
