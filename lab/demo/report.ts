// The end of the demo: everything is asked for once more, checked, and shown as four tables or one document.
import { printable } from '../../shared/username.js';
import { printLines, printTable, type Column } from '../../shared/command.js';
import * as answers from './answers.js';
import { auditChain } from './chain-audit.js';
import { ownChecks } from './check.js';
import type { Daemons } from './daemons.js';
import { expectedEarnings } from './expected-earnings.js';
import { nameOfWorker } from './mining.js';
import { pool_fee, type ThrowawayPool } from './pool.js';
import type { Story } from './story.js';
import type { Satoshis } from '../../shared/units.js';

export interface Report {
  readonly ok: boolean;
  readonly blocks: readonly (answers.SettledBlocks[number] & { readonly finder: string })[];
  readonly miners: readonly (answers.Balances[number] & {
    readonly miner: string;
    readonly shares: string;
  })[];
  readonly payouts: readonly (answers.Payouts[number] & { readonly confirmations: number })[];
  readonly audit: answers.AuditResult;
  readonly demo: answers.AuditResult;
}

const unknown_balance = {
  address: null, earned: '-', paid: '-', network_fee: '-', reserved: '-', balance: '-', state: 'unknown',
};

/** Ends the daemons at its end: whether they do so in order is one of the checks. */
export async function makeReport(pool: ThrowawayPool, daemons: Daemons, story: Story): Promise<Report> {
  const { ask } = daemons;
  const { mining } = story;
  const [found, settled, balances, payouts, audit] = [
    await ask(answers.foundBlocks, 'accounting', 'blocks'),
    await ask(answers.settledBlocks, 'payments', 'blocks'),
    await ask(answers.balances, 'payments', 'balances'),
    await ask(answers.payouts, 'payments', 'payouts'),
    await ask(answers.auditResult, 'payments', 'audit'),
  ];
  const snapshots = new Map<string, answers.Snapshot>();
  for (const { hash } of mining.solves) {
    snapshots.set(hash, await ask(answers.snapshotOfBlock, 'accounting', 'snapshot', hash));
  }
  const shares = snapshots.get(mining.solves.at(-1)!.hash)!.shares;
  const chain = await auditChain(pool.node, pool.pool_address);
  const received = new Map<string, Satoshis>();
  for (const { address } of mining.miners) {
    if (address !== null) received.set(address, await pool.received(address));
  }
  const expected = expectedEarnings(mining.solves, chain.rewards, pool_fee.ppm);
  const checks = ownChecks({
    miners: mining.miners, solves: mining.solves, orphan: story.orphan, killed: story.killed,
    expected, chain, received, found, snapshots, settled, balances, payouts,
  });
  for (const { name, ended } of await daemons.stop()) {
    checks.push({
      name: `${name} ends in order`,
      ok: ended === 0,
      detail: `on SIGTERM it ended with ${ended}`,
    });
  }
  const demo = { ok: checks.every(({ ok }) => ok), checks };
  return {
    ok: audit.ok && demo.ok,
    blocks: settled.map((block) => {
      const solve = mining.solves.find(({ hash }) => hash === block.hash);
      return { ...block, finder: solve ? nameOfWorker(mining.miners, solve.worker) : '?' };
    }),
    miners: mining.miners.map(({ name, user }) => {
      const line = balances.find((one) => one.user === printable(user));
      const count = shares.find((one) => one.user === printable(user))?.count ?? '0';
      return { miner: name, shares: count, ...(line ?? { ...unknown_balance, user: printable(user) }) };
    }),
    payouts: payouts.map((payout) => {
      const height = payout.txid === null ? undefined : chain.spends.get(payout.txid);
      return { ...payout, confirmations: height === undefined ? 0 : chain.tip - height + 1 };
    }),
    audit, demo,
  };
}

const left = (heading: string): Column => ({ heading });
const right = (heading: string): Column => ({ heading, align: 'right' });

export function printReport(report: Report): void {
  printBlocks(report);
  if (report.ok) printLines(['', exact_line]);
  printMiners(report);
  printPayouts(report);
  printLines(['', 'Audit (obtc-payments audit): ledger, chain and wallet']);
  printChecks(report.audit.checks);
  printLines(['', "The demo's own checks: miners and chain against what the daemons say"]);
  printChecks(report.demo.checks);
}

function printBlocks(report: Report): void {
  printLines(['', 'Blocks']);
  printTable(
    [
      right('height'),
      left('hash'),
      left('finder'),
      left('state'),
      right('reward'),
      right('round shares'),
      right('carried in'),
    ],
    report.blocks.map(({ height, hash, finder, state, reward, round_shares, carried_in }) => [
      height,
      `${hash.slice(0, 16)}..`,
      finder,
      state,
      reward,
      round_shares,
      carried_in,
    ]),
  );
}

/** Said only when the check of it holds. */
const exact_line = 'Rounds are exact to the share: each ends with the share that solved its block, which the '
  + 'nonces in the block prove.';

function printMiners(report: Report): void {
  printLines(['', 'Miners']);
  printTable(
    [
      left('miner'),
      left('user'),
      right('shares'),
      right('earned'),
      right('paid'),
      right('network fee'),
      right('balance'),
      left('state'),
    ],
    report.miners.map(({ miner, user, shares, earned, paid, network_fee, balance, state }) => [
      miner,
      user.length > 16 ? `${user.slice(0, 14)}..` : user,
      shares,
      earned,
      paid,
      network_fee,
      balance,
      state,
    ]),
  );
}

function printPayouts(report: Report): void {
  const names = new Map(report.miners.map(({ user, miner }) => [user, miner]));
  printLines(['', 'Payouts']);
  printTable(
    [
      right('id'),
      left('transaction'),
      left('state'),
      right('confirmations'),
      right('network fee'),
      left('pays'),
      right('amount'),
    ],
    report.payouts.flatMap(({ id, txid, state, confirmations, network_fee, outputs }) =>
      outputs.map(({ address, amount }, index) => {
        const who = names.get(address) ?? address;
        const transaction = `${txid?.slice(0, 16) ?? ''}..`;
        return index > 0
          ? ['', '', '', '', '', who, amount]
          : [id, transaction, state, confirmations, network_fee, who, amount];
      }),
    ),
  );
}

/** Lines, not a table: the details are sentences. */
function printChecks(checks: readonly answers.Check[]): void {
  printLines(checks.map(({ name, ok, detail }) => `${ok ? 'ok      ' : 'VIOLATED'}  ${name} (${detail})`));
}
