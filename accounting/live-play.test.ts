// The busy recording played live: lines, user files, rotations and the chain come at their recorded times,
// sixty times as fast, while accounting follows. It must come to the same as reading the finished log.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openAccounting } from '../lab/accounting.js';
import { forEachDatabase } from '../lab/databases.js';
import { disagreements } from '../lab/facts-check.js';
import { playRecording } from '../lab/live-play.js';
import { serveRecordedChain } from '../lab/recorded-node.js';
import { unpackRecording } from '../lab/recordings.js';
import { systemClock } from '../shared/clock.js';
import { openLogFiles } from './edges/log-files.js';
import { loadLogState } from './edges/log-state.js';
import { replayLog } from './replay.js';

const factor = 60;

forEachDatabase('followed live', (open) => {
  test('the rows are those of a replay, and every count is true (D-17, D-24)', async () => {
    const database = await open();
    const recording = await unpackRecording('busy');
    const node = await serveRecordedChain(recording.chain_directory);
    node.setTip(121);
    const log_directory = await mkdtemp(path.join(tmpdir(), 'played-'));
    const log_file = path.join(log_directory, 'ckpool.log');
    const run = await openAccounting(
      { database, log_directory, log_file, login: node.login, pool_address: 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru' },
      { once: false, pairing_wait_ms: 2_000 / factor, chain_period_ms: 20_000 / factor, sample_period_ms: 60_000 / factor },
      {}, 61_000 / factor,
    );
    const following = { over: false };
    const played = playRecording(recording, log_directory, {
      factor,
      onBlock: (event) => {
        if (event.kind === 'changed') node.setTip(event.hash);
        else if (event.hash !== null) node.learn(event.hash);
      },
    }).finally(() => { following.over = true; });
    while (!following.over) if ((await run.daemon.step()) === 'idle') await systemClock.sleep(5);
    await played;
    node.setTip(null);
    await systemClock.sleep(62_000 / factor);
    // The last file is quiet and the last pair ripe well within this time.
    const over_ms = systemClock.monotonic_ms() + 1_500;
    while (systemClock.monotonic_ms() < over_ms) if ((await run.daemon.step()) === 'idle') await systemClock.sleep(5);
    await run.close();

    expect(await disagreements(database, recording.truth)).toEqual([]);
    const { cursors } = await loadLogState(database);
    const log_files = openLogFiles({ log_file, quiet_ms: 0, once: true, clock: systemClock });
    const replayed = await replayLog(database, cursors, log_files, () => undefined);
    expect(replayed.differences).toEqual([]);
    expect(replayed.snapshots).toBe(recording.truth.solves.length);

    await log_files.close();
    await node.close();
    await recording.remove();
    await rm(log_directory, { recursive: true, force: true });
  });
});
