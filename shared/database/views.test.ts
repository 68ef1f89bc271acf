// The five names of the replaced tool over real rows, and the statements of sql/README.md and docs/database.md, on
// both engines.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { integer, timeText, type Database } from './database.js';
import { rowsOf } from './rows.js';

const hash = (letter: string): string => letter.repeat(64);
const at = timeText(1_700_000_000_000);
const count = (value: unknown): number => Number(integer(value));

/** Two users, two blocks; the first is paid out, the second left the chain. Only the second user works on it. */
async function fillPool({ knex }: Database): Promise<void> {
  await knex('log_cursors').insert({
    sequence: 1, path: 'ckpool.log', device: '1', inode: '1', log_start: 0, file_offset: 100, fingerprint_length: 0,
    fingerprint: '', state: 'current', login_seen: 0, notice_seen: 0, updated_at: at,
  });
  for (const [id, name] of [[1, '1Abc'], [2, '1aBc']] as const) {
    await knex('users').insert({ id, name: Buffer.from(name), counter: 10, ledger_count: 10, snapshot_count: 10, disputed_count: 0 });
  }
  const snapshot = {
    kind: 'block', log_sequence: 1, log_offset: 0, finder: Buffer.from('1Abc.w'), logged_at: 'x', quality: 'minute',
    state: 'confirmed', dispute: 'none', changed_users: 2, taken_at: at,
  };
  const block = { previous_hash: hash('0'), header_at: at, reward_sats: 5_000_000_001n, discovered_at: at };
  for (const [id, letter, active] of [[1, 'a', 1], [2, 'b', 0]] as const) {
    await knex('snapshots').insert({ ...snapshot, id, log_position: id * 10, height: id, total_difference: 8 });
    await knex('cuts').insert({ snapshot_id: id, place: id * 10, decided_at: at });
    await knex('blocks').insert({ ...block, id, hash: hash(letter), height: id, coinbase_txid: hash(letter), active, snapshot_id: id });
  }
  for (const [snapshot_id, user_id, share_count, difference] of [[1, 1, 3, 3], [1, 2, 5, 5], [2, 2, 13, 8]]) {
    await knex('snapshot_shares').insert({ snapshot_id, user_id, share_count, difference, disputed_difference: 0 });
  }
  const round = {
    scheme: 'prop', pool_fee_ppm: 0, pool_fee_sats: 0, carried_in_sats: 0, carried_out_sats: 0, tip_height: 200,
    tip_hash: hash('f'), settled_at: at,
  };
  await knex('rounds').insert({ ...round, id: 1, block_hash: hash('a'), height: 1, state: 'credited', coinbase_txid: hash('a'),
    reward_sats: 5_000_000_001n, round_shares: 8, credited_sats: 5_000_000_001n, cut_from: 0, cut_to: 10 });
  await knex('rounds').insert({ ...round, id: 2, block_hash: hash('b'), height: 2, state: 'orphaned', coinbase_txid: hash('b'),
    reward_sats: 0, round_shares: 0, credited_sats: 0, cut_from: 10, cut_to: 10 });
}

async function payOut({ knex }: Database): Promise<void> {
  await knex('payout_batches').insert({ id: 1, state: 'broadcast', network_fee_from: 'miners', planned_sats: 1_875_000_000n, planned_at: at, state_at: at });
  await knex('ledger_events').insert({ id: 1, kind: 'settle', cause: 'block a', round_id: 1, detail: '', occurred_at: at });
  await knex('ledger_events').insert({ id: 2, kind: 'reserve', cause: 'batch 1', batch_id: 1, detail: '', occurred_at: at });
  for (const [event_id, account, user_id, amount_sats] of [
    [1, 'coinbase', null, -5_000_000_001n], [1, 'miner', 1, 1_875_000_000n], [1, 'miner', 2, 3_125_000_001n],
    [2, 'miner', 1, -1_875_000_000n], [2, 'reserved', 1, 1_875_000_000n],
  ] as const) await knex('ledger_entries').insert({ event_id, account, user_id, amount_sats });
  await knex('payouts').insert({ id: 1, batch_id: 1, user_id: 1, address: '1Abc', script: '00', planned_sats: 1_875_000_000n, network_fee_sats: 500, state: 'active' });
  await knex('payout_transactions').insert({ id: 1, batch_id: 1, txid: hash('c'), raw_hex: '00', network_fee_sats: 500, prepared_at: at });
  await knex('payout_inputs').insert({ transaction_id: 1, txid: hash('a'), output_index: 0, amount_sats: 5_000_000_001n, live: 1 });
}

forEachDatabase('the old names', (open) => {
  test('mined_blocks and miners show blocks with exact rewards and users', async () => {
    const database = await open();
    await fillPool(database);
    expect((await database.knex('mined_blocks').orderBy('id_block')).map(({ hash: name, height, reward }): unknown[] => [name, count(height), reward]))
      .toEqual([[hash('a'), 1, '50.00000001'], [hash('b'), 2, '50.00000001']]);
    expect((await database.knex('miners').orderBy('id_miner')).map(({ name }): unknown => name)).toEqual(['1Abc', '1aBc']);
  });

  test('blocks_stats counts every user at every block, who did not work since included (D-7, D-8)', async () => {
    const database = await open();
    await fillPool(database);
    const rows = await database.knex('stats_blocks_view').orderBy(['height', 'user']);
    expect(rows.map(({ height, user, shares }): unknown[] => [count(height), user, count(shares)]))
      .toEqual([[1, '1Abc', 3], [1, '1aBc', 5], [2, '1Abc', 3], [2, '1aBc', 13]]);
    const ids: unknown[] = await database.knex('blocks_stats').pluck('id_stat');
    expect(new Set(ids.map(count)).size).toBe(4);
  });

  test('blocks_stats counts in the order of the cuts, and not at a block whose counts are undecided', async () => {
    const database = await open();
    await fillPool(database);
    const { knex } = database;
    const shown = async () => (await knex('blocks_stats').orderBy(['id_block', 'id_miner']))
      .map(({ id_block, id_miner, shares }): unknown[] => [id_block, id_miner, shares].map(count));
    // A third block, whose work was cut between the two although its snapshot is the newest.
    await knex('snapshots').insert({
      id: 3, log_position: -3, log_sequence: 1, log_offset: 0, kind: 'block', height: 2, finder: Buffer.from('1Abc.w'), logged_at: 'x',
      quality: 'exact', state: 'confirmed', dispute: 'none', changed_users: 1, total_difference: 4, taken_at: at,
    });
    await knex('blocks').insert({
      id: 3, hash: hash('e'), height: 2, coinbase_txid: hash('e'), active: 1, snapshot_id: 3, previous_hash: hash('0'), header_at: at,
      reward_sats: 1, discovered_at: at,
    });
    const before = [[1, 1, 3], [1, 2, 5], [2, 1, 3], [2, 2, 13]];
    expect(await shown()).toEqual(before);
    await knex('snapshot_shares').insert({ snapshot_id: 3, user_id: 1, share_count: 7, difference: 4, disputed_difference: 0 });
    await knex('cuts').insert({ snapshot_id: 3, place: 15, cut_seconds: 1, cut_nanoseconds: 2, decided_at: at });
    expect(await shown()).toEqual([[1, 1, 3], [1, 2, 5], [2, 1, 7], [2, 2, 13], [3, 1, 7], [3, 2, 5]]);
  });

  test('transactions says sent only once a payout was sent (D-1)', async () => {
    const database = await open();
    await fillPool(database);
    const shown = async () => (await database.knex('transactions').orderBy('id_block'))
      .map(({ id_block, hash_txn, status, amount }): unknown[] => [count(id_block), hash_txn, status, amount]);
    expect(await shown()).toEqual([[2, null, 'disappeared', null]]);
    await payOut(database);
    expect(await shown()).toEqual([[1, hash('c'), 'sent', '50.00000001'], [2, null, 'disappeared', null]]);
  });

  test('the statements of sql/README.md lead from the coinbase to the payout', async () => {
    const database = await open();
    await fillPool(database);
    await payOut(database);
    const readme = readFileSync(new URL('../../sql/README.md', import.meta.url), 'utf8');
    const statements = [...readme.matchAll(/```sql\n([^]*?);\s*```/g)].map((match) => match[1] ?? '');
    const answers: number[] = [];
    for (const statement of statements) answers.push((await rowsOf(database.knex, statement)).length);
    expect(answers).toEqual([2, 2, 2, 3, 3, 1, 1, 0]);
  });

  test('the statements of docs/database.md are understood', async () => {
    const database = await open();
    await fillPool(database);
    await payOut(database);
    const page = readFileSync(new URL('../../docs/database.md', import.meta.url), 'utf8');
    const statements = [...page.matchAll(/^ {4}(SELECT [^;]*);$/gm)].map((match) => match[1] ?? '');
    expect(statements.length).toBeGreaterThan(12);
    for (const statement of statements) await rowsOf(database.knex, statement);
  });
});
