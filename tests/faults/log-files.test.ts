// Row 29 of the fault matrix: whatever happens to the file that ckpool writes, no line is lost or counted twice while
// its bytes are anywhere; if they are gone, the block is found in the chain and its work is in the next round.
import {
  copyFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../lab/random.js';
import { expectEveryBlockOnce, openFaultPool, startAtFloor, type FaultPool } from './log-pool.js';

let pool: FaultPool;
beforeEach(async () => { pool = await openFaultPool(); });
afterEach(() => pool.close());

const rotated = (number = 1): string => `${pool.log_file}.${number}`;

function compress(file: string): void {
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
  rmSync(file);
}

/** As after a reboot: what a reader goes by is the time of the last write. */
function longAgo(file: string): void {
  const then = new Date(Date.now() - 300_000);
  utimesSync(file, then, then);
}

/** The file system gives a new file the number of the removed one, as ext4 does at once and others some time. */
async function recreateWithSameInode(): Promise<void> {
  rmSync(pool.log_file);
  pool.say('ckpool generator starting');
  const { ino, dev } = statSync(pool.log_file, { bigint: true });
  await pool.database.knex('log_cursors').update({ inode: ino.toString(), device: dev.toString() });
}

/** The lines of the second block are written, and not yet read, when it happens. */
const accidents: readonly {
  readonly title: string;
  /** The daemon is not running meanwhile. */
  readonly down?: boolean;
  /** The unread lines are nowhere any more. */
  readonly lost?: boolean;
  readonly happens: () => void | Promise<void>;
}[] = [
  { title: 'rename and create', happens: () => renameSync(pool.log_file, rotated()) },
  { title: 'rename and create, while accounting is down', down: true, happens: () => renameSync(pool.log_file, rotated()) },
  {
    title: 'rename twice, while accounting is down', down: true,
    happens: () => {
      renameSync(pool.log_file, rotated(2));
      pool.say('Possible block solve diff 2048.100000 !');
      renameSync(pool.log_file, rotated());
      for (const number of [1, 2]) longAgo(rotated(number));
    },
  },
  {
    title: 'copytruncate',
    happens: () => {
      copyFileSync(pool.log_file, rotated());
      truncateSync(pool.log_file, 0);
    },
  },
  {
    title: 'copytruncate, while accounting is down', down: true,
    happens: () => {
      copyFileSync(pool.log_file, rotated());
      truncateSync(pool.log_file, 0);
    },
  },
  { title: 'truncate to 0, then shorter than before', lost: true, happens: () => truncateSync(pool.log_file, 0) },
  {
    title: 'truncate to 0 and regrow past the old offset', lost: true,
    happens: () => {
      truncateSync(pool.log_file, 0);
      pool.say(...Array.from({ length: 100 }, () => 'Possible block solve diff 2048.100000 !'));
    },
  },
  { title: 'delete and recreate', happens: () => rmSync(pool.log_file) },
  { title: 'delete and recreate with the same inode', down: true, lost: true, happens: recreateWithSameInode },
  {
    title: 'rename and gzip, while accounting is down', down: true,
    happens: () => {
      renameSync(pool.log_file, rotated());
      compress(rotated());
    },
  },
  {
    title: 'a symbolic link that is swapped',
    happens: () => {
      const dated = path.join(pool.directory, 'ckpool.log-20261121');
      renameSync(pool.log_file, path.join(pool.directory, 'ckpool.log-20261120'));
      writeFileSync(dated, '');
      symlinkSync(dated, pool.log_file);
    },
  },
];

describe('fault 29: no block is lost or counted twice, and no work either', () => {
  it.each(accidents.map((accident) => [accident.title, accident] as const))('%s', async (_, { down = false, lost = false, happens }) => {
    const daemon = await startAtFloor(pool);
    pool.block('anna', 100);
    await pool.untilIdle(daemon);
    if (down) await pool.start({ once: true });
    pool.block('bert', 40);
    await happens();
    pool.block('anna', 150);
    const after = down ? await pool.start() : daemon;
    await pool.settle(after);
    pool.block('anna', 157);
    await pool.settle(after);

    await expectEveryBlockOnce(pool, { anna: 157n, bert: 40n });
    const differences = (await pool.recorded()).map(({ difference }) => difference);
    // What no line tells any more the user files tell, behind the lines that are there.
    expect(differences).toEqual(lost ? [100n, null, 50n, 47n] : [100n, 40n, 50n, 7n]);
    expect(await pool.gaps()).toBe(lost ? 1 : 0);
    await pool.settle(await pool.start());
    expect((await pool.recorded()).map(({ difference }) => difference)).toEqual(differences);
    expect(await pool.gaps()).toBe(lost ? 1 : 0);
  });
});

describe('fault 29: accounting waits, and says for what,', () => {
  it('while the log is missing at the start', async () => {
    const daemon = await pool.start();
    expect(existsSync(pool.log_file)).toBe(false);
    await pool.untilIdle(daemon);
    expect(daemon.waitsFor()).toEqual([expect.stringMatching(/"logfile"/)]);
    pool.block('anna', 100);
    await pool.settle(daemon);
    await expectEveryBlockOnce(pool, { anna: 100n });
  });

  it('while the directory is gone, and goes on where it was', async () => {
    const daemon = await startAtFloor(pool);
    pool.block('anna', 100);
    await pool.untilIdle(daemon);
    pool.block('bert', 40);
    renameSync(pool.directory, `${pool.directory}-away`);
    await pool.untilIdle(daemon);
    expect(daemon.waitsFor()).toEqual([expect.stringMatching(/"logdir"/)]);
    renameSync(`${pool.directory}-away`, pool.directory);
    pool.block('anna', 150);
    await pool.settle(daemon);
    expect(daemon.waitsFor()).toEqual([]);
    await expectEveryBlockOnce(pool, { anna: 150n, bert: 40n });
    expect(await pool.gaps()).toBe(0);
  });
});

/** One night of a pool with a careless log rotation; everything that happens comes from the seed. */
async function playSchedule(seed: number): Promise<Record<string, bigint>> {
  const random = createRandom(`rotation ${seed}`);
  const counts: Record<string, bigint> = { anna: 0n, bert: 0n };
  let daemon = await startAtFloor(pool, { chunk_bytes: random.integer(300, 20_000) });
  let rotations = 0;
  for (let event = 0; event < 14; event += 1) {
    const user = random.chance(0.5) ? 'anna' : 'bert';
    counts[user]! += BigInt(random.integer(1, 50));
    pool.block(user, Number(counts[user]));
    if (random.chance(0.5)) await daemon.step();
    if (random.chance(0.25)) daemon = await pool.start({ chunk_bytes: random.integer(300, 20_000) });
    if (!random.chance(0.4)) continue;
    rotations += 1;
    if (random.chance(0.5)) {
      renameSync(pool.log_file, rotated(rotations));
      if (random.chance(0.5)) {
        daemon = await pool.start();
        compress(rotated(rotations));
      }
    } else {
      copyFileSync(pool.log_file, rotated(rotations));
      truncateSync(pool.log_file, 0);
    }
    pool.clock.add(61_000);
  }
  pool.block('anna', Number(counts['anna']! += 1n));
  await pool.settle(daemon);
  return counts;
}

describe('fault 29: any schedule of rotations, restarts and compression keeps every line', () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))('seed %i', async (seed) => {
    const counts = await playSchedule(seed);
    await expectEveryBlockOnce(pool, Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0n)));
    expect((await pool.recorded()).every(({ difference }) => difference !== null)).toBe(true);
    expect(await pool.gaps()).toBe(0);
    expect((await pool.replay()).differences).toEqual([]);
  });
});
