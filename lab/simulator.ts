// One seed, one pool: the daemons' own code over a simulated world in which everything dies, lies and comes late, then
// a world in which everything heals. While it storms nothing may be wrong; when it has cleared everything must come
// to rest and be right. The same seed gives the same run, line by line.
import { acts, strangers, type Act } from './simulator/acts.js';
import { outcomeOf, pending, violationsAtRest } from './simulator/final-checks.js';
import { resolveWhatIsOpen } from './simulator/operator.js';
import { drawSwarm, type Swarm } from './simulator/swarm.js';
import { createWorld, type Watcher, type World } from './simulator/world.js';

export interface SimulationResult {
  readonly seed: string;
  readonly summary: string;
  /** Sentences; empty when the seed holds. */
  readonly violations: readonly string[];
  /** Of every line of the trace. */
  readonly trace_hash: string;
  /** Who has earned what, and what became of each block. */
  readonly outcome: string;
  /** Commits that changed something, and transactions sent. */
  readonly effects: number;
  readonly kills: number;
  readonly moments: number;
  readonly simulated_ms: number;
  readonly blocks: number;
  readonly payouts: number;
}

/** ckpool writes its statistics a second after it starts, and each minute. */
const pass_period_ms = 60_000;
const look_ms = 10_000;
/** Long enough for a renamed log to be called still. */
const long_look_ms = 75_000;
const rest_looks_max = 60;

export const simulate = (seed: string, watcher: Watcher = {}): Promise<SimulationResult> =>
  simulateStory(drawSwarm(seed), storm, watcher);

/** Tells the story in a world of that kind, lets it heal, and looks whether everything is right. */
export async function simulateStory(
  swarm: Swarm, story: (world: World) => Promise<void>, watcher: Watcher = {},
): Promise<SimulationResult> {
  const world = await createWorld(swarm, watcher);
  const started_ms = world.timeline.now_ms();
  try {
    keepPassing(world, 1_000);
    world.keep('accounting');
    world.keep('payments');
    await story(world);
    const restless = await heal(world);
    world.violations.push(...restless);
    if (world.violations.length === 0) world.violations.push(...await violationsAtRest(world));
    for (const violation of world.violations) world.trace(`VIOLATION ${violation}`);
    return {
      seed: swarm.seed, summary: swarm.summary, violations: world.violations, trace_hash: world.traceHash(),
      outcome: outcomeOf(world),
      ...world.counts, simulated_ms: world.timeline.now_ms() - started_ms,
      blocks: world.pool.record.blocks.length, payouts: (await world.payouts.transactions()).length,
    };
  } finally {
    await world.remove();
  }
}

function keepPassing(world: World, after_ms: number): void {
  world.timeline.at(world.timeline.now_ms() + after_ms, () => {
    world.pool.pass();
    keepPassing(world, pass_period_ms);
  });
}

async function storm(world: World): Promise<void> {
  const { swarm, random } = world;
  const deck = acts.filter(({ fault }) => fault === null || swarm.world_faults.has(fault))
    .flatMap((act) => Array.from({ length: act.weight }, () => act));
  for (let times = 0; times < swarm.acts && world.violations.length === 0; times += 1) {
    await play(world, random.pick(deck));
    await world.pass(random.pick([50, 300, 2_000, 8_000]));
  }
}

async function play(world: World, { name, act }: Act): Promise<void> {
  world.trace(`act          ${name}`);
  await act(world);
  for (const process of world.processes()) process.ring();
}

/** Nothing goes wrong any more; blocks are buried, operators answer. What is still pending when it should be over. */
async function heal(world: World): Promise<string[]> {
  if (world.violations.length > 0) return [];
  world.trace('everything heals');
  clear(world);
  let found: string[] = [];
  for (let looks = 0; looks < rest_looks_max && world.violations.length === 0; looks += 1) {
    await strangers(world, looks === 0 ? 120 : 7);
    const is_long = looks % 4 === 3;
    await world.pass(is_long ? long_look_ms : look_ms);
    found = await pending(world);
    if (found.length === 0) return [];
    if (is_long) resolveWhatIsOpen(world);
  }
  return found.map((sentence) => `no rest: ${sentence}`);
}

function clear(world: World): void {
  const { chain, pool, weather } = world;
  weather.clear();
  world.node_down_until_ms = 0;
  world.database_down_until_ms = 0;
  world.clock_off_ms = 0;
  world.database_clock_off_ms = 0;
  pool.share_logs_full = false;
  Object.assign(chain.conditions, { locked: false, fee_rate: null, relay_fee_rate: 1_000n });
  // Whoever is stopped or runs beside another is ended by somebody who looks at last.
  for (const process of world.processes()) if (!world.isKept(process)) world.kill(process);
  world.keep('accounting');
  world.keep('payments');
}
