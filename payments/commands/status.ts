// `status`: what is owed, what is in flight, what the wallet holds, and what payments waits for and
// why, as the daemon would find it now. Reads only.
import { formatCoins } from '../../shared/amount.js';
import { printJson, printLines, type Action } from '../../shared/command.js';
import { openRequests } from '../../shared/database/requests.js';
import { satoshis } from '../../shared/units.js';
import { lookAtChain } from '../chain-view.js';
import type { PaymentsContext } from '../context.js';
import { unaccepted_states } from '../core/payout-state.js';
import { undecidedBlocks } from '../edges/facts.js';
import { openIncidents } from '../edges/incident-store.js';
import { accountBalances } from '../edges/ledger-store.js';
import { batchesInFlight, oldestUnpaidCredit } from '../edges/overview.js';
import { countRounds } from '../edges/round-store.js';
import { nextBatch } from '../paying/next-batch.js';
import { whyPayingStopped } from '../paying/plan.js';
import { whySettlingWaits } from '../settle.js';
import { withPayments } from './open.js';

const isoTime = (at_ms: number): string => new Date(at_ms).toISOString();

export async function statusOfPayments(context: PaymentsContext) {
  const { database, node } = context;
  const look = await lookAtChain(node, database);
  const accounts = await accountBalances(database.knex);
  const wallet = await node.balances();
  const oldest = await oldestUnpaidCredit(database.knex);
  const in_flight = await batchesInFlight(database.knex);
  const blocks: Record<string, number> = await database.snapshot(async (transaction) => ({
    immature: (await undecidedBlocks(transaction)).length, ...(await countRounds(transaction)),
  }));
  return {
    chain: {
      tip_height: look.tip_height,
      tip_hash: look.tip_hash,
      synced: look.view.synced,
      accounting_complete_height: look.view.complete_height,
    },
    blocks,
    liabilities: formatCoins(satoshis(accounts.miner + accounts.reserved + accounts.carry)),
    owed: formatCoins(accounts.miner),
    reserved: formatCoins(accounts.reserved),
    carry: formatCoins(accounts.carry),
    pool_fee: formatCoins(accounts.pool_fee),
    paid: formatCoins(accounts.paid),
    network_fee: formatCoins(accounts.network_fee),
    orphan_loss: formatCoins(accounts.orphan_loss),
    wallet: {
      trusted: formatCoins(wallet.trusted),
      untrusted_pending: formatCoins(wallet.untrusted_pending),
      immature: formatCoins(wallet.immature),
    },
    in_flight: in_flight.map(({ id, state, planned_sats, txid, held_reason, since_ms }) => ({
      id,
      state,
      planned: formatCoins(planned_sats),
      txid,
      held_reason,
      since: isoTime(since_ms),
    })),
    oldest_unpaid_at: oldest === null ? null : isoTime(oldest.credited_at_ms),
    waits: await whatItWaitsFor(context),
    incidents: (await openIncidents(database.knex)).map(
      ({ id, kind, subject, stops_paying, detail, raised_at }) => ({
        id,
        kind,
        subject,
        stops_paying,
        detail,
        raised_at: `${raised_at.replace(' ', 'T')}Z`,
      }),
    ),
    open_requests: (await openRequests(database, 'payments')).length,
  };
}

async function whatItWaitsFor(context: PaymentsContext): Promise<string[]> {
  const settling = await whySettlingWaits(context);
  const stopped = await whyPayingStopped(context);
  const reasons = [settling, stopped].filter((sentence) => sentence !== null);
  if (stopped !== null) return reasons;
  const unaccepted: ReadonlySet<string> = new Set(unaccepted_states);
  const [open] = (await batchesInFlight(context.database.knex)).filter(({ state }) => unaccepted.has(state));
  if (open) {
    return [
      ...reasons,
      `Batch ${open.id} is ${open.state}: nothing new is planned before the node has accepted it.`,
    ];
  }
  const next = await nextBatch(context);
  if (next.postponed !== null) return [...reasons, next.postponed];
  if (next.draft) {
    const { planned_sats, outputs } = next.draft;
    return [...reasons, `The next batch pays ${formatCoins(planned_sats)} to ${outputs.length} addresses.`];
  }
  const [waiting] = next.waiting;
  return waiting ? [...reasons, waiting.reason] : reasons;
}

export const status: Action = (command) => withPayments(command, async (context) => {
  const now = await statusOfPayments(context);
  if (command.json) return printJson(now);
  const { tip_height, synced, accounting_complete_height } = now.chain;
  const blocks = Object.entries(now.blocks).map(([state, count]) => `${count} ${state}`);
  printLines([
    `chain         block ${tip_height}, ${synced ? 'synced' : 'catching up'}; `
      + `accounting complete to ${accounting_complete_height ?? '-'}`,
    `blocks        ${blocks.join(', ')}`,
    `liabilities   ${now.liabilities} (owed ${now.owed}, reserved ${now.reserved}, carried ${now.carry})`,
    `pool fee      ${now.pool_fee}; paid so far ${now.paid} and `
      + `${now.network_fee} network fee; orphan loss ${now.orphan_loss}`,
    `wallet        ${now.wallet.trusted} and ${now.wallet.untrusted_pending} pending, `
      + `${now.wallet.immature} immature`,
    `oldest unpaid ${now.oldest_unpaid_at ?? '-'}`,
    ...now.in_flight.map(({ id, state, planned, txid, held_reason }) =>
      `in flight     batch ${id} ${state} ${planned} ${txid ?? ''} ${held_reason ?? ''}`.trimEnd(),
    ),
    ...now.waits.map((sentence) => `waits         ${sentence}`),
    ...now.incidents.map(({ id, kind, detail }) => `incident ${id}    ${kind}: ${detail}`),
  ]);
});
