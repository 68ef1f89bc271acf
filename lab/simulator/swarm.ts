// What one seed's simulation is made of: its miners, its rules of payment, how its work is told, and which kinds of
// fault it knows at all. Drawn before anything runs, so that a seed can be read in one line.
import { blockHeight, satoshis } from '../../shared/units.js';
import type { Config } from '../../shared/config.js';
import type { NameBytes } from '../../shared/username.js';
import { createRandom, type Random } from '../random.js';
import type { SimulatedNode } from '../simulated-node.js';
import { port_faults, type PortFault } from './weather.js';

/** Faults of the world around the daemons; each is an act of acts.ts. */
export const world_faults = [
  'kill_processes', 'power', 'freeze', 'second_instance', 'terminate', 'database_down', 'restore',
  'node_down', 'node_forgets', 'evict', 'locked', 'fee', 'orphan', 'flip_flop', 'deep_reorg', 'own_race',
  'rename', 'copytruncate', 'compress', 'truncate', 'ckpool_restart', 'torn_log', 'torn_users', 'counter_falls', 'share_disk_full', 'switch',
  'forge', 'clock', 'database_clock', 'lost_line', 'stranger_spends', 'operator_spends',
] as const;
export type WorldFault = (typeof world_faults)[number];

/** The chain has five blocks when ckpool starts. */
export const first_pool_height = blockHeight(6);

/** How far the work of a pool can be told from outside. */
export type Certainty = 'exact' | 'bounds';

export interface Swarm {
  readonly seed: string;
  readonly acts: number;
  readonly idle_ms: number;
  readonly share_log: boolean;
  readonly log_level: 4 | 5;
  readonly port_faults: ReadonlySet<PortFault>;
  readonly world_faults: ReadonlySet<WorldFault>;
  readonly config: Partial<Config>;
  readonly workers: (chain: SimulatedNode) => readonly NameBytes[];
  /** Coinbases pay the pool in two outputs, and a donation between them. */
  readonly coinbase_parts: boolean;
  readonly certainty: Certainty;
  readonly summary: string;
}

/** Rare because each changes what a whole run can show. */
const rare: ReadonlySet<WorldFault> = new Set([
  'restore', 'deep_reorg', 'truncate', 'torn_users', 'counter_falls', 'share_disk_full', 'switch', 'stranger_spends', 'power',
]);

/** With these a share log or a line may be gone, so that only bounds can be told from what miners did. */
const blurs_share_logs: readonly WorldFault[] = [
  'share_disk_full', 'switch', 'deep_reorg', 'restore', 'counter_falls', 'torn_users',
];
const blurs_counters: readonly WorldFault[] = [
  ...blurs_share_logs, 'torn_log', 'truncate', 'lost_line', 'forge',
];

export function drawSwarm(seed: string): Swarm {
  const random = createRandom(`swarm ${seed}`);
  const chosen = <Kind>(kinds: readonly Kind[], chance: (kind: Kind) => number): Set<Kind> =>
    new Set(kinds.filter((kind) => random.chance(chance(kind))));
  const calm = random.chance(0.1);
  const at_ports = calm ? new Set<PortFault>() : chosen(port_faults, () => 0.4);
  const around = calm ? new Set<WorldFault>() : chosen(world_faults, (kind) => (rare.has(kind) ? 0.06 : 0.25));
  if (around.has('restore')) around.delete('stranger_spends');
  const share_log = random.chance(0.5);
  const log_level = random.chance(0.15) ? 4 : 5;
  const config = drawConfig(random, log_level);
  const people = random.pick([1, 2, 3, 5, 8]);
  const blurs = share_log ? blurs_share_logs : blurs_counters;
  const certainty = blurs.some((kind) => around.has(kind)) || (!share_log && log_level === 4) ? 'bounds' : 'exact';
  return {
    seed, share_log, log_level, config, certainty, port_faults: at_ports, world_faults: around,
    acts: random.pick([10, 20, 40]),
    idle_ms: random.pick([700, 6_000]),
    workers: (chain) => drawWorkers(chain, createRandom(`workers ${seed}`), people, share_log),
    coinbase_parts: random.chance(0.3),
    summary: `${share_log ? 'share logs' : 'counters'}, level ${log_level}, ${certainty}; ${[...at_ports, ...around].join(' ') || 'calm'}`,
  };
}

function drawConfig(random: Random, log_level: 4 | 5): Partial<Config> {
  const pool_fee_ppm = random.pick([0n, 10_000n, 15_151n, 1_000_000n, 20_000n]);
  return {
    maturity: random.pick([1, 3, 10, 50, 100]),
    check_mature_period_ms: random.pick([2_000, 8_000]),
    check_logs_period_ms: random.pick([2_000, 20_000]),
    pool_fee_ppm,
    min_payout_sats: satoshis(random.pick([1n, 100_000n, 100_000_000n, 2_500_000_000n])),
    // A pool without a fee has nothing to bear the network's from.
    network_fee_from: pool_fee_ppm === 0n ? 'miners' : random.pick(['miners', 'pool']),
    max_outputs_per_transaction: random.pick([1, 2, 500]),
    payout_confirmations: random.pick([1, 3, 6]),
    // Without a line that names the tip, nothing in the log says where the pool began.
    scan_from_height: log_level === 4 ? first_pool_height : null,
    fallback_fee_rate: satoshis(random.pick([1_000n, 25_000n])),
  };
}

/** Most are addresses that can be paid; some are not, are the pool's own, or differ in their case only. */
function drawWorkers(chain: SimulatedNode, random: Random, people: number, share_log: boolean): readonly NameBytes[] {
  // In a share log a name that is no UTF-8 makes its line unreadable, as jansson would have refused to write it.
  const odd = ['garage', 'GARAGE', 'Not an address', 'Zo\xc3\xab', ...(share_log ? [] : ['\xff\xfebytes', '\xff\xfdbytes'])];
  const users = Array.from({ length: people }, (_, index): string => {
    if (index > 0 && random.chance(0.2)) return random.pick(odd);
    if (index > 0 && random.chance(0.05)) return chain.newAddress();
    return chain.foreignAddress(random.pick(['bech32', 'bech32', 'legacy', 'p2sh-segwit', 'witness-1']));
  });
  // bech32 may be written in capitals: two users of one script.
  const bech32 = users.find((user) => user.startsWith('sim1q'));
  if (bech32 !== undefined && random.chance(0.2)) users.push(bech32.toUpperCase());
  const twice = users.filter(() => random.chance(0.3)).map((user) => `${user}.second`);
  return [...new Set([...users.map((user) => `${user}.rig`), ...twice])].map((worker) => worker as NameBytes);
}
