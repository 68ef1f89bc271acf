// The shapes of --json over the recording of a real pool with share logs, read by the daemon as a newcomer would
// start it: no "sql" in the configuration, so an SQLite file beside it. The shapes of payments are held by scenario.test.ts
// over a pool that has paid; here it answers before it has ever settled anything.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveRecordedChain, type RecordedNode } from '../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../lab/recordings.js';
import * as shapes from './json-shapes.js';
import { ask, buildPrograms, run } from './programs.js';

let node: RecordedNode;
let busy: Recording;
let directory: string;
let config_file: string;

beforeAll(async () => {
  buildPrograms();
  busy = await unpackRecording('busy');
  node = await serveRecordedChain(busy.chain_directory);
  directory = mkdtempSync(join(tmpdir(), 'json-shapes-'));
  config_file = configure('ckpool.conf', {});
  const once = await run('accounting', ['run', '--once', '-c', config_file]);
  expect(once).toMatchObject({ status: 0, stdout: '' });
});
afterAll(async () => {
  await node.close();
  await busy.remove();
  rmSync(directory, { recursive: true, force: true });
});

function configure(file: string, parser: object): string {
  const btcaddress = /"btcaddress" : "(\w+)"/.exec(readFileSync(busy.configuration, 'utf8'))![1]!;
  const path = join(directory, file);
  writeFileSync(path, JSON.stringify({
    btcd: [{ url: node.url, auth: node.user, pass: node.password }], btcaddress, logdir: busy.log_directory, parser,
  }), { mode: 0o600 });
  return path;
}

const blocks = () => ask(shapes.accountingBlocks, 'accounting', config_file, 'blocks');

describe('accounting --json', () => {
  it('needs no database server: the file stands beside the configuration', () => {
    expect(existsSync(join(directory, 'pool_base.sqlite'))).toBe(true);
  });

  it('blocks: every block of the pool, lines in the order of the log, hash, finder and reward true, the finder proven', async () => {
    const answer = await blocks();
    const logged = answer.filter(({ hash, logged_at }) => hash !== null && logged_at !== null);
    const coins = (sats: number) => `${Math.floor(sats / 1e8)}.${String(sats % 1e8).padStart(8, '0')}`;
    expect(logged).toMatchObject(busy.truth.solves.map(({ hash, height, worker, time, reward_sats, in_active_chain }) => ({
      hash, height, finder: worker, finder_proven: true, logged_at: time, reward: coins(reward_sats), active: in_active_chain,
      state: 'confirmed', quality: 'exact',
    })));
  });

  it('blocks: one without a line stands after the block below it, without a stamp; its share says who found it', async () => {
    const answer = await blocks();
    expect(busy.truth.own_blocks_without_a_line.length).toBeGreaterThan(0);
    for (const { hash, height } of busy.truth.own_blocks_without_a_line) {
      const place = answer.findIndex((block) => block.hash === hash);
      expect(answer[place]).toMatchObject({ height, finder_proven: true, logged_at: null, quality: 'exact', state: 'confirmed' });
      expect(answer[place]!.finder).not.toBeNull();
      expect(answer[place - 1]!.height).toBeLessThanOrEqual(height);
    }
  });

  it('blocks: the user is the worker up to its first dot or underscore (D-28)', async () => {
    for (const { finder, user } of await blocks()) expect(user).toBe(finder?.split(/[._]/)[0] ?? null);
  });

  it('snapshot: every user with a count up to the solving share, as text, and the difference against the one before (D-24, D-27)', async () => {
    for (const solve of busy.truth.solves.slice(-5)) {
      const answer = await ask(shapes.accountingSnapshot, 'accounting', config_file, 'snapshot', solve.hash);
      expect(answer).toMatchObject({ height: solve.height, hash: solve.hash, quality: 'exact' });
      const counts = Object.entries(solve.users).map(([user, { accepted_difficulty_to_solving_share: count }]) => [user, String(count)])
        .filter(([, count]) => count !== '0');
      expect(answer.shares.map(({ user, count }) => [user, count]).sort()).toEqual(counts.sort());
      for (const { count, difference } of answer.shares) expect(BigInt(difference)).toBeLessThanOrEqual(BigInt(count));
    }
  });

  it('compare: a row for each block, and one for each user of a block', async () => {
    const answer = await ask(shapes.accountingCompare, 'accounting', config_file, 'compare');
    expect(answer.rounds).toHaveLength((await blocks()).length);
    expect(answer.totals).toMatchObject({ rounds: answer.rounds.length, compared: answer.rounds.length });
    const { hash } = answer.totals.largest!;
    const round = await ask(shapes.accountingCompareBlock, 'accounting', config_file, 'compare', hash);
    const { users, ...line } = answer.rounds.find((one) => one.hash === hash)!;
    expect(round).toMatchObject(line);
    expect(round.users).toHaveLength(users);
  });

  it('prune: says by default that all is kept, and before anything is settled that every share log is needed', async () => {
    expect(await ask(shapes.accountingPrune, 'accounting', config_file, 'prune'))
      .toMatchObject({ sharelog_keep: 'all', dry_run: false, kept: {} });
    const compressing = configure('compress.conf', { sharelog_keep: 'compress' });
    const answer = await ask(shapes.accountingPrune, 'accounting', compressing, 'prune', '--dry-run');
    expect(answer).toMatchObject({ sharelog_keep: 'compress', dry_run: true, below_height: null, heights: [], stopped: null });
    expect(answer.kept.not_settled).toBeGreaterThan(0);
  });

  it('is one document on stdout, and what is said beside it goes to stderr', async () => {
    const { stdout } = await run('accounting', ['blocks', '--json', '-c', config_file], { env: { POOL_LOG_LEVEL: 'debug' } });
    expect(() => { JSON.parse(stdout); }).not.toThrow();
  });

  it('is the same before and after the name of the command', async () => {
    const before = await run('accounting', ['-c', config_file, '--json', 'blocks']);
    expect(before.stdout).toBe((await run('accounting', ['blocks', '--json', '-c', config_file])).stdout);
  });
});

describe('payments --json before it has ever run', () => {
  it('blocks: all immature, with the reward that accounting saw', async () => {
    const answer = await ask(shapes.paymentsBlocks, 'payments', config_file, 'blocks');
    const confirmed = (await blocks()).filter(({ state }) => state === 'confirmed');
    expect(answer.map(({ hash, reward, state }) => ({ hash, reward, state })).sort((a, b) => (a.hash < b.hash ? -1 : 1)))
      .toEqual(confirmed.map(({ hash, reward }) => ({ hash, reward, state: 'immature' })).sort((a, b) => (a.hash! < b.hash! ? -1 : 1)));
  });

  it('balances: every user, with nothing earned; payouts: none', async () => {
    const answer = await ask(shapes.paymentsBalances, 'payments', config_file, 'balances');
    expect(answer.length).toBeGreaterThan(0);
    for (const { earned, balance } of answer) expect([earned, balance]).toEqual(['0.00000000', '0.00000000']);
    expect(await ask(shapes.paymentsPayouts, 'payments', config_file, 'payouts')).toEqual([]);
  });
});
