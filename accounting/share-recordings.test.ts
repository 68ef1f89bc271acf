// The recording of a real ckpool with its share logs, through the whole of accounting: what every user had when
// each block was solved, to the share.
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openAccounting, type AccountingPlace } from '../lab/accounting.js';
import { forEachDatabase } from '../lab/databases.js';
import { disagreements } from '../lab/facts-check.js';
import { forgeRecording } from '../lab/forge.js';
import { serveRecordedChain, type RecordedNode } from '../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../lab/recordings.js';
import type { Database } from '../shared/database/database.js';
import { blockHeight } from '../shared/units.js';
import { readBlocks, readShares } from './edges/facts-reader.js';

const pool_address = 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru';

let node: RecordedNode;
let recording: Recording | null = null;
beforeAll(async () => {
  const { chain_directory, remove } = await unpackRecording('busy');
  node = await serveRecordedChain(chain_directory);
  await remove();
});
afterAll(async () => { await node.close(); });
afterEach(async () => {
  await recording?.remove();
  recording = null;
});

function place(database: Database, played: Recording): AccountingPlace {
  recording = played;
  return { database, log_directory: played.log_directory, log_file: played.log_file, login: node.login, pool_address };
}

async function readThrough(
  database: Database, played: Recording,
  options: Parameters<typeof openAccounting>[1] = {}, change: Parameters<typeof openAccounting>[2] = {},
): Promise<void> {
  const run = await openAccounting(place(database, played), options, change);
  expect(await run.untilIdle()).toBe(true);
  await run.close();
}

forEachDatabase('a busy pool with share logs', (open) => {
  test('every block holds every user\'s accepted work up to its solving share, and its finder is proven', async () => {
    const database = await open();
    const busy = await unpackRecording('busy');
    await readThrough(database, busy);
    expect(await exactness(database, busy)).toEqual([]);
    const before = await database.knex('snapshot_shares');
    await readThrough(database, busy);
    expect(await database.knex('snapshot_shares')).toEqual(before);
  });

  test('with the node down the shares are counted and the lines kept; blocks follow when it is back', async () => {
    const database = await open();
    const busy = await unpackRecording('busy');
    await node.setReachable(false);
    const run = await openAccounting(place(database, busy), { once: false });
    await run.untilIdle();
    await run.close();
    expect(await readBlocks(database)).toHaveLength(42);
    expect(new Set((await readBlocks(database)).map((block) => block.quality))).toEqual(new Set([null]));
    await node.setReachable(true);
    await readThrough(database, busy);
    expect(await exactness(database, busy)).toEqual([]);
  });
});

forEachDatabase('whatever the log says', (open) => {
  test.each(['user-lines', 'anchors', 'solve-lines'] as const)('forged %s shift no share and no finder (D-31)', async (kind) => {
    const database = await open();
    const forged = await forgeRecording(kind);
    await readThrough(database, forged);
    expect(await exactness(database, forged)).toEqual([]);
    const unverified = (await readBlocks(database)).filter((block) => block.hash === null);
    for (const line of unverified) expect(line).toMatchObject({ state: 'unverified', quality: null, reward: null, finder_proven: false });
  });

  test('at log level 4 the counts are exact all the same, and the two blocks of one height told apart', async () => {
    const database = await open();
    const forged = await forgeRecording('level-4');
    await readThrough(database, forged, {}, { scan_from_height: blockHeight(122) });
    expect(await exactness(database, forged)).toEqual([]);
  });

  test('blocks whose lines are torn or never came are attributed by their shares', async () => {
    const database = await open();
    const busy = await unpackRecording('busy');
    for (const name of ['ckpool.log.1', 'ckpool.log.2', 'ckpool.log']) {
      const file = path.join(busy.log_directory, name);
      await writeFile(file, (await readFile(file, 'latin1')).split('\n').filter((line) => !line.includes('Solved and confirmed')).join('\n'), 'latin1');
    }
    await readThrough(database, busy);
    const found = await exactness(database, busy);
    expect(found.filter((sentence) => !sentence.includes('stamp null'))).toEqual([]);
    expect(await readBlocks(database)).toHaveLength(44);
  });

  test('without any counter the shares are all that is needed', async () => {
    const database = await open();
    const busy = await unpackRecording('busy');
    await rm(path.join(busy.log_directory, 'users'), { recursive: true });
    await readThrough(database, busy);
    expect(await exactness(database, busy)).toEqual([]);
  });
});

forEachDatabase('a gap in the share logs', (open) => {
  const first = 136;
  const last = 141;

  test('is filled by the counters and said; before and behind it rounds stay exact', async () => {
    const database = await open();
    const busy = await unpackRecording('busy');
    for (let height = first; height <= last; height++) {
      await rm(path.join(busy.log_directory, height.toString(16).padStart(8, '0')), { recursive: true, force: true });
    }
    await readThrough(database, busy);
    const blocks = await readBlocks(database);
    let before = new Map<string, bigint>();
    let true_before = new Map<string, bigint>();
    for (const solve of busy.truth.solves) {
      const fact = blocks.find((block) => block.hash === solve.hash)!;
      const inside = solve.height >= first && solve.height <= last;
      expect([solve.height, fact.quality, fact.finder_proven]).toEqual([solve.height, inside ? 'minute' : 'exact', !inside]);
      const counts = new Map((await readShares(database, fact.snapshot_id!)).map((share) => [String(share.user), share.count]));
      const true_counts = new Map(Object.entries(solve.users).map(([user, one]) => [user, BigInt(one.accepted_difficulty_to_solving_share)]));
      for (const [user, count] of true_counts) {
        expect((counts.get(user) ?? 0n) <= count).toBe(true); // Never more than was worked.
        if (inside || solve.height === last + 1) continue;
        expect((counts.get(user) ?? 0n) - (before.get(user) ?? 0n)).toBe(count - (true_before.get(user) ?? 0n));
      }
      before = counts;
      true_before = true_counts;
    }
    const incidents: { kind: string }[] = await database.knex('incidents').select('kind');
    expect(incidents.map(({ kind }) => kind)).toContain('share_log_gap');
    // All that ckpool's counters still knew at the end is counted.
    for (const [user, { ledger_count }] of Object.entries(busy.truth.solves.at(-1)!.users)) {
      expect((before.get(user) ?? 0n) >= BigInt(ledger_count)).toBe(true);
    }
  });
});

const exactness = (database: Database, played: Recording): Promise<string[]> =>
  disagreements(database, played.truth, { counts: 'exact' });
