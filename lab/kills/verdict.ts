// What must hold when a run is over, whatever was done to it: looked up on the chain block by block, counted from the
// miners' own view, and compared with what the daemons wrote. Each sentence that is returned is a violation.
import { z } from 'zod';
import { connect } from '../../shared/database/connect.js';
import { integer } from '../../shared/database/database.js';
import { rowsOf } from '../../shared/database/rows.js';
import type { RegtestNode } from '../regtest-node.js';
import { auditChain, type ChainAudit } from '../demo/chain-audit.js';
import { expectedEarnings } from '../demo/expected-earnings.js';
import { auditResult } from '../demo/answers.js';
import { readFacts, type Facts } from './facts.js';
import { pool_fee, type Place } from './place.js';

interface Money {
  readonly batches: readonly { readonly id: number; readonly state: string; readonly txid: string | null }[];
  readonly rounds: readonly { readonly block_hash: string; readonly state: string; readonly round_shares: string }[];
  readonly users: readonly { readonly name: string; readonly account: string; readonly kind: string; readonly total: string }[];
  readonly open_incidents: readonly { readonly kind: string; readonly detail: string }[];
}

export async function judge(place: Place, expected_facts: Facts): Promise<string[]> {
  const money = await readMoney(place);
  const chain = await auditChain({ rpc: remembering(place.node) }, place.past.pool_address);
  return [
    ...judgeFacts(await readFacts(place), expected_facts),
    ...judgeBlocks(place, money, chain),
    ...judgePayouts(money, chain),
    ...judgeMiners(place, money, chain),
    ...money.open_incidents.map(({ kind, detail }) => `payments waits for a person: ${kind}, ${detail}`),
    ...await askAudit(place),
  ];
}

/** What a block holds never changes, and most blocks are the same in every run. */
const blocks_seen = new Map<string, Promise<unknown>>();

function remembering(node: RegtestNode): RegtestNode['rpc'] {
  return (method, ...parameters) => {
    const [hash] = parameters;
    if (method !== 'getblock' || typeof hash !== 'string') return node.rpc(method, ...parameters);
    const block = blocks_seen.get(hash) ?? node.rpc(method, ...parameters);
    blocks_seen.set(hash, block);
    block.catch(() => blocks_seen.delete(hash));
    return block;
  };
}

async function readMoney({ mariadb }: Place): Promise<Money> {
  const database = await connect(mariadb.settings('pool_base'));
  const rows = <Row>(sql: string): Promise<Row[]> => rowsOf<Row>(database.knex, sql);
  try {
    return {
      batches: await rows('SELECT b.id, b.state, t.txid FROM payout_batches b LEFT JOIN payout_transactions t ON t.batch_id = b.id'),
      rounds: await rows('SELECT block_hash, state, round_shares FROM rounds'),
      users: await rows(`SELECT CONVERT(u.name USING latin1) AS name, e.account, v.kind, sum(e.amount_sats) AS total
        FROM ledger_entries e JOIN users u ON u.id = e.user_id JOIN ledger_events v ON v.id = e.event_id
        GROUP BY u.name, e.account, v.kind`),
      open_incidents: await rows("SELECT kind, detail FROM payment_incidents WHERE state = 'open'"),
    };
  } finally {
    await database.close();
  }
}

function judgeFacts(facts: Facts, expected: Facts): string[] {
  const [had, must] = [new Set(facts), new Set(expected)];
  return [
    ...expected.filter((line) => !had.has(line)).map((line) => `a fact is missing: ${line}`),
    ...facts.filter((line) => !must.has(line)).map((line) => `a fact is there that should not be: ${line}`),
    ...(facts.length === had.size ? [] : ['a fact is there twice']),
  ];
}

/** Every block that the miners found is settled once: credited if it is in the chain, orphaned if not. */
function judgeBlocks({ past }: Place, { rounds }: Money, chain: ChainAudit): string[] {
  const settled = new Map(rounds.map(({ block_hash, state }) => [block_hash, state]));
  const state_wrong = past.solves.flatMap(({ hash, height }) => {
    const wanted = chain.rewards.has(hash) ? 'credited' : 'orphaned';
    return settled.get(hash) === wanted ? [] : [`block ${height} is ${settled.get(hash) ?? 'not settled'}, not ${wanted}`];
  });
  const work = rounds.reduce((sum, { round_shares }) => sum + integer(round_shares), 0n);
  const accepted = [...past.solves.at(-1)!.counts.values()].reduce((sum, count) => sum + count, 0n);
  return [
    ...state_wrong,
    ...(rounds.length === past.solves.length ? [] : [`${rounds.length} rounds for ${past.solves.length} blocks`]),
    ...(chain.rewards.has(past.orphan.hash) ? ['the orphan is in the chain'] : []),
    ...(work === accepted ? [] : [`the rounds hold ${work} shares, the miners had ${accepted} accepted`]),
  ];
}

/** One transaction for each batch, all of them in the chain, and none beside them. */
function judgePayouts({ batches }: Money, chain: ChainAudit): string[] {
  const paying = batches.filter(({ state }) => state !== 'released');
  const txids = new Set(paying.map(({ txid }) => txid));
  return [
    ...paying.flatMap(({ id, state }) => (state === 'final' ? [] : [`batch ${id} is ${state}`])),
    ...paying.flatMap(({ id, txid }) => (txid !== null && chain.spends.has(txid) ? [] : [`batch ${id} has no transaction in the chain`])),
    ...[...chain.spends.keys()].flatMap((txid) => (txids.has(txid) ? [] : [`transaction ${txid} belongs to no batch`])),
    ...(txids.size === paying.length ? [] : ['two batches share a transaction']),
    ...(paying.length > 0 ? [] : ['nobody was paid']),
  ];
}

/** On the chain nobody has more than he was credited, nor less than the ledger says was paid. */
function judgeMiners({ past }: Place, { users }: Money, chain: ChainAudit): string[] {
  const expected = expectedEarnings(past.solves, chain.rewards, pool_fee.ppm);
  const total = (name: string, account: string, kinds?: readonly string[]): bigint =>
    users.filter((one) => one.name === name && one.account === account && (kinds?.includes(one.kind) ?? true))
      .reduce((sum, one) => sum + integer(one.total), 0n);
  return past.miners.flatMap(({ name: miner, user, address }) => {
    const least = expected.earned.get(user) ?? 0n;
    const earned = total(user, 'miner', ['settle', 'reverse']);
    const [paid, fee, reserved, balance] = ['paid', 'network_fee', 'reserved', 'miner'].map((account) => total(user, account)) as [bigint, bigint, bigint, bigint];
    const on_chain = address === null ? 0n : chain.paid.get(address) ?? 0n;
    return [
      ...(earned >= least && earned <= least + BigInt(expected.rounds) ? [] : [`${miner} was credited ${earned}, his work is worth ${least}`]),
      ...(on_chain <= earned ? [] : [`${miner} has ${on_chain} on the chain and was credited ${earned}`]),
      ...(on_chain === paid ? [] : [`${miner} has ${on_chain} on the chain, the ledger says ${paid}`]),
      ...(earned === paid + fee + reserved + balance && reserved === 0n ? [] : [`${miner}: ${earned} is not ${paid} + ${fee} + ${reserved} + ${balance}`]),
      ...(address === null || on_chain > 0n ? [] : [`${miner} was not paid`]),
    ];
  });
}

async function askAudit({ programs }: Place): Promise<string[]> {
  const { status, stdout, stderr } = await programs.run('payments', 'audit', '--json');
  if (status !== 0 && stdout === '') return [`obtc-payments audit ended with ${status}: ${stderr}`];
  const { ok, checks } = auditResult.parse(JSON.parse(stdout) as z.input<typeof auditResult>);
  const broken = checks.filter((check) => !check.ok).map(({ name, detail }) => `audit: ${name} (${detail})`);
  return ok === (broken.length === 0) && (status === 0) === ok ? broken : [...broken, `audit says ${ok} and ends with ${status}`];
}
