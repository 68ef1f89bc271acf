// What happens around the daemons, one act at a time: miners, the chain, ckpool's files, machines and operators. Each
// act names the kind of fault that allows it (none: it is everyday life) and how often it is drawn.
import { gzipSync } from 'node:zlib';
import type { NameBytes } from '../../shared/username.js';
import { stampText } from '../simulated-ckpool/log-writer.js';
import type { WorldFault } from './swarm.js';
import type { World } from './world.js';

export interface Act {
  readonly name: string;
  readonly fault: WorldFault | null;
  readonly weight: number;
  readonly act: (world: World) => Promise<void> | void;
}

const act = (name: string, fault: WorldFault | null, weight: number, run: Act['act']): Act =>
  ({ name, fault, weight, act: run });

/** A share log tells difficulties as floating point; a counter has whole numbers. */
const difficulties = [1n, 8n, 8n, 64n, 1_000n, 2_000_000_000n];
const beyond_floats = 9_007_199_254_740_993n;

const miner = ({ random, pool }: World): NameBytes => random.pick(pool.workers);

const everyday: readonly Act[] = [
  act('shares', null, 14, (world) => {
    for (let times = world.random.integer(1, 6); times > 0; times -= 1) {
      world.pool.share(miner(world), world.random.pick(world.swarm.share_log ? difficulties : [...difficulties, beyond_floats]));
    }
  }),
  act('reject', null, 1, (world) => world.pool.reject(miner(world))),
  act('new work', null, 1, ({ pool }) => pool.ckpool().refresh()),
  act('a block is found', null, 6, (world) => solve(world, { line: true, beside: false })),
  act('two blocks within a second', null, 1, async (world) => {
    await solve(world, { line: true, beside: false });
    world.pool.share(miner(world), 8n);
    await solve(world, { line: true, beside: false });
  }),
  act('strangers find blocks', null, 3, (world) => strangers(world, world.random.integer(1, 4))),
  act('many blocks of strangers', null, 2, (world) => strangers(world, world.random.pick([20, 60, 110]))),
  act('a long while', null, 2, (world) => world.pass(world.random.integer(20_000, 90_000))),
];

const at_the_pool: readonly Act[] = [
  act('a block line is lost', 'lost_line', 3, (world) => solve(world, { line: false, beside: false })),
  act('two blocks of one height', 'own_race', 3, async (world) => {
    await solve(world, { line: true, beside: false });
    await solve(world, { line: true, beside: true });
  }),
  act('the log is renamed', 'rename', 4, (world) => rotate(world, 'rename')),
  act('the log is copied and cut', 'copytruncate', 4, (world) => rotate(world, 'copytruncate')),
  act('a rotated log is compressed', 'compress', 4, compressOldest),
  act('an old share log is compressed', 'compress', 4, compressShareLog),
  act('the log is cut to nothing', 'truncate', 1, ({ disk: { disk } }) => { if (disk.exists('ckpool.log')) disk.truncate('ckpool.log'); }),
  act('a torn line', 'torn_log', 3, ({ disk, random }) => {
    disk.disk.append('ckpool.log', Buffer.from(random.pick(['[2026-01-05 12:', '\0\0\0\n', '[x] Solved and confi', '\r\n'])));
  }),
  act('ckpool restarts', 'ckpool_restart', 3, ({ pool, swarm, random }) =>
    pool.restart(random.pick(['term', 'kill']), swarm.share_log)),
  act('share logs are switched', 'switch', 3, ({ pool, random }) => pool.restart('kill', random.chance(0.5))),
  act('the disk of the share logs is full or free', 'share_disk_full', 3, ({ pool }) => {
    pool.share_logs_full = !pool.share_logs_full;
  }),
  act('a user file is torn until the next pass', 'torn_users', 3, ({ disk, pool, random }) => {
    const [name = ''] = random.pick(pool.workers).split(/[._]/);
    if (random.chance(0.3)) disk.disk.remove(`users/${name}`);
    else disk.disk.overwrite(`users/${name}`, Buffer.from(random.pick(['', '{"hashrate1m": "1T", "sha', 'null\n'])));
  }),
  act('a counter falls', 'counter_falls', 2, ({ disk, pool, random, swarm }) => {
    const [name = ''] = random.pick(pool.workers).split(/[._]/);
    const told = /"shares": (\d+)/.exec(disk.disk.read(`users/${name}`)?.toString('latin1') ?? '')?.[1];
    if (told === undefined) return;
    const left = BigInt(told) / random.pick([2n, 3n, 1_000_000n]);
    disk.disk.overwrite(`users/${name}`, Buffer.from(`{"shares": ${left}, "bestshare": 0.0}\n`));
    pool.restart('kill', swarm.share_log);
  }),
  act('a forger logs in', 'forge', 4, (world) => world.pool.forge(forgedName(world))),
];

const at_the_chain: readonly Act[] = [
  act('the last blocks are replaced', 'orphan', 5, (world) => replace(world, world.random.integer(1, 2))),
  act('a branch wins, and then the other', 'flip_flop', 2, async (world) => {
    const { tip_hash } = await world.chain.node.chainInfo();
    await replace(world, 1);
    await world.pass(world.random.integer(0, 20_000));
    let on = tip_hash;
    for (let blocks = 2; blocks > 0; blocks -= 1) on = world.chain.mineBlock({ on, pays: world.chain.foreignAddress() });
    await tellTip(world);
  }),
  act('a deep reorganisation', 'deep_reorg', 1, (world) => replace(world, world.random.pick([5, 20, 60]))),
  act('the mempool drops a payout', 'evict', 4, async ({ chain, random }) => {
    const waiting = (await chain.node.walletSpends(null)).filter(({ confirmations }) => confirmations === 0);
    if (waiting.length > 0) chain.evict(random.pick(waiting).txid);
  }),
  act('the node restarts', 'node_forgets', 4, ({ chain, random }) => chain.restart({ keep_mempool: random.chance(0.3) })),
  act('the node is down', 'node_down', 3, (world) => {
    world.node_down_until_ms = world.timeline.now_ms() + world.random.pick([3_000, 40_000]);
  }),
  act('the wallet is locked or not', 'locked', 3, ({ chain }) => { chain.conditions.locked = !chain.conditions.locked; }),
  act('the fee rises', 'fee', 2, ({ chain, random, config }) => {
    chain.conditions.fee_rate = random.chance(0.5) ? null : config.fallback_fee_rate;
    chain.conditions.relay_fee_rate = random.pick([config.fallback_fee_rate, chain.conditions.relay_fee_rate]);
  }),
  act('the operator spends a coin of his own', 'operator_spends', 2, (world) => spend(world, false)),
  act('the operator spends a coin of the pool', 'stranger_spends', 1, (world) => spend(world, true)),
];

const at_the_machines: readonly Act[] = [
  act('a process is killed', 'kill_processes', 5, (world) => {
    const processes = world.processes();
    if (processes.length > 0) world.kill(world.random.pick(processes));
  }),
  act('the power fails', 'power', 2, (world) => {
    world.powerOff();
    world.chain.restart({ keep_mempool: world.random.chance(0.5) });
    world.powerOn();
    for (const kind of ['accounting', 'payments'] as const) world.keep(kind);
  }),
  act('a process is stopped and another started', 'freeze', 3, (world) => {
    const processes = world.processes();
    if (processes.length === 0) return;
    const process = world.random.pick(processes);
    process.freeze(world.random.pick([5_000, 30_000, 200_000]));
    world.startAnother(process.name.startsWith('accounting') ? 'accounting' : 'payments');
  }),
  act('another daemon is started by mistake', 'second_instance', 2, (world) =>
    world.startAnother(world.random.pick(['accounting', 'payments']))),
  act('a process is told to end', 'terminate', 3, (world) => {
    const processes = world.processes();
    if (processes.length > 0) world.random.pick(processes).terminate();
  }),
  act('the database is down', 'database_down', 3, (world) => {
    world.database_down_until_ms = world.timeline.now_ms() + world.random.pick([2_000, 15_000, 60_000]);
  }),
  act('the operator makes a copy of the database', 'restore', 3, (world) => { world.back_up = world.database.backUp(); }),
  act('the copy of the database is restored', 'restore', 1, (world) => {
    if (world.back_up === null) return;
    world.powerOff();
    world.database.restore(world.back_up);
    world.restored();
    world.powerOn();
    for (const kind of ['accounting', 'payments'] as const) world.keep(kind);
  }),
  act('the clock of the database jumps', 'database_clock', 3, (world) => {
    world.database_clock_off_ms = world.random.pick([0, 3_600_000, -3_600_000]);
  }),
  act('the clock jumps', 'clock', 3, (world) => {
    world.clock_off_ms = world.random.pick([0, 3_600_000, -3_600_000, 315_000_000_000, -315_000_000_000]);
  }),
];

export const acts: readonly Act[] = [...everyday, ...at_the_pool, ...at_the_chain, ...at_the_machines];

/** Not while ckpool still writes to the file that was renamed last. */
function rotate({ disk: { disk }, pool }: World, how: 'rename' | 'copytruncate'): void {
  if (disk.exists('ckpool.log')) pool.ckpool().rotate(how);
}

async function solve(world: World, style: { line: boolean; beside: boolean }): Promise<void> {
  const worker = miner(world);
  const hash = await world.pool.solve(worker, style);
  world.trace(`miners       block ${hash.slice(0, 12)}${style.line ? '' : ', and its line is lost'}${style.beside ? ', beside the tip' : ''}`);
}

export async function strangers(world: World, blocks: number): Promise<void> {
  world.chain.mine(blocks, world.chain.foreignAddress());
  await tellTip(world);
}

async function tellTip({ chain, pool }: World): Promise<void> {
  const { tip_hash, tip_height } = await chain.node.chainInfo();
  pool.ckpool().tip(tip_hash, tip_height);
}

async function replace(world: World, depth: number): Promise<void> {
  const { tip_height } = await world.chain.node.chainInfo();
  const reachable = Math.min(depth, tip_height - 5);
  if (reachable < 1) return;
  world.chain.reorg(reachable, reachable + 1, world.chain.foreignAddress());
  world.trace(`chain        the last ${reachable} blocks are replaced`);
  await tellTip(world);
}

function compressOldest({ disk: { disk }, random }: World): void {
  const rotated = disk.list('').filter((name) => /^ckpool\.log\.\d+$/.test(name));
  if (rotated.length === 0) return;
  const name = random.pick(rotated);
  const content = disk.read(name);
  // Only what ckpool no longer writes to: the file has been quiet for over a minute.
  if (!content || name === 'ckpool.log.1') return;
  disk.overwrite(`${name}.gz`, gzipSync(content));
  disk.remove(name);
}

/** As `prune` does: what nobody writes to any more. */
async function compressShareLog({ disk: { disk }, chain, random }: World): Promise<void> {
  const { tip_height } = await chain.node.chainInfo();
  const old = disk.list('').filter((name) => /^[0-9a-f]{8}$/.test(name) && parseInt(name, 16) < tip_height - 3);
  if (old.length === 0) return;
  const directory = random.pick(old);
  const plain = disk.list(directory).filter((name) => name.endsWith('.sharelog'));
  if (plain.length === 0) return;
  const path = `${directory}/${random.pick(plain)}`;
  disk.overwrite(`${path}.gz`, gzipSync(disk.read(path) ?? Buffer.alloc(0)));
  disk.remove(path);
}

/** A worker name whose newlines print a block line, or a User line with a share count, of the forger's choice. */
function forgedName({ random, pool, timeline }: World): NameBytes {
  const height = random.pick([3, 7, 12, 2_147_483_647]);
  const victim = random.pick(pool.workers).split(/[._]/)[0] ?? '';
  const text = random.pick([
    `Solved and confirmed block ${height} by ${victim}`,
    `User ${victim}:{"hashrate1m": "1T", "shares": 999999999, "lastupdate": 1}`,
    `Block hash changed to ${random.hex(32)}`,
  ]);
  return `forger${random.integer(1, 9)}\n[${stampText(timeline.now_ms())}] ${text}\n[` as NameBytes;
}

/** By hand, with the same wallet: only a coin that is not the pool's is the operator's to spend. */
async function spend(world: World, pools: boolean): Promise<void> {
  const { chain, payouts, config } = world;
  const pool_script = (await chain.node.address(config.pool_address)).script;
  const coins = (await chain.node.walletCoins()).filter(({ script }) => (script === pool_script) === pools);
  if (coins.length === 0) return;
  const coin = world.random.pick(coins);
  const amount = coin.amount - 10_000n;
  if (amount <= 0n) return;
  const raw = await chain.node.createTransaction([coin], [{ address: chain.foreignAddress(), amount: amount as typeof coin.amount }]);
  const was_locked = chain.conditions.locked;
  chain.conditions.locked = false;
  const signed = await chain.node.sign(raw);
  chain.conditions.locked = was_locked;
  payouts.excuse((await chain.node.decode(signed)).txid);
  await chain.node.broadcast(signed);
  world.trace(`operator     spends ${pools ? 'a coin of the pool' : 'a coin of his own'}`);
}
