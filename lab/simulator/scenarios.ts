// Eight short stories, each with one thing in it that could go wrong when a process dies at the wrong moment. The
// exhaustive tier tells each of them once for every point and every pair of points at which a process can die.
// No chance in them: the same story has the same effects in the same order.
import { satoshis } from '../../shared/units.js';
import type { Config } from '../../shared/config.js';
import type { NameBytes } from '../../shared/username.js';
import { strangers } from './acts.js';
import type { Swarm } from './swarm.js';
import type { World } from './world.js';

export interface Scenario {
  readonly name: string;
  readonly swarm: Swarm;
  readonly story: (world: World) => Promise<void>;
}

const config: Partial<Config> = {
  maturity: 3, check_mature_period_ms: 2_000, check_logs_period_ms: 2_000, pool_fee_ppm: 10_000n,
  min_payout_sats: satoshis(100_000n), payout_confirmations: 2,
};

function scenario(
  name: string, story: Scenario['story'],
  change: { readonly share_log?: boolean; readonly config?: Partial<Config>; readonly users?: readonly string[] } = {},
): Scenario {
  const share_log = change.share_log ?? true;
  const swarm: Swarm = {
    seed: name, acts: 0, coinbase_parts: false, idle_ms: 1_000, share_log, log_level: 5, certainty: 'exact',
    port_faults: new Set(), world_faults: new Set(), config: { ...config, ...change.config },
    workers: (chain) => (change.users ?? ['', '']).map((user) => `${user || chain.foreignAddress()}.rig` as NameBytes),
    summary: name,
  };
  return { name, swarm, story };
}

const plain = { line: true, beside: false } as const;

/** Both miners work, the first one more; then he finds a block. */
async function round(world: World, style: Parameters<World['pool']['solve']>[1] = plain): Promise<void> {
  const [first, second] = world.pool.workers as [NameBytes, NameBytes];
  world.pool.share(first, 64n);
  world.pool.share(second, 8n);
  await world.pass(3_000);
  await world.pool.solve(first, style);
  await world.pass(6_000);
}

const bury = async (world: World, blocks: number) => {
  await strangers(world, blocks);
  await world.pass(12_000);
};

export const scenarios: readonly Scenario[] = [
  scenario('a block, share logs', async (world) => {
    await round(world);
    await bury(world, 110);
    await bury(world, 3);
  }),
  scenario('a block, counters', async (world) => {
    world.pool.share(world.pool.workers[0] as NameBytes, 64n);
    await world.pass(62_000);
    await round(world);
    await bury(world, 110);
    await bury(world, 3);
  }, { share_log: false }),
  scenario('two blocks within a second, and the second is orphaned', async (world) => {
    await round(world);
    await world.pool.solve(world.pool.workers[1] as NameBytes, plain);
    await world.pass(3_000);
    world.chain.reorg(1, 2, world.chain.foreignAddress());
    await bury(world, 110);
    await bury(world, 3);
  }),
  scenario('a block whose line is lost', async (world) => {
    await round(world, { line: false, beside: false });
    await round(world);
    await bury(world, 110);
  }),
  scenario('the log is renamed between two blocks', async (world) => {
    await round(world);
    world.pool.ckpool().rotate('rename');
    await round(world);
    await world.pass(62_000);
    await bury(world, 110);
  }, { share_log: false }),
  scenario('a payout is thrown out of the chain and confirmed again', async (world) => {
    await round(world);
    await bury(world, 110);
    await bury(world, 1);
    world.chain.reorg(2, 3, world.chain.foreignAddress());
    await bury(world, 3);
  }),
  scenario('the mempool forgets a payout', async (world) => {
    await round(world);
    await bury(world, 110);
    world.chain.restart({ keep_mempool: false });
    await world.pass(6_000);
    await bury(world, 3);
  }),
  scenario('one output for each payout, and a name that is no address', async (world) => {
    await round(world);
    world.pool.share(world.pool.workers[2] as NameBytes, 8n);
    await round(world);
    await bury(world, 110);
    await bury(world, 3);
    await bury(world, 3);
  }, { config: { max_outputs_per_transaction: 1, network_fee_from: 'pool' }, users: ['', '', 'garage'] }),
];
