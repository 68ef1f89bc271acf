// What happens in a run, from the first start of the daemons to the last final payout, in three stages that are counted
// and broken, and what lies between them, which is not: the hundred blocks until maturity and the blocks on top of
// a payout. Each daemon runs with --once until it is at rest; one that ended badly is started again, as systemd would.
import { parseCoins } from '../../shared/amount.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import type { Ended, ProgramName } from './programs.js';
import { min_payout, type Place } from './place.js';

export const stages = [1, 2, 3] as const;
/** 1: blocks are recorded. 2: they are mature, settled, paid. 3: the payouts are seen in the chain and become final. */
export type Stage = (typeof stages)[number];

export interface Course {
  /** Every start that did not end with 0. */
  readonly bad_ends: Ended[];
}

const maturity = 100;
const payout_confirmations = 6;
const starts_max = 6;
/** Rounds of mining and paying after the last stage. */
const rounds_max = 8;
const out_of_reach = 3;

export class NoRest extends Error {}

/** Until the next stage may begin. */
export async function playStage(place: Place, course: Course, stage: Stage): Promise<void> {
  if (stage !== 3) await untilAtRest(place, course, 'accounting');
  await untilAtRest(place, course, 'payments');
  if (stage !== 3) return;
  await mine(place, payout_confirmations);
  await untilAtRest(place, course, 'payments');
}

export async function playInterlude(place: Place, course: Course, after: Stage): Promise<void> {
  if (after === 1) {
    const settled_height = place.past.solves.at(-1)!.height + maturity;
    const tip = Number(await afterRepair(place, () => place.node.rpc('getblockcount')));
    await mine(place, settled_height - 1 - tip);
    await untilAtRest(place, course, 'accounting');
    await mine(place, 1);
  }
  if (after === 2) await mine(place, 1);
}

/** What a fault has delayed is done by now, or in a few rounds more. @throws NoRest */
export async function playToTheEnd(place: Place, course: Course): Promise<void> {
  await place.whole();
  for (let round = 0; round < rounds_max; round += 1) {
    const database = await connect(place.mariadb.settings('pool_base'));
    const open = await whatIsOpen(database, place).finally(() => database.close());
    if (open.length === 0) return;
    if (round === rounds_max - 1) throw new NoRest(`not finished after ${rounds_max} rounds: ${open.join(', ')}`);
    await mine(place, payout_confirmations);
    await untilAtRest(place, course, 'accounting');
    await untilAtRest(place, course, 'payments');
  }
}

async function whatIsOpen({ knex }: Database, { past, node }: Place): Promise<string[]> {
  const batches = await knex<{ id: number; state: string }>('payout_batches').whereNotIn('state', ['final', 'released']).select('id', 'state');
  const rounds = await knex<{ block_hash: string }>('rounds').select('block_hash');
  const [scan] = await knex<{ complete_hash: string | null }>('chain_scan').select('complete_hash');
  const owed = await knex('ledger_entries as e').join('payout_addresses as a', 'a.user_id', 'e.user_id')
    .where({ 'e.account': 'miner', 'a.state': 'payable' }).groupBy('e.user_id').havingRaw('sum(e.amount_sats) >= ?', [parseCoins(min_payout).toString()])
    .select('e.user_id');
  const tip = await node.rpc('getbestblockhash');
  return [
    ...batches.map(({ id, state }) => `batch ${id} is ${state}`),
    ...(rounds.length < past.solves.length ? [`${rounds.length} of ${past.solves.length} blocks are settled`] : []),
    ...(scan === undefined || scan.complete_hash === null ? ['the chain was never complete'] : []),
    ...(owed.length > 0 ? [`${owed.length} miners wait for their pay`] : []),
    ...(typeof tip === 'string' ? [] : ['the node has no tip']),
  ];
}

async function mine(place: Place, blocks: number): Promise<void> {
  if (blocks > 0) await afterRepair(place, () => place.node.mine(blocks, place.past.stranger_address));
}

/** A server that was killed is waited for: the miners outside would do the same. */
async function afterRepair<Result>(place: Place, act: () => Promise<Result>): Promise<Result> {
  await place.whole();
  return act();
}

async function untilAtRest(place: Place, course: Course, name: ProgramName): Promise<void> {
  for (let started = 0; started < starts_max; started += 1) {
    const ended = await place.programs.run(name, 'run', '--once');
    if (ended.status === 0) return;
    course.bad_ends.push(ended);
    if (ended.status === out_of_reach) await place.whole();
  }
  throw new NoRest(`${name} did not come to rest in ${starts_max} starts`);
}
