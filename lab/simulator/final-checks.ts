// After the weather has cleared: is anything still pending, and is everything as it should be? Three views that share
// nothing: the naive auditor's of miners and chain, the production `audit`'s of ledger, chain and wallet, and the chain's
// own of who was paid.
import { auditLines } from '../../payments/commands/audit.js';
import { createWaits } from '../../payments/context.js';
import { nothing_happens } from './spare-ports.js';
import { silentLogger } from '../../shared/logger.js';
import { printable, type NameBytes } from '../../shared/username.js';
import { expectation, isNear, type ChainView, type Expectation } from './auditor.js';
import type { WorldFault } from './swarm.js';
import type { World } from './world.js';

type Row = Record<string, unknown>;

const rows = ({ database: { raw } }: World, sql: string, ...values: unknown[]): Row[] =>
  raw.prepare(sql).all(...values) as Row[];

/** What keeps the pool from being at rest; empty when everything due is settled, paid and buried. */
export async function pending(world: World): Promise<string[]> {
  const { chain, config } = world;
  const { tip_hash, tip_height } = await chain.node.chainInfo();
  const [scan] = rows(world, 'SELECT complete_hash FROM chain_scan');
  const found = scan?.['complete_hash'] === tip_hash ? [] : ['accounting is not complete to the tip'];
  const undecided = rows(world, `SELECT b.height AS height FROM blocks AS b LEFT JOIN rounds AS r ON r.block_hash = b.hash
    WHERE r.id IS NULL AND b.height <= ?`, tip_height - config.maturity);
  found.push(...undecided.map((row) => `block ${String(row['height'])} is due and not decided`));
  const batches = rows(world, "SELECT id, state FROM payout_batches WHERE state NOT IN ('final', 'released')");
  found.push(...batches.map((row) => `batch ${String(row['id'])} is ${String(row['state'])}`));
  found.push(...rows(world, "SELECT kind, subject FROM payment_incidents WHERE state = 'open'")
    .map((row) => `an incident is open: ${String(row['kind'])} ${String(row['subject'])}`));
  found.push(...rows(world, 'SELECT r.id AS id FROM operator_requests AS r WHERE NOT EXISTS (SELECT 1 FROM payment_outcomes '
    + 'AS o WHERE o.request_id = r.id) AND NOT EXISTS (SELECT 1 FROM accounting_outcomes AS o WHERE o.request_id = r.id)')
    .map((row) => `request ${String(row['id'])} was not acted on`));
  found.push(...await unpaid(world));
  return found;
}

/** By script, what is owed and reaches the minimum; nobody waits while the pool has coins for him. */
async function unpaid(world: World): Promise<string[]> {
  const { chain, config } = world;
  const owed = rows(world, `SELECT a.script AS script, sum(e.amount_sats) AS sats FROM ledger_entries AS e
    JOIN payout_addresses AS a ON a.user_id = e.user_id WHERE e.account = 'miner' AND a.state = 'payable'
    GROUP BY a.script`);
  const pool_script = (await chain.node.address(config.pool_address)).script;
  const coins = (await chain.node.walletCoins()).filter(({ script }) => script === pool_script);
  const richest = coins.reduce((sum, { amount }) => sum + amount, 0n);
  // Below this an output is dust once the fee is withheld.
  const least = config.min_payout_sats > worth_paying ? config.min_payout_sats : worth_paying;
  // Less than that over, and the change would be dust: then another coin is waited for.
  return owed.filter(({ sats }) => (sats as bigint) >= least && (sats as bigint) + worth_paying < richest)
    .map(({ script, sats }) => `${String(sats)} satoshis are owed to ${String(script)} and not paid`);
}

const worth_paying = 50_000n;

export async function violationsAtRest(world: World): Promise<string[]> {
  return [...await againstTheRecord(world), ...await againstTheChain(world), ...await againstTheLedger(world)];
}

/** The production audit over the same database and node, with ports to which nothing happens. */
async function againstTheLedger(world: World): Promise<string[]> {
  const database = world.database.portFor(nothing_happens);
  try {
    const lines = await auditLines({
      config: world.config, database, node: world.chain.node, log: silentLogger, waits: createWaits(silentLogger),
      lease: { fence: async () => { throw new Error('an audit writes nothing'); } },
      clock: { now_ms: () => world.timeline.now_ms(), monotonic_ms: () => world.timeline.now_ms(), sleep: async () => undefined },
    });
    return lines.filter(({ ok }) => !ok).map(({ name, detail }) => `audit: ${name}: ${detail}`);
  } finally {
    await database.close();
  }
}

async function againstTheChain(world: World): Promise<string[]> {
  const paid = await world.payouts.paid();
  const ledger = new Map(rows(world, `SELECT a.script AS script, sum(CASE WHEN e.account = 'paid' THEN e.amount_sats ELSE 0 END) AS paid
    FROM ledger_entries AS e JOIN payout_addresses AS a ON a.user_id = e.user_id WHERE a.script IS NOT NULL GROUP BY a.script`)
    .map((row) => [row['script'] as string, row['paid'] as bigint]));
  const found: string[] = [];
  for (const [script, sats] of paid) {
    if (sats !== (ledger.get(script) ?? 0n)) {
      found.push(`the chain pays ${sats} to ${script}, the ledger says ${ledger.get(script) ?? 0n}`);
    }
  }
  const txids = await world.payouts.transactions();
  const batches = new Map<string, number>();
  for (const { txid, batch } of rows(world, 'SELECT txid, batch_id AS batch FROM payout_transactions') as { txid: string; batch: bigint }[]) {
    if (txids.some((known) => known === txid)) batches.set(String(batch), (batches.get(String(batch)) ?? 0) + 1);
  }
  for (const [batch, times] of batches) if (times > 1) found.push(`batch ${batch} is in the chain ${times} times`);
  return found;
}

async function againstTheRecord(world: World): Promise<string[]> {
  const { config, pool, swarm } = world;
  const ledger = earnedByUser(world);
  const known = new Set(pool.record.shares.map(({ user }) => user));
  const found = [...ledger.keys()].filter((user) => !known.has(user)).map((user) => `${printable(user)} has earned without a share`);
  found.push(...neverTooMuch(world), ...neverTooLittle(world));
  if (world.checks.decided_otherwise) return found;
  const should = expectation(pool.record, swarm.share_log ? 'share_logs' : 'counters', await viewOf(world), config);
  found.push(...totalsDiffer(world, should));
  if (swarm.certainty === 'bounds') return found;
  for (const [user, { earned }] of should.users) {
    const has = ledger.get(user) ?? 0n;
    if (!isNear(has, earned, BigInt(should.rounds))) {
      found.push(`${printable(user)} has earned ${has}, by the record it is ${earned.over / earned.under}`);
    }
  }
  const [carry] = rows(world, "SELECT coalesce(sum(amount_sats), 0) AS sats FROM ledger_entries WHERE account = 'carry'");
  if (carry?.['sats'] !== should.carried_sats) found.push(`${String(carry?.['sats'])} is carried, by the record it is ${should.carried_sats}`);
  return found;
}

/** What came in, and the pool's own part of it, do not depend on whose work it was. */
function totalsDiffer(world: World, should: Expectation): string[] {
  const [totals] = rows(world, `SELECT coalesce(-sum(CASE WHEN e.account = 'coinbase' THEN e.amount_sats END), 0) AS reward,
    coalesce(sum(CASE WHEN e.account = 'pool_fee' THEN e.amount_sats END), 0) AS fee
    FROM ledger_entries AS e JOIN ledger_events AS v ON v.id = e.event_id WHERE v.kind = 'settle'`);
  const found: string[] = [];
  if (totals?.['reward'] !== should.reward_sats) found.push(`the ledger has taken in ${String(totals?.['reward'])}, the chain has paid ${should.reward_sats}`);
  if (totals?.['fee'] !== should.pool_fee_sats) found.push(`the pool has kept ${String(totals?.['fee'])}, by its fee it is ${should.pool_fee_sats}`);
  return found;
}

/** With these a counter on disk is not what ckpool has told, or what it told is gone. */
const hides_counters: readonly WorldFault[] = ['counter_falls', 'torn_users', 'restore', 'truncate', 'switch', 'share_disk_full'];

/**
 * Whatever the log went through: what ckpool's counters have told is counted, all of it, but for the last two minutes.
 * Where share logs are read the seeds that are told exactly say more.
 */
function neverTooLittle(world: World): string[] {
  if (world.swarm.share_log || hides_counters.some((fault) => world.swarm.world_faults.has(fault))) return [];
  const { shares } = world.pool.record;
  const latest = shares.reduce((last, { pass }) => Math.max(last, pass ?? 0), 0);
  const told = new Map<string, bigint>();
  for (const { user, work, pass } of shares) {
    if (pass !== null && pass <= latest - 2) told.set(user, (told.get(user) ?? 0n) + work);
  }
  const counted = new Map(rows(world, 'SELECT name, ledger_count AS n FROM users')
    .map((row) => [(row['name'] as Buffer).toString('latin1'), row['n'] as bigint]));
  return [...told].filter(([user, work]) => (counted.get(user) ?? 0n) < work)
    .map(([user, work]) => `${printable(user as NameBytes)} is counted ${counted.get(user) ?? 0n}, and ckpool has told ${work}`);
}

/** What must not depend on when a process died. */
export function outcomeOf(world: World): string {
  const users = [...earnedByUser(world)].map(([user, sats]) => `${printable(user)} ${sats}`).sort();
  const rounds = rows(world, 'SELECT height, state, round_shares, reward_sats FROM rounds ORDER BY height, block_hash')
    .map((row) => Object.values(row).map(String).join(' '));
  return [...users, ...rounds].join('; ');
}

function earnedByUser(world: World): Map<NameBytes, bigint> {
  return new Map(rows(world, `SELECT u.name AS name, sum(e.amount_sats) AS sats FROM ledger_entries AS e
    JOIN ledger_events AS v ON v.id = e.event_id JOIN users AS u ON u.id = e.user_id
    WHERE e.account = 'miner' AND v.kind IN ('settle', 'reverse') GROUP BY u.id`)
    .map((row) => [(row['name'] as Buffer).toString('latin1') as NameBytes, row['sats'] as bigint]));
}

/** Whatever was lost on the way: nobody's work counts for more than it was. */
function neverTooMuch(world: World): string[] {
  const worked = new Map<string, bigint>();
  for (const { user, work } of world.pool.record.shares) worked.set(user, (worked.get(user) ?? 0n) + work);
  return rows(world, `SELECT u.name AS name, sum(s.difference) AS work FROM snapshot_shares AS s
    JOIN users AS u ON u.id = s.user_id GROUP BY u.id`).flatMap((row) => {
    const name = (row['name'] as Buffer).toString('latin1');
    const counted = row['work'] as bigint;
    return counted > (worked.get(name) ?? 0n) ? [`${printable(name as NameBytes)} is counted ${counted}, and has worked ${worked.get(name) ?? 0n}`] : [];
  });
}

async function viewOf({ chain, pool, config }: World): Promise<ChainView> {
  const pool_script = (await chain.node.address(config.pool_address)).script;
  const confirmations = new Map<string, number>();
  const rewards = new Map<string, bigint>();
  for (const { hash } of pool.record.blocks) {
    const block = await chain.node.blockWithCoinbase(hash);
    if (!block) continue;
    confirmations.set(hash, block.confirmations);
    rewards.set(hash, block.coinbase_outputs.filter(({ script }) => script === pool_script)
      .reduce((sum, { amount }) => sum + amount, 0n));
  }
  return {
    confirmations: (hash) => { const depth = confirmations.get(hash) ?? -1; return depth > 0 ? depth : null; },
    reward: (hash) => rewards.get(hash) ?? 0n,
  };
}
