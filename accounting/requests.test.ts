import { afterEach, expect, test } from 'vitest';
import { openAccounting } from '../lab/accounting.js';
import { forEachDatabase } from '../lab/databases.js';
import { serveRecordedChain } from '../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../lab/recordings.js';
import { outcomeOf, recordRequest } from '../shared/database/requests.js';

let recording: Recording | null = null;
afterEach(() => recording?.remove());

forEachDatabase('a baseline', (open) => {
  test('is refused once payments has settled a round with work: it would move nothing (D-9)', async () => {
    const database = await open();
    recording = await unpackRecording('busy');
    const node = await serveRecordedChain(recording.chain_directory);
    const { log_directory, log_file } = recording;
    const run = await openAccounting({
      database, log_directory, log_file, login: node.login, pool_address: 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru',
    });
    await run.untilIdle();
    const hash = 'a'.repeat(64);
    await database.knex('rounds').insert({
      block_hash: hash, height: 1, state: 'credited', scheme: 'prop', coinbase_txid: hash, reward_sats: 1, round_shares: 1,
      pool_fee_ppm: 0, pool_fee_sats: 0, carried_in_sats: 0, credited_sats: 1, carried_out_sats: 0, cut_from: 0, cut_to: 9,
      tip_height: 101, tip_hash: hash, settled_at: '2026-11-20 10:00:00.000',
    });
    const request = await recordRequest(database, { daemon: 'accounting', action: 'baseline', arguments: {}, requested_by: 'test' });
    await run.untilIdle();
    // Requests are looked at every two seconds.
    for (let tries = 0; tries < 60 && !(await outcomeOf(database, 'accounting', request)); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await run.untilIdle();
    }
    expect(await outcomeOf(database, 'accounting', request)).toMatchObject({ outcome: 'refused' });
    await run.close();
    await node.close();
  });
});
