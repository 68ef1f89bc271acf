// Row 30 of the fault matrix: whatever bytes stand in the log, and wherever the reads are cut, the facts are the same.
// (How much memory a line of a gigabyte or ten million lines cost is measured by the fuzzing; here it is about what
// is written of them.)
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { userLine } from '../../accounting/pool.fixture.js';
import { expectEveryBlockOnce, openFaultPool, startAtFloor, type FaultPool } from './log-pool.js';

let pool: FaultPool;
beforeEach(async () => { pool = await openFaultPool(); });
afterEach(() => pool.close());

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const stamped = (text: string, stamp = '2026-11-20 09:00:00.000'): string => `[${stamp}] ${text}\n`;
/** Every byte value but the end of a line, without a message in it. */
const garbage = Buffer.from(Array.from({ length: 2_000 }, (_, at) => (at * 7919) % 256)).filter((byte) => byte !== 0x0a);
/** Forged by nobody: seven bytes, of which each `é` takes two. */
const seam_user = Buffer.from('é-zoé').toString('latin1');

interface Piece {
  /** What ckpool has written into users/ just before. */
  readonly file?: readonly [user: string, shares: number];
  readonly bytes: Buffer;
}

/** A log with everything in it that a disk, an editor or a miner can leave there. Blocks 1 to 4 are the pool's. */
const odd_log: readonly Piece[] = [
  { bytes: bytes(stamped('ckpool generator starting')) },
  { file: ['anna', 100], bytes: bytes(stamped(userLine('anna', 100))) },
  { bytes: bytes(stamped('Solved and confirmed block 1 by anna.rig')) },
  { bytes: Buffer.concat([garbage, bytes('\n')]) },
  { file: [seam_user, 30], bytes: bytes(stamped(userLine(seam_user, 30))) },
  { bytes: Buffer.concat([Buffer.alloc(3_000), bytes(stamped(userLine('nobody', 5)))]) },
  // The same block line twice, and between them a clock that went back an hour.
  { bytes: bytes(stamped(`Solved and confirmed block 2 by ${seam_user}.rig`, '2026-11-20 10:30:00.000')) },
  { bytes: bytes(stamped(`Solved and confirmed block 2 by ${seam_user}.rig`, '2026-11-20 09:30:00.000')) },
  { file: ['anna', 180], bytes: bytes(stamped(userLine('anna', 180)).replace('\n', '\r\n')) },
  { bytes: bytes(stamped('Solved and confirmed block 3 by anna.rig').replace('\n', '\r\n')) },
  { bytes: bytes(`${'x'.repeat(20_000)}\n`) },
  // A torn line, and a whole one glued to it.
  { file: ['anna', 181], bytes: bytes(`[2026-11-20 09:00:0${stamped(userLine('anna', 181))}`) },
  { bytes: bytes(stamped('Solved and confirmed block 4 by anna.rig')) },
  { bytes: bytes('[2026-11-20 09:00:07.000] Solved and confirmed block 5 by ann') },
];

function write({ file, bytes: content }: Piece): void {
  if (file) pool.file(...file);
  appendFileSync(pool.log_file, content);
}

/** Splits the pieces further, at these places of the whole log. */
function cutAt(pieces: readonly Piece[], places: readonly number[]): Piece[] {
  let begin = 0;
  return pieces.flatMap(({ file, bytes: content }) => {
    const inside = [...new Set(places)].map((place) => place - begin).filter((at) => at > 0 && at < content.length).sort((one, other) => one - other);
    begin += content.length;
    return [0, ...inside].map((from, index) => ({ ...(index === 0 && file ? { file } : {}), bytes: content.subarray(from, inside[index]) }));
  });
}

/** What rests on the log alone. How good a snapshot is (`quality`) rests on when it was read: that is left out. */
async function factsOfTheLog() {
  const snapshots = (await pool.rows('snapshots')).map(({ id, log_position, height, finder, logged_at, changed_users, total_difference }) =>
    ({ id, log_position, height, finder: String(finder), logged_at, changed_users, total_difference }));
  const shares = (await pool.rows('snapshot_shares')).map(({ snapshot_id, share_count, difference }) => ({ snapshot_id, share_count, difference }));
  return { snapshots, shares, counts: await pool.counts(), recorded: await pool.recorded() };
}

function ownBlocks(): void {
  for (let block = 0; block < 4; block += 1) pool.unwrittenBlock();
}

async function factsWhenRead(pieces: readonly Piece[], chunk_bytes: number, lookEachTime: boolean) {
  await pool.close();
  pool = await openFaultPool();
  const daemon = await pool.start({ chunk_bytes });
  await pool.untilIdle(daemon);
  for (const piece of pieces) {
    write(piece);
    if (lookEachTime) await pool.untilIdle(daemon);
  }
  ownBlocks();
  await pool.settle(daemon);
  return factsOfTheLog();
}

const length = odd_log.reduce((sum, piece) => sum + piece.bytes.length, 0);

describe('fault 30: the facts do not depend on where the reads are cut', () => {
  it('a log with NUL bytes, garbage, CR LF, torn and glued lines, one line twice and stamps that go back is read as it stands', async () => {
    const { snapshots, counts, recorded } = await factsWhenRead(odd_log, 65_536, false);
    expect(counts).toEqual({ anna: 181n, [seam_user]: 30n });
    // Block 2 takes the later of its two lines (no anchor says which); its round reaches back over the earlier one.
    expect(recorded.map(({ difference }) => difference)).toEqual([100n, 0n, 80n, 1n]);
    expect(snapshots.map(({ height, total_difference }) => [height, total_difference]))
      .toEqual([[1n, 100n], [2n, 30n], [2n, 0n], [3n, 80n], [4n, 1n]]);
    expect((await pool.rows('snapshots')).map(({ state }) => state).sort())
      .toEqual(['confirmed', 'confirmed', 'confirmed', 'confirmed', 'unverified']);
    expect((await pool.replay()).differences).toEqual([]);
  });

  it('the same in any pieces, the seams inside lines and characters included, and with any size of read', async () => {
    const whole = await factsWhenRead(odd_log, 65_536, false);
    const places = fc.array(fc.integer({ min: 1, max: length - 1 }), { minLength: 1, maxLength: 25 });
    await fc.assert(fc.asyncProperty(places, fc.integer({ min: 150, max: 30_000 }), async (cuts, chunk_bytes) => {
      expect(await factsWhenRead(cutAt(odd_log, cuts), chunk_bytes, true)).toEqual(whole);
    }), { numRuns: 12 });
  });

  it('the same in reads of every size about a seam', async () => {
    const whole = await factsWhenRead(odd_log, 65_536, false);
    const seam = Buffer.concat(odd_log.map((piece) => piece.bytes)).indexOf(bytes(seam_user));
    for (let at = seam; at <= seam + 7; at += 1) expect(await factsWhenRead(cutAt(odd_log, [at]), 65_536, true)).toEqual(whole);
  });
});

describe('fault 30: a line counts when its end is there', () => {
  it('a block line without its newline is no block yet, and one block when the newline comes', async () => {
    const daemon = await startAtFloor(pool);
    pool.pass('anna', 100);
    pool.unwrittenBlock();
    appendFileSync(pool.log_file, '[2026-11-20 09:00:00.000] Solved and confirmed block 1 by anna.r');
    await pool.settle(daemon);
    expect(await pool.rows('snapshots')).toEqual([]);
    appendFileSync(pool.log_file, 'ig\n');
    await pool.settle(daemon);
    await expectEveryBlockOnce(pool, { anna: 100n });
    expect((await pool.rows('snapshots')).map(({ finder }) => String(finder))).toEqual(['anna.rig']);
  });
});

describe('fault 30: what cannot be a line is stepped over, and stops nothing', () => {
  it.each<[string, () => void]>([
    ['ten megabytes of garbage', () => { for (let time = 0; time < 5_000; time += 1) appendFileSync(pool.log_file, garbage); }],
    ['a line of 20 MB', () => appendFileSync(pool.log_file, `[2026-11-20 09:00:00.000] User anna:${'9'.repeat(20_000_000)}\n`)],
    ['a hole of a gigabyte, as a disk leaves after a power cut', () => truncateSync(pool.log_file, 2 ** 30)],
    ['a hundred thousand lines of nothing', () => appendFileSync(pool.log_file, '\n'.repeat(100_000))],
  ])('%s', async (_, happens) => {
    const daemon = await startAtFloor(pool);
    pool.block('anna', 100);
    await pool.untilIdle(daemon);
    happens();
    appendFileSync(pool.log_file, '\n');
    pool.block('bert', 30);
    await pool.settle(daemon);
    await expectEveryBlockOnce(pool, { anna: 100n, bert: 30n });
    expect((await pool.recorded()).map(({ difference }) => difference)).toEqual([100n, 30n]);
    expect(await pool.gaps()).toBe(0);
  });
});

describe('fault 30: a malformed line of a user costs nobody anything', () => {
  it.each<[string, string]>([
    ['no object', 'User anna:999'], ['torn', 'User anna:{"hashrate1m": "1T", "shares": 9'], ['no count', 'User anna:{"hashrate1m": "1T"}'],
    ['a fraction', 'User anna:{"shares": 150.5}'], ['a negative count', 'User anna:{"shares": -150}'],
    ['a count beyond 64 bits', 'User anna:{"shares": 99999999999999999999}'], ['nobody', 'User :{"shares": 150}'],
    ['NUL bytes in the name, as a disk leaves after a power cut', 'User an\0\0:{"shares": 150}'],
  ])('%s', async (_, text) => {
    const daemon = await startAtFloor(pool);
    pool.block('anna', 100);
    pool.say(text);
    pool.block('anna', 120);
    writeFileSync(path.join(pool.directory, 'users', 'bert'), '');
    await pool.settle(daemon);
    await expectEveryBlockOnce(pool, { anna: 120n });
    expect((await pool.recorded()).map(({ difference }) => difference)).toEqual([100n, 20n]);
  });
});
