// One pool from the first share to the last final payout on real parts: MariaDB with two logins of few rights,
// a node in regtest, both daemons as processes, and everything killed once (scenario/story.ts). The tests look
// at what is left in the end, through the commands and on the chain.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditChain, type ChainAudit } from '../lab/demo/chain-audit.js';
import { formatCoins, parseCoins } from '../shared/amount.js';
import { satoshis } from '../shared/units.js';
import { printable } from '../shared/username.js';
import * as shapes from './json-shapes.js';
import { ask, buildPrograms, run, startDaemon, until } from './programs.js';
import { expectedRounds, type ExpectedRound } from './scenario/expected.js';
import { layGround, type Ground } from './scenario/ground.js';
import type { FoundBlock } from './scenario/miners.js';
import { tellStory, type Story } from './scenario/story.js';

const story_limit_ms = 420_000;
const pool_fee_ppm = 12_500n;
const sum = (amounts: Iterable<bigint>): bigint => [...amounts].reduce((total, amount) => total + amount, 0n);

let ground: Ground;
let story: Story;

beforeAll(async () => {
  buildPrograms();
  ground = await layGround();
  story = await tellStory(ground);
}, story_limit_ms);

afterAll(async () => {
  await story?.daemons.accounting.kill();
  await story?.daemons.payments.kill();
  await ground?.close();
});

describe('a pool whose every part was killed once', () => {
  let blocks: shapes.AccountingBlocks;
  let rounds: shapes.PaymentsBlocks;
  let balances: shapes.PaymentsBalances;
  let payouts: shapes.PaymentsPayouts;
  let chain: ChainAudit;
  let expected: readonly ExpectedRound[];
  const roundOf = (block: FoundBlock): ExpectedRound => expected.find((round) => round.block === block)!;

  // Each answer is parsed by its shape of json-shapes.ts, so this holds the shapes of payments as well.
  beforeAll(async () => {
    const { config_file } = ground;
    blocks = await ask(shapes.accountingBlocks, 'accounting', config_file, 'blocks');
    rounds = await ask(shapes.paymentsBlocks, 'payments', config_file, 'blocks');
    balances = await ask(shapes.paymentsBalances, 'payments', config_file, 'balances');
    payouts = await ask(shapes.paymentsPayouts, 'payments', config_file, 'payouts');
    chain = await auditChain(ground.node, ground.pool_address);
    expected = expectedRounds(story.pool.found, chain.rewards, pool_fee_ppm);
  });

  it('fault 1: has every block once, with the hash that was mined and its finder, in the order of the log (D-18, D-20)', () => {
    expect(blocks.map(({ hash, height }) => ({ hash, height })))
      .toEqual(story.pool.found.map(({ hash, height }) => ({ hash, height })));
    for (const block of story.pool.found) {
      const recorded = blocks.find(({ hash }) => hash === block.hash);
      expect(recorded).toMatchObject({
        state: 'confirmed', active: chain.rewards.has(block.hash), disputed: false,
        finder: printable(block.worker), finder_proven: block.proven,
      });
    }
  });

  it('has every user\'s work at every block to the share, without share logs to the last pass of ckpool (D-22)', async () => {
    const { without_share_logs, with_them_again } = story.blocks;
    const by_minute: readonly FoundBlock[] = [...without_share_logs, with_them_again];
    for (const block of story.pool.found) {
      const { shares, quality } = await ask(shapes.accountingSnapshot, 'accounting', ground.config_file, 'snapshot', block.hash);
      const counts = [...block.counts].filter(([, count]) => count > 0n).map(([user, count]) => [printable(user), count.toString()]);
      expect({ height: block.height, quality }).toEqual({ height: block.height, quality: by_minute.includes(block) ? 'minute' : 'exact' });
      expect(shares.map(({ user, count }) => [user, count]).sort()).toEqual(counts.sort());
    }
  });

  it('recorded the shares of a block at once although the node was down, and its hash when it was back (D-19)', () => {
    expect(story.seen_without_node).toMatchObject([{ hash: null, state: 'pending', active: null, reward: null }]);
    expect(blocks.find(({ hash }) => hash === story.blocks.while_node_down.hash)).toMatchObject({ state: 'confirmed', active: true });
  });

  it('paid the block that never had a line to a round of its own, up to the share that proves its finder (D-18)', () => {
    const { unlogged } = story.blocks;
    expect(blocks.find(({ hash }) => hash === unlogged.hash)).toMatchObject({
      finder: printable(unlogged.worker), finder_proven: true, logged_at: null, quality: 'exact',
    });
    const round = rounds.find(({ hash }) => hash === unlogged.hash)!;
    expect(round).toMatchObject({ state: 'credited', carried_out: '0.00000000' });
    expect(BigInt(round.round_shares)).toBe(roundOf(unlogged).round_shares);
    expect(parseCoins(round.credited)).toBeGreaterThan(0n);
  });

  it('gave each share to one round, though ckpool ran without -L for a while and was killed before a pass', () => {
    const all = sum(story.pool.found.at(-1)!.counts.values());
    expect(sum(rounds.map(({ round_shares }) => BigInt(round_shares)))).toBe(all);
    const { without_share_logs: [first, second], with_them_again, after_crash } = story.blocks;
    for (const { round_shares } of [first, with_them_again, after_crash].map(roundOf)) expect(round_shares).toBeGreaterThan(100n);
    expect(roundOf(second)).toMatchObject({ round_shares: 0n, credits: new Map() });
    expect(roundOf(with_them_again).carried_in).toBe(roundOf(second).carried_out);
  });

  it('paid nobody for the orphan; its work counted in the next round (D-3)', () => {
    const { orphan } = story.blocks;
    expect(rounds.find(({ hash }) => hash === orphan.hash)).toMatchObject({
      state: 'orphaned', round_shares: '0', pool_fee: '0.00000000', credited: '0.00000000', carried_out: '0.00000000',
    });
    expect(chain.rewards.has(orphan.hash)).toBe(false);
    const next = expected[story.pool.found.indexOf(orphan) + 1]!;
    expect(rounds.find(({ hash }) => hash === next.block.hash)?.round_shares).toBe(next.round_shares.toString());
  });

  it('cut every round where the miners would: reward, work, fee and what was carried, to the satoshi (D-5, D-10, D-11)', () => {
    const coins = (amount: bigint) => formatCoins(satoshis(amount));
    expect(roundOf(story.blocks.next_second).round_shares).toBe(8n);
    const inChain = expected.filter(({ orphaned }) => !orphaned);
    expect(rounds.filter(({ state }) => state === 'credited')).toMatchObject(inChain.map((round) => ({
      hash: round.block.hash, reward: coins(round.reward), round_shares: round.round_shares.toString(),
      pool_fee: coins(round.pool_fee), carried_in: coins(round.carried_in), carried_out: coins(round.carried_out),
      credited: coins(round.reward - round.pool_fee + round.carried_in - round.carried_out),
    })));
  });

  it('credited each miner his part of each round, at most a satoshi of remainder apart (D-7, D-8)', () => {
    for (const { user } of story.miners) {
      const least = sum(expected.map(({ credits }) => credits.get(user) ?? 0n));
      const earned = parseCoins(balances.find((line) => line.user === printable(user))!.earned);
      expect(earned).toBeGreaterThanOrEqual(least);
      expect(earned).toBeLessThanOrEqual(least + BigInt(expected.length));
    }
    expect(sum(balances.map(({ earned }) => parseCoins(earned)))).toBe(sum(rounds.map(({ credited }) => parseCoins(credited))));
  });

  it('paid each miner in the chain exactly what the ledger says, and nobody twice (D-1, D-2)', async () => {
    for (const { user, address } of story.miners) {
      const { paid, earned, network_fee, reserved, balance } = balances.find((line) => line.user === printable(user))!;
      expect(parseCoins(earned)).toBe(sum([paid, network_fee, reserved, balance].map(parseCoins)));
      expect(parseCoins(paid)).toBe(address === null ? 0n : chain.paid.get(address) ?? 0n);
      if (address !== null) expect(await ground.received(address)).toBe(parseCoins(paid));
      if (address !== null) expect(parseCoins(paid)).toBeGreaterThan(0n);
    }
  });

  it('kept what is owed to a name that is no address, and paid the others (D-12, D-30)', () => {
    const line = balances.find(({ user }) => user === printable(story.miners[3]!.user))!;
    expect(line).toMatchObject({ user: "x');DROP\\x20TABLE\\x20blocks;--\\x1b[2J", state: 'quarantined', paid: '0.00000000' });
    expect(parseCoins(line.balance)).toBe(parseCoins(line.earned));
    expect(parseCoins(line.earned)).toBeGreaterThan(0n);
  });

  it('fault 2: finished each payout at which it was killed with the transaction that was signed before (D-2)', () => {
    const [signed, sent] = story.killed_payouts;
    expect(['prepared', 'broadcast']).toContain(signed!.state);
    expect(['broadcast', 'confirmed']).toContain(sent!.state);
    for (const { batch, txid } of story.killed_payouts) {
      expect(payouts.find(({ id }) => id === batch)).toMatchObject({ state: 'final', txid });
    }
  });

  it('followed each payout until it was deep in the chain, and made no transaction beside them (D-14, D-15)', () => {
    expect(new Set(chain.spends.keys())).toEqual(new Set(payouts.map(({ txid }) => txid)));
    for (const { txid, state } of payouts) {
      expect(state).toBe('final');
      expect(chain.tip - chain.spends.get(txid!)! + 1).toBeGreaterThanOrEqual(6);
    }
    expect(sum(payouts.map(({ network_fee }) => parseCoins(network_fee)))).toBe(chain.network_fees);
    expect(sum(payouts.flatMap(({ outputs }) => outputs.map(({ amount }) => parseCoins(amount))))).toBe(sum(chain.paid.values()));
  });

  it('lost no satoshi between the coinbases and the miners', () => {
    // The address mined one block before the pool began: it is in the chain, and never the pool's to pay.
    const own = sum(expected.map(({ reward }) => reward));
    const before_the_pool = sum(chain.rewards.values()) - own;
    expect(before_the_pool).toBeGreaterThan(0n);
    expect(own + before_the_pool).toBe(sum(chain.paid.values()) + chain.network_fees + chain.left);
  });

  it('passes its own audit over ledger, facts, chain and wallet (D-35)', async () => {
    const audit = await ask(shapes.paymentsAudit, 'payments', ground.config_file, 'audit');
    expect(audit.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(audit.ok).toBe(true);
  });

  it('tells its liabilities as the sum of what it owes', async () => {
    const status = await ask(shapes.paymentsStatus, 'payments', ground.config_file, 'status');
    expect(parseCoins(status.owed)).toBe(sum(balances.map(({ balance }) => parseCoins(balance))));
    expect(status.in_flight).toEqual([]);
  });

  it('said what happened to it without a secret, a stack or a control byte of a miner\'s name (D-31, D-32)', () => {
    for (const { said } of Object.values(story.daemons)) {
      const log = said();
      expect(log).not.toBe('');
      for (const secret of ['accounting-secret', 'payments-secret', ground.node.password]) expect(log).not.toContain(secret);
      expect(log).not.toMatch(/^\s+at .*:\d+|This should not have happened/m);
      expect(log).not.toContain('\u001b');
    }
  });

  it('has the same facts when the log is read again from its beginning (D-17)', async () => {
    const replayed = await run('accounting', ['replay', ground.log_directory, '-c', ground.config_file]);
    expect(replayed.status, replayed.stdout + replayed.stderr).toBe(0);
  });
});

describe('each daemon by itself', () => {
  it('ends within 5 s when it is asked to, and the next one need not wait for its lease', async () => {
    for (const name of ['accounting', 'payments'] as const) {
      const { ended, took_ms } = await story.daemons[name].stop();
      expect({ name, ended }).toEqual({ name, ended: 0 });
      expect(took_ms).toBeLessThan(5_000);
      const began_ms = performance.now();
      expect(await run(name, ['run', '--once', '-c', ground.config_file])).toMatchObject({ status: 0, stdout: '' });
      expect(performance.now() - began_ms).toBeLessThan(9_000);
    }
  });

  it('accounting records a block with payments stopped (D-19)', async () => {
    const accounting = startDaemon('accounting', ground.config_file, `${ground.directory}/accounting-alone.log`);
    try {
      const [hash] = await ground.node.mine(1, ground.pool_address);
      await until('the block', 20_000, [accounting], async () =>
        (await ask(shapes.accountingBlocks, 'accounting', ground.config_file, 'blocks')).some((block) => block.hash === hash));
      expect(await ask(shapes.paymentsBlocks, 'payments', ground.config_file, 'blocks'))
        .toContainEqual(expect.objectContaining({ hash, state: 'immature' }));
    } finally {
      await accounting.stop();
    }
  });
});
