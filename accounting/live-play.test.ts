// The busy recording played live: lines, user files, rotations and the chain come at their recorded times,
// sixty times as fast, while accounting follows. It must come to the same as reading the finished log. With share
// logs every share comes at its time too, and each block must hold what was accepted up to its solving share.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openAccounting } from '../lab/accounting.js';
import { forEachDatabase } from '../lab/databases.js';
import { disagreements } from '../lab/facts-check.js';
import { playRecording } from '../lab/live-play.js';
import { serveRecordedChain } from '../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../lab/recordings.js';
import { systemClock } from '../shared/clock.js';
import type { Config } from '../shared/config.js';
import type { Database } from '../shared/database/database.js';
import { OutsideFailure } from '../shared/errors.js';
import { openLogFiles } from './edges/log-files.js';
import { loadLogState } from './edges/log-state.js';
import { openShareLogs } from './edges/share-log-files.js';
import { replayShares } from './replay-shares.js';
import { replayLog } from './replay.js';

const factor = 60;

forEachDatabase('followed live', (open) => {
  test('the rows are those of a replay, and every count is true (D-17, D-24)', async () => {
    const database = await open();
    const played = await follow(database, 'counters');
    expect(await disagreements(database, played.recording.truth)).toEqual([]);
    const { log, shares } = await played.replay();
    expect(log).toMatchObject({ differences: [], snapshots: played.recording.truth.solves.length });
    expect(shares).toBeNull();
    await played.remove();
  });

  test('with share logs every block is exact to the share, and a replay of both comes to the same', async () => {
    const database = await open();
    const played = await follow(database, 'auto');
    expect(await disagreements(database, played.recording.truth, { counts: 'exact' })).toEqual([]);
    const { log, shares } = await played.replay();
    const { solves, own_blocks_without_a_line } = played.recording.truth;
    const rounds = solves.length + own_blocks_without_a_line.length;
    expect(log).toMatchObject({ differences: [], snapshots: solves.length });
    expect(shares).toMatchObject({ differences: [], notes: [], rounds, solving_shares: rounds });
    await played.remove();
  });
});

interface Played {
  readonly recording: Recording;
  replay(): Promise<{
    log: Awaited<ReturnType<typeof replayLog>>;
    shares: Awaited<ReturnType<typeof replayShares>>;
  }>;
  remove(): Promise<void>;
}

/** Accounting follows the whole recording as it is written, and comes to rest behind it. */
async function follow(database: Database, share_source: Config['share_source']): Promise<Played> {
  const recording = await unpackRecording('busy');
  const node = await serveRecordedChain(recording.chain_directory);
  node.setTip(121);
  const log_directory = await mkdtemp(path.join(tmpdir(), 'played-'));
  const log_file = path.join(log_directory, 'ckpool.log');
  const run = await openAccounting(
    { database, log_directory, log_file, login: node.login, pool_address: 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru' },
    { once: false, pairing_wait_ms: 2_000 / factor, chain_period_ms: 20_000 / factor, sample_period_ms: 60_000 / factor },
    { share_source }, 61_000 / factor,
  );
  const following = { over: false };
  const played = playRecording(recording, log_directory, {
    factor,
    onBlock: (event) => {
      if (event.kind === 'changed') node.setTip(event.hash);
      else if (event.hash !== null) node.learn(event.hash);
    },
  }).finally(() => { following.over = true; });
  // A log that is cut while it is read is looked at again: runDaemon does so too.
  const step = (): Promise<'progress' | 'idle'> => run.daemon.step().catch((failure: unknown) => {
    if (failure instanceof OutsideFailure && failure.kind === 'retry') return 'idle';
    throw failure;
  });
  while (!following.over) if ((await step()) === 'idle') await systemClock.sleep(5);
  await played;
  node.setTip(null);
  await systemClock.sleep(62_000 / factor);
  // The last file is quiet and the last pair ripe well within this time.
  const over_ms = systemClock.monotonic_ms() + 1_500;
  while (systemClock.monotonic_ms() < over_ms) if ((await step()) === 'idle') await systemClock.sleep(5);
  await run.close();
  return {
    recording,
    async replay() {
      const { cursors } = await loadLogState(database);
      const log_files = openLogFiles({ log_file, quiet_ms: 0, once: true, clock: systemClock });
      const share_logs = openShareLogs({ log_directory, clock: systemClock });
      const log = await replayLog(database, cursors, log_files, () => undefined);
      const shares = await replayShares(database, share_logs, () => undefined);
      await log_files.close();
      share_logs.close();
      return { log, shares };
    },
    async remove() {
      await node.close();
      await recording.remove();
      await rm(log_directory, { recursive: true, force: true });
    },
  };
}
