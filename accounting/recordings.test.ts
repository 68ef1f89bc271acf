// The recordings of a real ckpool on a real node, and forgeries made from them, through the whole of
// accounting: files, lines, counts, node and database.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openAccounting, type AccountingPlace } from '../lab/accounting.js';
import { forEachDatabase } from '../lab/databases.js';
import { dyingAt, KilledHere } from '../lab/dying-database.js';
import { disagreements } from '../lab/facts-check.js';
import { forgeRecording, type ForgedRecording } from '../lab/forge.js';
import { serveRecordedChain, type RecordedNode } from '../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../lab/recordings.js';
import type { Database } from '../shared/database/database.js';
import { blockHeight } from '../shared/units.js';
import { readBlocks } from './edges/facts-reader.js';
import { openLogFiles } from './edges/log-files.js';
import { loadLogState } from './edges/log-state.js';
import { replayLog } from './replay.js';
import { systemClock } from '../shared/clock.js';

const pool_address = 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru';

async function facts(database: Database) {
  const tables = ['snapshots', 'snapshot_shares', 'blocks', 'users', 'log_anchors'];
  const rows: Record<string, unknown> = {};
  for (const table of tables) {
    rows[table] = (await database.knex(table)).map((row: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(row).filter(([column]) => !/taken_at|discovered_at/.test(column)).map(([column, value]) => [column, String(value)])));
  }
  return rows;
}

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

async function readThrough(database: Database, played: Recording, options: Parameters<typeof openAccounting>[1] = {}, change: Parameters<typeof openAccounting>[2] = {}): Promise<void> {
  const run = await openAccounting(place(database, played), options, { share_source: 'counters', ...change });
  expect(await run.untilIdle()).toBe(true);
  await run.close();
}

forEachDatabase('a busy pool', (open) => {
  test('every block is found once, with its hash, height, finder, reward and every user\'s count (D-18, D-19, D-20, D-21)', async () => {
    const database = await open();
    const busy = await unpackRecording('busy');
    await readThrough(database, busy);
    expect(await disagreements(database, busy.truth)).toEqual([]);
    const before = await facts(database);
    await readThrough(database, busy);
    expect(await facts(database)).toEqual(before);
  });

  test('with the node down the snapshots are taken; identity follows when it is back (D-4, D-19)', async () => {
    const database = await open();
    const busy = await unpackRecording('busy');
    await node.setReachable(false);
    const run = await openAccounting(place(database, busy), { once: false }, { share_source: 'counters' });
    await run.untilIdle();
    await run.close();
    expect((await readBlocks(database)).map((block) => block.state)).toEqual(busy.truth.solves.map(() => 'pending'));
    await node.setReachable(true);
    await readThrough(database, busy);
    expect(await disagreements(database, busy.truth)).toEqual([]);
  });
});

forEachDatabase('interrupted anywhere', (open, databases) => {
  test('fault 1: killed before or after any commit, the rows are those of an unbroken run (D-22)', async () => {
    const busy = await unpackRecording('busy');
    const chunk_bytes = 256 * 1024;
    const unbroken = await open();
    await readThrough(unbroken, busy, { chunk_bytes });
    const expected = await facts(unbroken);
    expect(await disagreements(unbroken, busy.truth)).toEqual([]);
    const stride = databases.engine === 'sqlite' ? 1 : 5;
    for (let fatal = 1, finished = false; !finished; fatal += stride) {
      const database = await open();
      for (const when of ['before', 'after'] as const) {
        finished = await runUntilKilled(place(dyingAt(database, fatal, when), busy), chunk_bytes);
      }
      await readThrough(database, busy, { chunk_bytes });
      expect(await facts(database)).toEqual(expected);
    }
  }, 300_000);
});

async function runUntilKilled(where: AccountingPlace, chunk_bytes: number): Promise<boolean> {
  try {
    const run = await openAccounting(where, { chunk_bytes }, { share_source: 'counters' });
    return await run.untilIdle().finally(() => run.close());
  } catch (failure) {
    if (!(failure instanceof KilledHere)) throw failure;
    return false;
  }
}

forEachDatabase('hearsay', (open) => {
  test.each(['user-lines', 'anchors', 'solve-lines'] as const)('fault 31: forged %s change nothing that is true (D-31)', async (kind) => {
    const database = await open();
    const forged = await forgeRecording(kind);
    await readThrough(database, forged);
    expect(await disagreements(database, forged.truth)).toEqual([]);
    const unverified = (await readBlocks(database)).filter((block) => block.hash === null);
    for (const block of unverified) expect(block).toMatchObject({ state: 'unverified', active: null, reward: null });
    if (kind === 'solve-lines') expect(unverified.length).toBeGreaterThanOrEqual(forged.forged_lines.length);
  });

  test('a torn block line costs the line at most, never the block (D-25)', async () => {
    const database = await open();
    const forged: ForgedRecording = await forgeRecording('torn-lines');
    await readThrough(database, forged);
    const found = await disagreements(database, { ...forged.truth, own_blocks_without_a_line: [...forged.truth.own_blocks_without_a_line, ...forged.torn_solves.map((torn) => ({ hash: torn.solve.hash, height: torn.solve.height, in_active_chain: torn.solve.in_active_chain, reward_sats: torn.solve.reward_sats }))] });
    expect(found).toEqual([]);
    const blocks = await readBlocks(database);
    for (const torn of forged.torn_solves) expect(blocks.filter((block) => block.hash === torn.solve.hash)).toHaveLength(1);
  });

  test('at log level 4 every block is found, its counts marked late (D-26)', async () => {
    const database = await open();
    const forged = await forgeRecording('level-4');
    await readThrough(database, forged, {}, { scan_from_height: blockHeight(122) });
    const found = await disagreements(database, forged.truth, { counts: false });
    // Nothing in such a log tells the two blocks of height 150 apart.
    expect(found.filter((sentence) => !sentence.startsWith('150 '))).toEqual([]);
    const blocks = await readBlocks(database);
    expect(new Set(blocks.filter((block) => block.logged_at !== null).map((block) => block.quality))).toEqual(new Set(['late']));
  });

  test.each([['hostile-names', 0], ['forged-solves', 4], ['full-disk', 0]] as const)('fault 31: no block comes of %s', async (name, lines_min) => {
    const database = await open();
    const hostile = await unpackRecording(name);
    await readThrough(database, hostile);
    const blocks = await readBlocks(database);
    expect(blocks.filter((block) => block.log_position !== null && block.hash !== null)).toEqual([]);
    const lines = blocks.filter((block) => block.log_position !== null);
    expect(lines.length).toBeGreaterThanOrEqual(lines_min);
    for (const line of lines) expect(line).toMatchObject({ state: 'unverified', reward: null });
  });
});

describe('replay', () => {
  forEachDatabase('', (open) => {
    test('from log and stored readings gives the same rows', async () => {
      const database = await open();
      const busy = await unpackRecording('busy');
      await readThrough(database, busy, { chunk_bytes: 128 * 1024 });
      const { cursors } = await loadLogState(database);
      const log_files = openLogFiles({ log_file: busy.log_file, quiet_ms: 0, once: true, clock: systemClock });
      const result = await replayLog(database, cursors, log_files, () => undefined);
      await log_files.close();
      expect(result.differences).toEqual([]);
      expect(result.snapshots).toBe(42);
    });
  });
});

