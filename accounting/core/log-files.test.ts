import { describe, expect, it } from 'vitest';
import { fingerprintOf, isSettled, planReading, type LogFile, type StoredCursor } from './log-files.js';

/** A log whose lines all begin with the same stamp; `hour` makes it another log. */
function logFile(path: string, hour: number, changes: Partial<LogFile> = {}): LogFile {
  const stamp = `2026-11-20 ${String(hour).padStart(2, '0')}:00:00.000`;
  const head = Buffer.from(`[${stamp}] ckpool stratifier starting\n`.repeat(4));
  return {
    path, live: path === 'ckpool.log', compressed: path.endsWith('.gz'), device: '1', inode: path, size: BigInt(head.length),
    mtime_ms: hour, quiet: false, head, first_stamp: stamp, has_whole_line: true, ...changes,
  };
}

function cursorOf(file: LogFile, changes: Partial<StoredCursor> = {}): StoredCursor {
  return {
    sequence: 1, path: file.path, device: file.device, inode: file.inode, log_start: 0n, file_offset: file.size,
    fingerprint_length: file.head.length, fingerprint: fingerprintOf(file.head, file.head.length), state: 'current', ...changes,
  };
}

const order = (files: LogFile[], cursors: StoredCursor[]) => {
  const { files: planned, gap } = planReading(files, cursors);
  return { paths: planned.map(({ file, from, continues }) => `${file.path} ${from}${continues ? ' on' : ''}`), gap };
};

describe('the order of reading', () => {
  it('is by first stamp, whatever the names and times say, and the live log is last', () => {
    const files = [logFile('ckpool.log', 1), logFile('ckpool.log.1', 4, { mtime_ms: 0 }), logFile('ckpool.log.9', 5), logFile('ckpool.log.2', 3)];
    expect(order(files, [])).toEqual({
      paths: ['ckpool.log.2 0', 'ckpool.log.1 0', 'ckpool.log.9 0', 'ckpool.log 0'], gap: null,
    });
  });

  it('takes the longest of copies, plain before compressed, the live log before all', () => {
    const copies = [logFile('ckpool.log.1', 3, { size: 90n }), logFile('ckpool.log.2', 3, { size: 99n }), logFile('ckpool.log.3.gz', 3, { size: 999n })];
    expect(order(copies, []).paths).toEqual(['ckpool.log.2 0']);
    expect(order([...copies, logFile('ckpool.log', 3)], []).paths).toEqual(['ckpool.log 0']);
  });

  it('goes on where the cursor stands, found by content when the inode is another', () => {
    const [old, live] = [logFile('ckpool.log.1.gz', 3), logFile('ckpool.log', 4)];
    expect(order([old, live], [cursorOf(old, { inode: 'gone', file_offset: 70n })]).paths).toEqual(['ckpool.log.1.gz 70 on', 'ckpool.log 0']);
  });

  it('never goes back behind the cursor, and never reads again what a finished cursor names', () => {
    const [older, old, live] = [logFile('ckpool.log.3', 2), logFile('ckpool.log.1', 3), logFile('ckpool.log', 4)];
    expect(order([older, old, live], [cursorOf(live)]).paths).toEqual([`ckpool.log ${live.size} on`]);
    expect(order([logFile('ckpool.log.7', 3), logFile('ckpool.log.8', 5), live], [
      cursorOf(old, { state: 'finished' }), cursorOf(logFile('x', 4), { sequence: 2, inode: 'gone', state: 'finished' }),
    ]).paths).toEqual([]);
  });

  it('tells a gap when the cursor stands in a file that is nowhere', () => {
    const found = order([logFile('ckpool.log', 4)], [cursorOf(logFile('ckpool.log', 3))]);
    expect(found).toEqual({ paths: ['ckpool.log 0'], gap: expect.stringMatching(/^ckpool.log was cut or removed/) });
  });

  it('does not take an inode for an identity when nothing was read of the file', () => {
    const empty = cursorOf(logFile('ckpool.log', 3), { fingerprint_length: 0, fingerprint: fingerprintOf(Buffer.alloc(0), 0), file_offset: 0n, state: 'finished' });
    expect(order([logFile('ckpool.log', 4)], [empty, cursorOf(logFile('ckpool.log.1', 2), { sequence: 2, state: 'finished' })]).paths)
      .toEqual(['ckpool.log 0']);
  });

  it('notices a finished file that grew', () => {
    const old = logFile('ckpool.log.1', 3);
    const cursors = [cursorOf(old, { state: 'finished', file_offset: old.size - 9n }), cursorOf(logFile('ckpool.log', 4), { sequence: 2 })];
    expect(planReading([old, logFile('ckpool.log', 4)], cursors).grown).toEqual([{ path: 'ckpool.log.1', size: old.size, file_offset: old.size - 9n }]);
  });
});

describe('an older file is settled', () => {
  const plan = (...files: LogFile[]) => files.map((file) => ({ file, from: 0n, continues: true }));
  const live = logFile('ckpool.log', 9);
  it.each<[string, boolean, Partial<LogFile>, number, { once?: boolean; cut?: boolean }]>([
    ['not while it changes', false, {}, 1, {}],
    ['when it is quiet and a newer one exists', true, { quiet: true }, 1, {}],
    ['not when it is quiet and the newest', false, { quiet: true }, 0, {}],
    ['when ckpool has written to two newer ones', true, {}, 2, {}],
    ['with --once when one newer has a line', true, {}, 1, { once: true }],
    ['not with --once when none has', false, {}, 0, { once: true }],
    ['when it is compressed', true, { compressed: true }, 0, {}],
    ['when it is the copy of a log that was then truncated', true, {}, 1, { cut: true }],
    ['never when it is the live log', false, { live: true, quiet: true }, 1, { once: true, cut: true }],
  ])('%s', (_, settled, changes, newer, { once = false, cut = false }) => {
    const files = plan(logFile('old', 1, changes), ...Array.from({ length: newer }, (__, index) => logFile(`newer${index}`, 2 + index)));
    expect(isSettled(files, 0, newer > 0 ? live : null, once, cut)).toBe(settled);
  });
});
