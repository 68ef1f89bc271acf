// `blocks`: every block of the pool as payments sees it, lowest first.
import { formatCoins } from '../../shared/amount.js';
import { printJson, printTable, type Action } from '../../shared/command.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import type { PaymentsContext } from '../context.js';
import { undecidedBlocks } from '../edges/facts.js';
import { allRounds } from '../edges/round-store.js';
import { withPayments } from './open.js';

export interface BlockLine {
  readonly height: number;
  readonly hash: string;
  readonly state: 'immature' | 'credited' | 'orphaned' | 'lost';
  readonly reward: string;
  readonly round_shares: string;
  readonly pool_fee: string;
  readonly carried_in: string;
  readonly credited: string;
  readonly carried_out: string;
}

export async function blockLines({ database }: Pick<PaymentsContext, 'database'>): Promise<BlockLine[]> {
  return database.snapshot(async (transaction) => {
    const decided = (await allRounds(transaction)).map((round): BlockLine => ({
      height: round.height, hash: round.block_hash, state: round.state, ...amounts(round),
    }));
    const nothing = satoshis(0n);
    const immature = (await undecidedBlocks(transaction)).map((block): BlockLine => ({
      height: block.height, hash: block.hash, state: 'immature',
      ...amounts({
        reward_sats: block.reward_sats, round_shares: 0n, pool_fee_sats: nothing,
        carried_in_sats: nothing, credited_sats: nothing, carried_out_sats: nothing,
      }),
    }));
    return [...decided, ...immature].sort((left, right) => left.height - right.height);
  });
}

type Amount = 'reward' | 'pool_fee' | 'carried_in' | 'credited' | 'carried_out';

function amounts(round: Record<`${Amount}_sats`, Satoshis> & { readonly round_shares: bigint }) {
  return {
    reward: formatCoins(round.reward_sats),
    round_shares: round.round_shares.toString(),
    pool_fee: formatCoins(round.pool_fee_sats),
    carried_in: formatCoins(round.carried_in_sats),
    credited: formatCoins(round.credited_sats),
    carried_out: formatCoins(round.carried_out_sats),
  };
}

export const blocks: Action = (command) => withPayments(command, async (context) => {
  const lines = await blockLines(context);
  if (command.json) return printJson(lines);
  printTable(
    [
      { heading: 'height', align: 'right' },
      { heading: 'hash' },
      { heading: 'state' },
      { heading: 'reward', align: 'right' },
      { heading: 'round shares', align: 'right' },
      { heading: 'pool fee', align: 'right' },
      { heading: 'carried in', align: 'right' },
      { heading: 'credited', align: 'right' },
      { heading: 'carried out', align: 'right' },
    ],
    lines.map((line) => [
      line.height,
      line.hash,
      line.state,
      line.reward,
      line.round_shares,
      line.pool_fee,
      line.carried_in,
      line.credited,
      line.carried_out,
    ]),
  );
});
