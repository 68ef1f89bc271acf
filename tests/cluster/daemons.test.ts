// Both daemons as processes against three Galera nodes, a node struck under them again and again (story.ts). The
// tests look at what is left in the end: through the commands, on every node, and on the chain.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditChain, type ChainAudit } from '../../lab/demo/chain-audit.js';
import { parseCoins } from '../../shared/amount.js';
import { tableKinds } from '../../shared/database/migrate.js';
import { rowsOf } from '../../shared/database/rows.js';
import { printable } from '../../shared/username.js';
import * as shapes from '../json-shapes.js';
import { ask, buildPrograms, run } from '../programs.js';
import { expectedRounds } from '../scenario/expected.js';
import { layClusterGround, type ClusterGround } from './pool-ground.js';
import { tellStory, type Story } from './story.js';

const story_limit_ms = 300_000;
const sum = (amounts: Iterable<bigint>): bigint => [...amounts].reduce((total, amount) => total + amount, 0n);

let ground: ClusterGround;
let story: Story;
let chain: ChainAudit;

beforeAll(async () => {
  buildPrograms();
  ground = await layClusterGround();
  story = await tellStory(ground);
  await ground.cluster.whole();
  chain = await auditChain(ground.node, ground.pool_address);
}, story_limit_ms);
afterAll(async () => {
  for (const daemons of [story?.daemons, story?.replaced]) {
    await daemons?.accounting.kill();
    await daemons?.payments.kill();
  }
  await ground?.close();
}, 60_000);

describe('a pool whose database nodes were struck one after the other', () => {
  it('has every block once, with all work up to it, none of it twice', async () => {
    const { config_file } = ground.second;
    const blocks = await ask(shapes.accountingBlocks, 'accounting', config_file, 'blocks');
    expect(blocks.map(({ hash, state, disputed }) => ({ hash, state, disputed })))
      .toEqual(story.pool.found.map(({ hash }) => ({ hash, state: 'confirmed', disputed: false })));
    for (const { hash, counts } of story.pool.found) {
      const { shares } = await ask(shapes.accountingSnapshot, 'accounting', config_file, 'snapshot', hash);
      expect(shares.map(({ user, count }) => [user, count]).sort())
        .toEqual([...counts].map(([user, count]) => [printable(user), count.toString()]).sort());
    }
  });

  it('credited each miner his part of each round, at most a satoshi of remainder apart', async () => {
    const balances = await ask(shapes.paymentsBalances, 'payments', ground.second.config_file, 'balances');
    const rounds = expectedRounds(story.pool.found, chain.rewards, 0n);
    for (const { user } of story.miners) {
      const least = sum(rounds.map(({ credits }) => credits.get(user) ?? 0n));
      const earned = parseCoins(balances.find((line) => line.user === printable(user))!.earned);
      expect(earned).toBeGreaterThanOrEqual(least);
      expect(earned).toBeLessThanOrEqual(least + BigInt(rounds.length));
    }
  });

  it('paid each miner in the chain what the ledger says, with one transaction for each payout and none beside', async () => {
    const { config_file } = ground.second;
    const payouts = await ask(shapes.paymentsPayouts, 'payments', config_file, 'payouts');
    expect(payouts.length).toBeGreaterThanOrEqual(2);
    expect(payouts.every(({ state }) => state === 'final')).toBe(true);
    expect([...chain.spends.keys()].sort()).toEqual(payouts.map(({ txid }) => txid).sort());
    for (const { user, paid } of await ask(shapes.paymentsBalances, 'payments', config_file, 'balances')) {
      const { address } = story.miners.find((miner) => printable(miner.user) === user)!;
      expect(parseCoins(paid)).toBe(chain.paid.get(address!));
      expect(await ground.received(address!)).toBe(parseCoins(paid));
    }
    expect(sum(payouts.map(({ network_fee }) => parseCoins(network_fee)))).toBe(chain.network_fees);
  });

  it('passes its own audit, and reads the same facts from the log again', async () => {
    const { config_file } = ground.second;
    const audit = await ask(shapes.paymentsAudit, 'payments', config_file, 'audit');
    expect(audit.checks.filter(({ ok }) => !ok)).toEqual([]);
    const replayed = await run('accounting', ['replay', ground.log_directory, '-c', config_file]);
    expect(replayed.status, replayed.stdout + replayed.stderr).toBe(0);
  });

  it('holds the same rows on every node', async () => {
    for (const node of ground.cluster.nodes) if (await node.status('wsrep_ready') === null) await node.rejoin();
    await ground.cluster.whole();
    await story.daemons.accounting.stop();
    await story.daemons.payments.stop();
    const contents = await Promise.all(ground.cluster.nodes.map(async (node) => {
      const { knex } = await ground.cluster.open(node);
      const rows = new Map<string, string[]>();
      for (const [table, kind] of await tableKinds(knex, 'mysql')) {
        if (kind === 'table') rows.set(table, (await rowsOf(knex, 'SELECT * FROM ??', [table])).map((row) => JSON.stringify(row)).sort());
      }
      return rows;
    }));
    expect(contents[0]!.size).toBeGreaterThan(20);
    expect(contents[1]).toEqual(contents[0]);
    expect(contents[2]).toEqual(contents[0]);
  });
});

describe('the daemons', () => {
  it('went on with another node within half a minute, by themselves', () => {
    for (const took_ms of Object.values(story.took_over_ms)) expect(took_ms).toBeLessThan(30_000);
    process.stderr.write(`took over after: ${Object.entries(story.took_over_ms).map(([blow, took_ms]) => `${blow} ${(took_ms / 1000).toFixed(1)} s`).join(', ')}\n`);
  });

  it('that hung and were replaced from another node ended when they woke, and said why', () => {
    for (const daemon of [story.replaced.accounting, story.replaced.payments]) {
      expect(daemon.ended()).not.toBe(0);
      expect(daemon.said()).toContain('was taken over by another process');
    }
  });

  it('said what happened to the database in a sentence, without a stack', () => {
    for (const { accounting, payments } of [story.replaced, story.daemons]) {
      for (const log of [accounting.said(), payments.said()]) expect(log).not.toMatch(/^\s+at .*:\d+|This should not have happened|this program does not know/m);
    }
  });
});
