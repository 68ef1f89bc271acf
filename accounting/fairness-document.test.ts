// The figures of docs/fairness.md are those that `compare` gives on the recording: the page is read, and every
// row with a figure in it must be what the command says. Where they differ, the page is wrong.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openAccounting } from '../lab/accounting.js';
import { serveRecordedChain } from '../lab/recorded-node.js';
import { unpackRecording, type Truth } from '../lab/recordings.js';
import { connect } from '../shared/database/connect.js';
import { migrate } from '../shared/database/migrate.js';
import { parseCoins } from '../shared/amount.js';
import { compare } from './commands/compare.js';

const page = readFileSync(new URL('../docs/fairness.md', import.meta.url), 'utf8');
const pool_address = 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru';

let directory: string;
let config_file: string;
let truth: Truth;
let overview: Overview;
let example: Round;

interface UserWorth { user: string; counters_worth: string; share_logs_worth: string; gain: string }
interface Round {
  height: number; hash: string; active: boolean; reward: string; has_line: boolean; counters: string; share_logs: string;
  largest: { user: string; points: string } | null;
  users: (UserWorth & {
    counters: string; share_logs: string; counters_percent: string; share_logs_percent: string; points: string;
  })[];
}
interface Overview {
  rounds: Round[];
  totals: {
    rounds: number; compared: number; without_line: number; without_counter_work: number; reward: string; moved: string;
    largest: { height: number; hash: string; user: string; points: string };
  };
  users: UserWorth[];
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fairness-'));
  const busy = await unpackRecording('busy');
  truth = busy.truth;
  const node = await serveRecordedChain(busy.chain_directory);
  const database = await connect({ engine: 'sqlite', file: join(directory, 'pool_base.sqlite') });
  await migrate(database);
  const { log_directory, log_file } = busy;
  const run = await openAccounting({ database, log_directory, log_file, login: node.login, pool_address });
  expect(await run.untilIdle()).toBe(true);
  await run.close();
  await database.close();
  config_file = join(directory, 'ckpool.conf');
  const { url, user, password } = node;
  writeFileSync(config_file, JSON.stringify({
    btcd: [{ url, auth: user, pass: password }], btcaddress: pool_address, logdir: log_directory,
  }), { mode: 0o600 });
  overview = await asked() as Overview;
  example = await asked('140') as Round;
  await node.close();
  await busy.remove();
});
afterAll(() => { rmSync(directory, { recursive: true, force: true }); });

async function said(json: boolean, ...words: string[]): Promise<string> {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((piece) => {
    text += String(piece);
    return true;
  });
  try {
    await compare({ config_file, json, arguments: words, options: {} });
  } finally {
    write.mockRestore();
  }
  return text;
}
const asked = async (...words: string[]): Promise<unknown> => JSON.parse(await said(true, ...words));

/** The rows of the page's table with this first heading. */
function rowsUnder(heading: string, columns: number): string[][] {
  const tables = page.split('\n\n').map((part) => part.split('\n').filter((line) => line.startsWith('|'))
    .map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim())));
  const table = tables.find(([head]) => head?.[0] === heading && head.length === columns);
  return table?.slice(2) ?? [];
}
const shortName = (user: string): string => (user.length > 16 ? `${user.slice(0, 12)}..` : user);
const sum = (values: readonly string[]): bigint => values.reduce((total, value) => total + BigInt(value), 0n);

test('the figures of the recording are those of the command', () => {
  const { rounds, totals } = overview;
  expect(rowsUnder('what', 2).map(([, figure]) => figure)).toEqual([
    String(totals.rounds),
    String(totals.without_line),
    String(totals.without_counter_work),
    totals.largest.points.replace('-', ''),
    `${rounds.filter(({ active }) => active).length}, ${totals.reward} coins`,
    `${totals.moved} coins`,
    `${sum(rounds.map(({ share_logs }) => share_logs))} shares`,
    `${sum(rounds.map(({ counters }) => counters))} shares`,
  ]);
  expect(totals.compared).toBe(totals.rounds);
  expect(page).toContain(` ${overview.users.length} users who came and went`);
  const flat = page.replace(/\s+/g, ' ');
  const counted = totals.rounds - totals.without_line;
  expect(flat).toContain(`By the counters ${totals.without_counter_work} of these ${counted} rounds would have been empty`);
});

test('the example is the round with the largest difference, user by user', () => {
  expect(overview.totals.largest).toMatchObject({ height: example.height, hash: example.hash });
  expect(page).toContain(`One round, that of block ${example.height}, `);
  expect(page.replace(/\s+/g, ' ')).toContain(`they told ${example.counters} shares where ${example.share_logs} were done`);
  const [, told] = /written for the first time since block (\d+)/.exec(page.replace(/\s+/g, ' '))!;
  const between = overview.rounds.filter(({ height }) => height >= Number(told) && height < example.height);
  expect(between.map(({ counters }) => counters !== '0')).toEqual([true, false, false, false]);
  expect(rowsUnder('user', 9)).toEqual(example.users.map((user) => [
    shortName(user.user), user.counters, user.counters_percent, user.share_logs, user.share_logs_percent, user.points,
    user.counters_worth, user.share_logs_worth, user.gain,
  ]));
});

test('the sums over all blocks are those of the command, and the gains sum to zero', () => {
  expect(rowsUnder('user', 4)).toEqual(overview.users.map((user) =>
    [shortName(user.user), user.counters_worth, user.share_logs_worth, user.gain]));
  expect(overview.users.reduce((total, { gain }) => total + parseCoins(gain), 0n)).toBe(0n);
});

test('both counts are those of the recording\'s truth', () => {
  const counted = { counters: 0n, share_logs: 0n };
  const of = new Map(truth.solves.map((solve) => [solve.hash, solve]));
  let compared = 0;
  for (const { hash, counters, share_logs } of overview.rounds) {
    counted.counters += BigInt(counters);
    counted.share_logs += BigInt(share_logs);
    const solve = of.get(hash);
    if (!solve) continue;
    compared += 1;
    const users = Object.values(solve.users);
    expect([hash, counted.share_logs]).toEqual(
      [hash, sum(users.map((user) => String(user.accepted_difficulty_to_solving_share)))]);
    expect([hash, counted.counters]).toEqual([hash, sum(users.map((user) => String(user.ledger_count)))]);
  }
  expect(compared).toBe(truth.solves.length);
});

test('tables for people say the same, and a name that fits two blocks, or none, is refused in a sentence', async () => {
  const lines = (await said(false)).split('\n');
  expect(lines.find((line) => line.trimStart().startsWith('140 '))).toMatch(/ 6848 +523 +36\.7614 +2N6Xnb58YLXhXNy5saj8FMDGaLoESgbGaPT /);
  expect(lines.at(-2)).toBe(
    `By the counters ${overview.totals.moved} of ${overview.totals.reward} coins would have gone to others (before fees).`);
  expect((await said(false, '140')).split('\n')[0]).toMatch(/^Block 140 [0-9a-f]{64}, found by \S+: \d+\.\d{8} before fees\.$/);
  expect(await said(false, '138')).toContain('by the counters its reward goes to the next round with work');
  await expect(said(false, '135')).rejects.toThrow('names 3 blocks');
  await expect(said(false, '99999')).rejects.toThrow('no block 99999 whose counts are decided');
  await expect(said(false, 'none')).rejects.toThrow('neither a height nor');
});
