// One simulated pool, put together from a seed: disk, chain, database, ckpool and miners, both daemons and whoever
// restarts them. It says what can be done to it; what is done, and when, is the story's. Every violation that is seen on the way
// is kept, with the line of the trace at which it was seen.
import { createHash } from 'node:crypto';
import { formatCoins } from '../../shared/amount.js';
import type { Config } from '../../shared/config.js';
import { LeaseLost } from '../../shared/database/lease.js';
import { OutsideFailure } from '../../shared/errors.js';
import { testConfig } from '../payments-context.js';
import { createRandom, type Random } from '../random.js';
import { createSimulatedNode, type SimulatedNode } from '../simulated-node.js';
import { startDaemon, type DaemonGround, type DaemonKind } from './daemons.js';
import { createSimulatedDatabase, serverIsDown, type SimulatedDatabase } from './database.js';
import { createSimulatedDisk, type SimulatedDisk } from './disk.js';
import { makeFilesImmediate } from './immediate-files.js';
import { createCommitChecks, type CommitChecks } from './invariants.js';
import { createPayoutWitness, type PayoutWitness } from './payout-witness.js';
import { createSimulatedPool, type SimulatedPool } from './pool.js';
import type { SimulatedProcess } from './process.js';
import { createSettlementWitness } from './settlement-witness.js';
import type { Swarm } from './swarm.js';
import { createTimeline, type Timeline } from './timeline.js';
import { createWeather, type Weather } from './weather.js';

export interface World {
  readonly swarm: Swarm;
  readonly random: Random;
  readonly timeline: Timeline;
  readonly chain: SimulatedNode;
  readonly database: SimulatedDatabase;
  readonly disk: SimulatedDisk;
  readonly pool: SimulatedPool;
  readonly config: Config;
  readonly weather: Weather;
  readonly checks: CommitChecks;
  /** The database was put back to an older state. */
  readonly restored: () => void;
  readonly payouts: PayoutWitness;
  readonly violations: string[];
  readonly counts: { effects: number; kills: number; moments: number };
  /** All processes that run, the ones that should not among them. */
  processes(): readonly SimulatedProcess[];
  /** A daemon that is restarted whenever it ends, as systemd does. */
  keep(kind: DaemonKind): void;
  /** Another one beside it, started by mistake; nobody restarts it. */
  startAnother(kind: DaemonKind): void;
  /** It runs, and is the one that is restarted. */
  isKept(process: SimulatedProcess): boolean;
  kill(process: SimulatedProcess): void;
  /** No process is restarted any more, and those that run are killed. */
  powerOff(): void;
  powerOn(): void;
  database_down_until_ms: number;
  node_down_until_ms: number;
  clock_off_ms: number;
  /** The database's own clock, by which leases expire. */
  database_clock_off_ms: number;
  /** A copy of the database, made by an operator. */
  back_up: Buffer | null;
  trace(line: string): void;
  traceHash(): string;
  pass(duration_ms: number): Promise<void>;
  remove(): Promise<void>;
}

export interface Watcher {
  /** Called with each line of the trace. */
  onLine?: (line: string) => void;
  /** The process dies at this effect of both daemons together, counted from 1; null: the weather decides. */
  killAt?: (effect: number) => 'before' | 'after' | null;
}

const started_ms = Date.UTC(2026, 0, 5, 12);
const first_blocks = 5;

export async function createWorld(swarm: Swarm, watcher: Watcher = {}): Promise<World> {
  makeFilesImmediate();
  const random = createRandom(swarm.seed);
  const timeline = createTimeline(started_ms);
  const chain = createSimulatedNode();
  chain.mine(first_blocks, chain.foreignAddress());
  const pool_address = chain.newAddress();
  const workers = swarm.workers(chain);
  let created: World | null = null;
  const disk = createSimulatedDisk(() => timeline.now_ms());
  const database = await createSimulatedDatabase(() => timeline.now_ms() + (created?.database_clock_off_ms ?? 0));
  const pool = await createSimulatedPool({
    log_directory: disk.directory, disk: disk.disk, chain, pool_address, now_ms: () => timeline.now_ms(),
    random: random.fork('ckpool'), workers, share_log: swarm.share_log, log_level: swarm.log_level,
    coinbase_parts: swarm.coinbase_parts,
  });
  const config = testConfig(pool_address, {
    ...swarm.config, log_directory: disk.directory, log_file: `${disk.directory}/ckpool.log`,
  });
  const weather = createWeather(random.fork('weather'), swarm.port_faults);
  const checks = createCommitChecks(() => database.raw);
  const payouts = createPayoutWitness({ chain, raw: () => database.raw, pool_address });
  const settlements = createSettlementWitness({ chain, raw: () => database.raw, maturity: config.maturity });
  const hash = createHash('sha256');
  const closers: (() => Promise<void>)[] = [];
  const running = new Map<SimulatedProcess, DaemonKind | null>();
  let powered = true;
  let dirty = false;
  let names = 0;

  const world: World = {
    swarm, random: random.fork('story'), timeline, chain, database, disk, pool, config, weather, checks, payouts,
    violations: [],
    restored: () => {
      checks.forget();
      settlements.forget();
    },
    counts: { effects: 0, kills: 0, moments: 0 },
    processes: () => [...running.keys()],
    keep, startAnother: (kind) => { start(kind, null); },
    isKept: (process) => (running.get(process) ?? null) !== null && !process.isFrozen(),
    kill,
    powerOff: () => {
      powered = false;
      for (const process of [...running.keys()]) kill(process);
    },
    powerOn: () => { powered = true; },
    database_down_until_ms: 0,
    node_down_until_ms: 0,
    clock_off_ms: 0,
    database_clock_off_ms: 0,
    back_up: null,
    trace,
    traceHash: () => hash.copy().digest('hex').slice(0, 16),
    pass: async (duration_ms) => {
      const until_ms = timeline.now_ms() + duration_ms;
      while (await timeline.next(until_ms)) await look();
    },
    remove: async () => {
      powered = false;
      for (const process of [...running.keys()]) kill(process);
      for (const close of closers) await close();
      database.close();
      disk.remove();
    },
  };

  function trace(line: string): void {
    const text = `${new Date(timeline.now_ms()).toISOString().slice(5, 23).replace('T', ' ')} `
      + line.replaceAll(disk.directory, '…');
    hash.update(`${text}\n`);
    watcher.onLine?.(text);
  }

  async function look(): Promise<void> {
    world.counts.moments += 1;
    if (!dirty) return;
    dirty = false;
    for (const violation of [...checks.look(), ...await settlements.look()]) violate(violation);
  }

  function violate(sentence: string): void {
    if (world.violations.includes(sentence)) return;
    world.violations.push(sentence);
    trace(`VIOLATION ${sentence}`);
  }

  function fatal(): 'before' | 'after' | null {
    world.counts.effects += 1;
    return watcher.killAt?.(world.counts.effects) ?? null;
  }

  const ground: DaemonGround = {
    timeline, database, chain, config, idle_ms: swarm.idle_ms,
    clock_off_ms: () => world.clock_off_ms,
    log: (name, message) => trace(`${name.padEnd(12)} ${message}`),
    opened: (close) => { closers.push(close); },
    faultsFor: (process) => ({
      connecting: async () => {
        await process.wait(weather.database_ms());
        if (timeline.now_ms() < world.database_down_until_ms) throw serverIsDown();
      },
      statement: () => weather.statement(),
      commit: (changes) => {
        dirty ||= changes;
        const when = changes ? fatal() : null;
        return when === null ? weather.commit() : `killed_${when}`;
      },
      calling: async () => { await process.wait(weather.node_ms()); },
      fate: (method, parameters) => {
        if (timeline.now_ms() < world.node_down_until_ms) return 'connection_refused';
        const when = method === 'broadcast' ? fatal() : null;
        if (method === 'broadcast') payouts.beforeBroadcast(String(parameters[0])).forEach(violate);
        return when === null ? weather.call(method) : `killed_${when}`;
      },
      givingUp: async (deliver) => {
        timeline.at(timeline.now_ms() + world.random.integer(1_000, 90_000), async () => {
          trace('node         a request is delivered late');
          await deliver();
        });
        await process.wait(30_000);
      },
      kill: () => kill(process),
    }),
  };

  function start(kind: DaemonKind, kept: DaemonKind | null): void {
    names += 1;
    const process = startDaemon(kind, `${kind} ${names}`, ground, ended);
    running.set(process, kept);
    trace(`${process.name.padEnd(12)} starts`);
  }

  function keep(kind: DaemonKind): void {
    if (powered && ![...running.values()].includes(kind)) start(kind, kind);
  }

  function restartLater(kind: DaemonKind | null): void {
    if (kind !== null) timeline.at(timeline.now_ms() + world.random.integer(100, 12_000), () => keep(kind));
  }

  function kill(process: SimulatedProcess): void {
    const kept = running.get(process);
    if (kept === undefined) return;
    process.kill();
    running.delete(process);
    world.counts.kills += 1;
    trace(`${process.name.padEnd(12)} is killed`);
    restartLater(kept);
  }

  function ended(process: SimulatedProcess): void {
    const kept = running.get(process) ?? null;
    running.delete(process);
    const failure = process.failure();
    trace(`${process.name.padEnd(12)} ends${failure instanceof Error ? `: ${failure.message}` : ''}`);
    // A lost lease and a database out of reach are ways to end; anything else is a belief that was wrong.
    if (failure !== null && !(failure instanceof LeaseLost) && !(failure instanceof OutsideFailure)) {
      violate(`${process.name} stopped: ${failure instanceof Error ? failure.stack ?? failure.message : 'without an error'}`);
    }
    restartLater(kept);
  }

  created = world;
  trace(`${workers.length} miners, maturity ${config.maturity}, minimum ${formatCoins(config.min_payout_sats)}, ${swarm.summary}`);
  return world;
}
