import { execFileSync } from 'node:child_process';
import {
  appendFileSync, chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, unlinkSync,
  utimesSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../shared/clock.js';
import { OutsideFailure } from '../../shared/errors.js';
import { openShareLogs, type ShareLogFile, type ShareLogs } from './share-log-files.js';

let root: string;
let directory: string;
let logs: ShareLogs;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'sharelogs-'));
  directory = path.join(root, 'logs');
  mkdirSync(directory);
  logs = openShareLogs({ log_directory: directory, clock: systemClock });
});
afterEach(() => {
  logs.close();
  rmSync(root, { recursive: true, force: true });
});

const heightName = (height: number): string => height.toString(16).padStart(8, '0');
const idOf = (counter: number): string => `6b00110b${counter.toString(16).padStart(8, '0')}`;
const pathOf = (height: number, counter: number, suffix = '.sharelog'): string =>
  path.join(directory, heightName(height), `${idOf(counter)}${suffix}`);

function put(height: number, counter: number, content: string | Buffer = 'line\n', suffix?: string): void {
  mkdirSync(path.join(directory, heightName(height)), { recursive: true });
  writeFileSync(pathOf(height, counter, suffix), content);
}

/** As if ckpool had written all of the height that long ago. */
function age(height: number, counter: number, age_ms: number): void {
  const then = new Date(Date.now() - age_ms);
  utimesSync(pathOf(height, counter), then, then);
  utimesSync(path.join(directory, heightName(height)), then, then);
}

type Cursors = Map<number, Map<string, number>>;
const none: Cursors = new Map();
const survey = (cursors: Cursors = none, everything = false, from = logs): Promise<ShareLogFile[]> =>
  from.survey(async (height) => cursors.get(height) ?? new Map(), everything);
const named = (files: readonly ShareLogFile[]): string[] =>
  files.map((file) => `${file.height}/${parseInt(file.workinfoid.slice(8), 16)}+${file.size}`);

/** Reads all of it, as the daemon does: whole lines count, the rest waits. */
async function readAll(file: ShareLogFile, cursors: Cursors, from = logs): Promise<string> {
  const height = cursors.get(file.height) ?? new Map<string, number>();
  cursors.set(file.height, height);
  const offset = height.get(file.workinfoid) ?? 0;
  const bytes = await from.read(file, offset, 1_000_000);
  const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
  height.set(file.workinfoid, offset + whole.length);
  return whole.toString();
}

async function drain(cursors: Cursors, everything = false, from = logs): Promise<string[]> {
  const read: string[] = [];
  for (let files = await survey(cursors, everything, from); files.length > 0;) {
    for (const file of files) {
      await readAll(file, cursors, from);
      read.push(...named([file]));
    }
    files = await survey(cursors, everything, from);
  }
  return read;
}

describe('the share logs of a pool', () => {
  it('are there as soon as ckpool has made a directory for them, and not before', () => {
    expect(logs.present()).toBe(false);
    mkdirSync(path.join(directory, 'users'));
    mkdirSync(path.join(directory, '0000007A'));
    writeFileSync(path.join(directory, '0000007b'), 'a file');
    expect(logs.present()).toBe(false);
    mkdirSync(path.join(directory, '0000007a'));
    expect(logs.present()).toBe(true);
  });

  it('are none where there is no log directory yet', async () => {
    logs = openShareLogs({ log_directory: path.join(root, 'later'), clock: systemClock });
    expect(logs.present()).toBe(false);
    expect(await survey(none, true)).toEqual([]);
    expect(await logs.filesOf(122)).toEqual([]);
    expect(await logs.file(122, idOf(1))).toBeNull();
  });

  it('are listed by height and work, with what is unread only', async () => {
    put(300, 2, 'four\n');
    put(122, 0x10, 'a\nb\n');
    put(122, 9);
    expect(named(await survey())).toEqual(['122/9+5', '122/16+4', '300/2+5']);
    const cursors: Cursors = new Map([[122, new Map([[idOf(9), 5], [idOf(16), 2]])]]);
    const files = await survey(cursors);
    expect(named(files)).toEqual(['122/16+4', '300/2+5']);
    expect(files[0]).toMatchObject({ path: pathOf(122, 16), compressed: false, workinfoid: '6b00110b00000010' });
    expect((await logs.read(files[0]!, 2, 100)).toString()).toBe('b\n');
    expect((await logs.read(files[0]!, 0, 3)).toString()).toBe('a\nb');
    expect(named(await logs.filesOf(122))).toEqual(['122/9+5', '122/16+4']);
    expect(await logs.file(122, idOf(17))).toBeNull();
    expect(await logs.file(122, '../../../etc/passwd')).toBeNull();
  });

  it('are never something else: no link, pipe, or file of another name is followed, waited for or listed', async () => {
    put(122, 1);
    writeFileSync(path.join(root, 'secret'), 'secret\n');
    symlinkSync(path.join(root, 'secret'), pathOf(122, 2));
    execFileSync('mkfifo', [pathOf(122, 3)]);
    mkdirSync(pathOf(122, 4));
    mkdirSync(path.join(root, 'elsewhere'));
    writeFileSync(path.join(root, 'elsewhere', `${idOf(5)}.sharelog`), 'line\n');
    symlinkSync(path.join(root, 'elsewhere'), path.join(directory, heightName(123)));
    mkdirSync(path.join(directory, 'users'));
    for (const name of [`users/${idOf(6)}.sharelog`, 'ckpool.log', `${heightName(122)}/${idOf(7).toUpperCase()}.sharelog`,
      `${heightName(122)}/${idOf(8)}.sharelog.tmp`, `${heightName(122)}/x${idOf(9)}.sharelog`]) {
      writeFileSync(path.join(directory, name), 'line\n');
    }
    for (const everything of [true, false]) expect(named(await survey(none, everything))).toEqual(['122/1+5']);
    expect(named(await logs.filesOf(122))).toEqual(['122/1+5']);
    expect(await logs.filesOf(123)).toEqual([]);
    expect(await logs.file(123, idOf(5))).toBeNull();
    expect(await logs.file(122, idOf(2))).toBeNull();
    const swapped = (await survey())[0]!;
    unlinkSync(swapped.path);
    symlinkSync(path.join(root, 'secret'), swapped.path);
    expect(await logs.read(swapped, 0, 100)).toHaveLength(0);
  });

  it('that may not be read say so in a sentence, and nothing is taken for absent', async () => {
    put(122, 1);
    if (process.getuid?.() === 0) return refusedToAnother();
    chmodSync(path.join(directory, heightName(122)), 0o000);
    try {
      await expect(survey()).rejects.toThrow(/0000007a \(key "logdir"\) may not be read by this user/);
    } finally {
      chmodSync(path.join(directory, heightName(122)), 0o755);
    }
  });

  /** Root may read everything, so the look is taken as another user. */
  async function refusedToAnother(): Promise<void> {
    chmodSync(root, 0o755);
    const sentence = /(0000007a|sharelog) \(key "logdir"\) may not be read by this user: give its group read access/;
    for (const [what, mode] of [[heightName(122), 0o000], [`${heightName(122)}/${idOf(1)}.sharelog`, 0o000]] as const) {
      chmodSync(path.join(directory, what), mode);
      process.seteuid!(65_534);
      try {
        const look = async (): Promise<void> => {
          for (const file of await survey()) await logs.read(file, 0, 100);
        };
        await expect(look()).rejects.toThrow(sentence);
        await expect(look()).rejects.toBeInstanceOf(OutsideFailure);
      } finally {
        process.seteuid!(0);
        chmodSync(path.join(directory, what), 0o755);
      }
    }
    expect(named(await survey())).toEqual(['122/1+5']);
  }
});

describe('new shares', () => {
  it('are seen at the next survey: in a file, in a new file, in a new height', async () => {
    const cursors: Cursors = new Map();
    put(122, 1);
    expect(await drain(cursors)).toEqual(['122/1+5']);
    expect(await survey(cursors)).toEqual([]);
    appendFileSync(pathOf(122, 1), 'more\n');
    expect(await drain(cursors)).toEqual(['122/1+10']);
    put(122, 2);
    expect(await drain(cursors)).toEqual(['122/2+5']);
    put(123, 3);
    put(121, 0);
    expect(await drain(cursors)).toEqual(['121/0+5', '123/3+5']);
  });

  it('are seen in the newest three heights however old these are, and in older ones that changed lately', async () => {
    const cursors: Cursors = new Map();
    for (let height = 100; height < 110; height++) {
      put(height, 1);
      age(height, 1, height === 102 ? 60_000 : 3_600_000);
    }
    expect(await drain(cursors)).toHaveLength(10);
    for (let height = 100; height < 110; height++) appendFileSync(pathOf(height, 1), 'late\n');
    expect(await drain(cursors)).toEqual(['102/1+10', '107/1+10', '108/1+10', '109/1+10']);
    expect(await drain(cursors, true)).toHaveLength(6);
  });

  it('in a new file of an old height are found within the turn of all directories (a deep reorg)', async () => {
    const cursors: Cursors = new Map();
    for (let height = 1000; height < 1300; height++) {
      put(height, 1);
      age(height, 1, 3_600_000);
    }
    await drain(cursors);
    expect(await survey(cursors)).toEqual([]);
    put(1100, 2);
    const seen: string[] = [];
    for (let look = 0; look < 4; look++) seen.push(...await drain(cursors));
    expect(seen).toEqual(['1100/2+5']);
  });

  it('at the end of a file that are torn wait, and cost nothing until the rest of the line comes', async () => {
    const cursors: Cursors = new Map();
    put(122, 1, 'whole\nto');
    const [file] = await survey(cursors);
    expect(await readAll(file!, cursors)).toBe('whole\n');
    expect(cursors.get(122)!.get(idOf(1))).toBe(6);
    expect(await survey(cursors)).toEqual([]);
    expect(await survey(cursors, true)).toEqual([]);
    appendFileSync(pathOf(122, 1), 'rn\n');
    const [grown] = await survey(cursors);
    expect(await readAll(grown!, cursors)).toBe('torn\n');
    expect(await survey(cursors)).toEqual([]);
  });

  it('are listed again while they were not read, even where nothing changes any more', async () => {
    put(122, 1);
    for (let height = 200; height < 205; height++) put(height, 1);
    age(122, 1, 3_600_000);
    for (let look = 0; look < 3; look++) expect(named(await survey())[0]).toBe('122/1+5');
  });

  it('in a file that vanishes after it was listed are absent, not a failure', async () => {
    put(122, 1);
    put(123, 1);
    const files = await survey();
    unlinkSync(pathOf(122, 1));
    rmSync(path.join(directory, heightName(123)), { recursive: true });
    for (const file of files) expect(await logs.read(file, 0, 100)).toHaveLength(0);
    expect(await survey()).toEqual([]);
  });

  it('are not looked for in a file that became shorter, and it is said once', async () => {
    const cursors: Cursors = new Map();
    put(122, 1, 'one\ntwo\n');
    await drain(cursors);
    truncateSync(pathOf(122, 1), 4);
    expect(await survey(cursors)).toEqual([]);
    await survey(cursors);
    expect(logs.complaints()).toEqual([expect.stringMatching(/0000007a.* has 4 bytes, but 8 were read before/)]);
    expect(logs.complaints()).toEqual([]);
  });

  it('of heights that took their names out of order are all found, whenever the daemon starts again', async () => {
    const cursors: Cursors = new Map();
    for (const height of [5, 3, 9, 1]) {
      put(height, height);
      logs.close();
      logs = openShareLogs({ log_directory: directory, clock: systemClock });
      expect(await drain(cursors, true)).toEqual([`${height}/${height}+5`]);
    }
  });
});

describe('compressed share logs', () => {
  const content = Buffer.from(Array.from({ length: 50_000 }, (_, line) => `line ${line} ${line * 7919}\n`).join(''));

  it('are the same file: same size, same bytes at every offset, and the plain one wins', async () => {
    put(122, 1, gzipSync(content), '.sharelog.gz');
    const [file] = await survey();
    expect(file).toMatchObject({ height: 122, workinfoid: idOf(1), compressed: true, size: content.length });
    for (const [from, length] of [[0, 100], [100, 50], [5, 400_000], [content.length - 3, 100], [0, 10_000_000],
      [content.length, 10], [400_000, 7]] as const) {
      const bytes = await logs.read(file!, from, length);
      expect(bytes.equals(content.subarray(from, from + length))).toBe(true);
    }
    put(122, 1, 'plain\n');
    expect(await survey()).toMatchObject([{ compressed: false, size: 6 }]);
    expect(await logs.filesOf(122)).toMatchObject([{ compressed: false, size: 6 }]);
    expect(await logs.file(122, idOf(1))).toMatchObject({ compressed: false });
  });

  it('that take the place of a plain one while it is read go on at the same offset, and nothing is read twice', async () => {
    put(122, 1, content);
    const cursors: Cursors = new Map([[122, new Map([[idOf(1), 1000]])]]);
    const [file] = await survey(cursors);
    put(122, 1, gzipSync(content), '.tmp');
    renameSync(pathOf(122, 1, '.tmp'), pathOf(122, 1, '.sharelog.gz'));
    unlinkSync(pathOf(122, 1));
    expect((await logs.read(file!, 1000, 5000)).equals(content.subarray(1000, 6000))).toBe(true);
    cursors.get(122)!.set(idOf(1), content.length);
    expect(await survey(cursors)).toEqual([]);
    expect(await survey(cursors, true)).toEqual([]);
    expect(logs.complaints()).toEqual([]);
  });

  it('that are cut off or damaged give what is there, say so once, and hold up nothing', async () => {
    const whole = gzipSync(content);
    put(122, 1, whole.subarray(0, whole.length / 2), '.sharelog.gz');
    const damaged = Buffer.from(whole);
    damaged.fill(0xff, whole.length / 2, whole.length / 2 + 200);
    put(122, 2, damaged, '.sharelog.gz');
    put(122, 3, Buffer.alloc(0), '.sharelog.gz');
    put(122, 4, 'no gzip at all, though its name says so', '.sharelog.gz');
    const cursors: Cursors = new Map();
    await drain(cursors, true);
    const read_to = cursors.get(122)!;
    expect(read_to.get(idOf(1))).toBeGreaterThan(content.length / 4);
    expect(read_to.get(idOf(1))).toBeLessThan(content.length);
    expect(read_to.get(idOf(3))).toBeUndefined();
    expect(await survey(cursors)).toEqual([]);
    const complaints = logs.complaints();
    expect(complaints.filter((sentence) => sentence.includes('is damaged after'))).toHaveLength(3);
    await survey(cursors, true);
    expect(logs.complaints()).toEqual([]);
  });
});

describe('many share logs', () => {
  it('growing at once are all reached, and those that grow fastest do not hold back the others', async () => {
    const files = 4_500;
    for (let counter = 0; counter < files; counter++) put(122, counter);
    const cursors: Cursors = new Map();
    const seen = new Set<string>();
    for (let look = 0; look < 3; look++) {
      const listed = await survey(cursors);
      expect(listed.length).toBeLessThanOrEqual(2_000);
      for (const file of listed) {
        seen.add(file.workinfoid);
        await readAll(file, cursors);
        appendFileSync(file.path, 'more\n');
      }
    }
    expect(seen.size).toBe(files);
    // All have grown meanwhile: from the first on again.
    expect((await survey(cursors))[0]!.workinfoid).toBe(idOf(0));
  });

  it('are read whole at a start in several surveys, each file once', async () => {
    for (let height = 0; height < 250; height++) {
      for (let counter = 0; counter < 20; counter++) put(height + 500, counter);
      age(height + 500, 0, 3_600_000);
    }
    const cursors: Cursors = new Map();
    const read = await drain(cursors, true);
    expect(read).toHaveLength(5_000);
    expect(new Set(read).size).toBe(5_000);
    expect(read.indexOf('501/0+5')).toBe(20);
  });

  it('of a walk that was broken off are found by the surveys after it', async () => {
    for (let height = 500; height < 700; height++) {
      for (let counter = 0; counter < 20; counter++) put(height, counter);
      age(height, 0, 3_600_000);
    }
    const first = await survey(none, true);
    expect(first).toHaveLength(2_000);
    // What was listed there is never read; the caller goes on without asking for everything.
    const cursors: Cursors = new Map();
    expect(new Set(await drain(cursors)).size).toBe(4_000);
  });

  it('are walked a moment at each survey once all were: new shares do not wait for a year of old ones', async () => {
    let now_ms = 0;
    // Each look at the clock takes a moment: a walk stops after each height.
    const slow: Clock = { ...systemClock, monotonic_ms: () => (now_ms += 25) };
    const walking = openShareLogs({ log_directory: directory, clock: slow });
    const cursors: Cursors = new Map();
    for (let height = 500; height < 520; height++) {
      put(height, 1);
      age(height, 1, 3_600_000);
    }
    expect(await drain(cursors, true, walking)).toHaveLength(20);
    appendFileSync(pathOf(505, 1), 'late\n');
    appendFileSync(pathOf(519, 1), 'new\n');
    expect(await drain(cursors, true, walking)).toEqual(['519/1+9']);
    const found: string[] = [];
    for (let look = 0; look < 10; look++) found.push(...await drain(cursors, false, walking));
    expect(found).toEqual(['505/1+10']);
    // Nobody looked for an hour: then all of it at once.
    now_ms += 3_600_000;
    appendFileSync(pathOf(506, 1), 'late\n');
    expect(await drain(cursors, true, walking)).toEqual(['506/1+10']);
    walking.close();
  });

  it('and a database that does not answer: nothing is skipped afterwards', async () => {
    for (let height = 500; height < 510; height++) put(height, 1);
    let calls = 0;
    const failing = async (): Promise<Map<string, number>> => {
      if (++calls === 5) throw new Error('gone');
      return new Map();
    };
    await expect(logs.survey(failing, true)).rejects.toThrow('gone');
    expect(await drain(new Map())).toHaveLength(10);
  });

  it('are polled cheaply: no question to the database while nothing changes', async () => {
    const cursors: Cursors = new Map();
    for (let height = 500; height < 510; height++) put(height, 1);
    await drain(cursors);
    const asked: number[] = [];
    const count = async (height: number): Promise<ReadonlyMap<string, number>> => {
      asked.push(height);
      return cursors.get(height)!;
    };
    expect(await logs.survey(count, false)).toEqual([]);
    expect(asked).toEqual([]);
    appendFileSync(pathOf(505, 1), 'more\n');
    expect(named(await logs.survey(count, false))).toEqual(['505/1+10']);
    expect(asked).toEqual([505]);
  });

  it('leave the heights in play when nothing changed for a quarter of an hour', async () => {
    let ahead_ms = 0;
    const clock: Clock = {
      ...systemClock, now_ms: () => Date.now() + ahead_ms, monotonic_ms: () => performance.now() + ahead_ms,
    };
    const aged = openShareLogs({ log_directory: directory, clock });
    const cursors: Cursors = new Map();
    for (let height = 500; height < 510; height++) put(height, 1);
    await drain(cursors, false, aged);
    ahead_ms = 16 * 60_000;
    expect(await drain(cursors, false, aged)).toEqual([]);
    for (let height = 500; height < 510; height++) appendFileSync(pathOf(height, 1), 'late\n');
    expect(await drain(cursors, false, aged)).toEqual(['507/1+10', '508/1+10', '509/1+10']);
    aged.close();
  });
});
