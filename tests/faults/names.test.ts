// Row 36 of the fault matrix: every name of the table in lab/hostile-names.ts as a miner of a real pool, through both
// programs as processes, on SQLite and on MariaDB, with a real node. Stored byte by byte, shown escaped on the terminal
// and with --json, twins stay two, and the one name that is an address is paid as if the others were not there.
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostile_names, hostile_users } from '../../lab/hostile-names.js';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { startRegtestNode, type RegtestNode } from '../../lab/regtest-node.js';
import { createSimulatedCkpool } from '../../lab/simulated-ckpool.js';
import { connect, type DatabaseSettings } from '../../shared/database/connect.js';
import { nameFromBuffer, printable, type NameBytes } from '../../shared/username.js';
import * as shapes from '../json-shapes.js';
import { ask, buildPrograms, run, type ProgramName } from '../programs.js';

let node: RegtestNode;
let mariadb: PrivateMariadb;
let honest: NameBytes;
let stranger: string;
beforeAll(async () => {
  buildPrograms();
  [node, mariadb] = await Promise.all([startRegtestNode(), startMariadb()]);
  stranger = await node.newAddress();
  honest = await foreignAddress();
});
afterAll(async () => {
  await node.stop();
  await mariadb.stop();
});

/** Of no wallet here: payments pays no script of the pool's own. */
async function foreignAddress(): Promise<NameBytes> {
  const shape = z.object({ address: z.string().optional(), addresses: z.array(z.string()).optional() });
  const { address, addresses } = shape.parse(await node.rpc('decodescript', `0014${'11'.repeat(20)}`));
  return (address ?? addresses![0]) as NameBytes;
}

/** A name with a newline ends its own block line early: there the line names another, and only share logs know better. */
const hostile_finder = 'spaced ' as NameBytes;

/** Nothing that a terminal, a spreadsheet or a page would act on: printable text and ends of lines. */
function expectHarmless(text: string): void {
  expect(text).not.toMatch(/[^\P{C}\n]/u);
  expect(text).not.toContain('\ufffd');
}

/** Those that print names. */
const commands: readonly (readonly [ProgramName, ...string[]])[] = [
  ['accounting', 'blocks'], ['accounting', 'incidents'], ['accounting', 'compare'],
  ['payments', 'balances'], ['payments', 'payouts'], ['payments', 'audit'],
];

describe.each(['sqlite', 'mysql'] as const)('fault 36: hostile names on %s', (engine) => {
  let directory: string;
  let config_file: string;
  let settings: DatabaseSettings;
  let said = '';
  const users = [...hostile_users.map(({ name }) => name)];

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'hostile-names-'));
    config_file = path.join(directory, 'ckpool.conf');
    settings = engine === 'sqlite' ? { engine, file: path.join(directory, 'pool.sqlite') } : await mariadb.createDatabase('pool_base');
    users.push(honest);
    await mineForThem();
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  async function mineForThem(): Promise<void> {
    const pool_address = await node.newAddress();
    const sql = engine === 'sqlite' ? { file: 'pool.sqlite' } : { auth: 'root', pass: '', socket: mariadb.socket_path };
    writeFileSync(config_file, JSON.stringify({
      btcd: [{ url: node.url, auth: node.user, pass: node.password }], btcaddress: pool_address, logdir: 'logs',
      parser: { sql, payout_confirmations: 1 },
    }), { mode: 0o600 });
    let now_ms = Date.now() - 3_600_000;
    const [tip] = await node.mine(1, stranger);
    let height = Number((await node.node.chainInfo()).tip_height);
    const ckpool = createSimulatedCkpool({
      log_directory: path.join(directory, 'logs'), now_ms: () => now_ms, seed: engine, tip: { hash: tip!, height },
    });
    for (const user of users) ckpool.login(`${user}.rig` as NameBytes);
    for (const user of users) ckpool.share(`${user}.rig` as NameBytes, 8n);
    now_ms += 60_000;
    ckpool.pass();
    forgeTheOthers();
    for (const user of [hostile_finder, honest]) {
      const [hash] = await node.mine(1, pool_address);
      height += 1;
      ckpool.solve(`${user}.rig` as NameBytes, height, { hash: hash! });
      now_ms += 60_000;
      ckpool.pass();
    }
    await node.mine(100, stranger);
    for (const name of ['accounting', 'payments'] as const) await runOnce(name);
    await node.mine(2, stranger);
    for (const name of ['accounting', 'payments'] as const) await runOnce(name);
  }

  /** Names that ckpool refuses can still stand in a line, and in files that are none of its users. */
  function forgeTheOthers(): void {
    const log = path.join(directory, 'logs', 'ckpool.log');
    mkdirSync(path.join(directory, 'logs', 'users', 'a'), { recursive: true });
    writeFileSync(path.join(directory, 'etc'), '{"shares": 4711}');
    for (const { name, can_log_in } of hostile_names) {
      if (!can_log_in) appendFileSync(log, Buffer.from(`[2026-11-20 09:00:00.000] User ${name}:{"shares": 4711}\n`, 'latin1'));
    }
  }

  async function runOnce(name: ProgramName): Promise<void> {
    const { status, stderr } = await run(name, ['run', '--once', '-c', config_file]);
    expect(status, stderr).toBe(0);
    said += stderr;
  }

  it('are stored byte by byte, each once, and nobody is there who is none', async () => {
    const database = await connect(settings);
    const rows: { name: Buffer }[] = await database.knex('users').select('name');
    await database.close();
    expect(rows.map(({ name }) => nameFromBuffer(name)).sort()).toEqual([...users].sort());
    expect(existsSync(path.join(directory, 'etc'))).toBe(true);
    expect(readdirSync(directory).sort()).toEqual(['ckpool.conf', 'etc', 'logs', ...(engine === 'sqlite' ? ['pool.sqlite'] : [])]
      .sort());
  });

  it('are one user each with --json, with what each has done: case, space and letter twins too', async () => {
    const blocks = await ask(shapes.accountingBlocks, 'accounting', config_file, 'blocks');
    const confirmed = blocks.filter(({ state }) => state === 'confirmed');
    expect(confirmed.map(({ user }) => user).sort()).toEqual([honest, hostile_finder].map(printable).sort());
    const first_hash = confirmed.find(({ user }) => user === printable(hostile_finder))!.hash!;
    const { shares } = await ask(shapes.accountingSnapshot, 'accounting', config_file, 'snapshot', first_hash);
    const table = await run('accounting', ['snapshot', first_hash, '-c', config_file]);
    expectHarmless(table.stdout);
    // Who has a newline in his name breaks his own line: his file tells, and he is in the round after.
    const told = users.filter((name) => !name.includes('\n')).map(printable).sort();
    expect(table.stdout.split('\n').slice(1, -1).map((line) => line.split(' ')[0]).sort()).toEqual(told);
    expect(shares.map(({ user }) => user).sort()).toEqual(told);
    expect(shares.map(({ count }) => count)).toEqual(told.map(() => '8'));
    const balances = await ask(shapes.paymentsBalances, 'payments', config_file, 'balances');
    const earning = balances.filter(({ earned }) => earned !== '0.00000000');
    expect(earning.map(({ user }) => user).sort()).toEqual(told);
    expect(new Set(earning.filter(({ user }) => user !== printable(honest)).map(({ state, paid }) => `${state} ${paid}`)))
      .toEqual(new Set(['quarantined 0.00000000']));
  });

  it('hold up nobody: whose name is an address is paid on the chain', async () => {
    const payouts = await ask(shapes.paymentsPayouts, 'payments', config_file, 'payouts');
    expect(payouts.flatMap(({ outputs }) => outputs.map(({ address }) => address))).toEqual([honest]);
    expect(payouts.map(({ state }) => state)).toEqual(['final']);
    expect((await ask(shapes.paymentsAudit, 'payments', config_file, 'audit')).checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  it.each(commands.map((command) => [command.join(' '), command] as const))('reach no terminal and no document: %s', async (_, [name, ...words]) => {
    await Promise.all([[], ['--json']].map(async (more) => {
      const { status, stdout, stderr } = await run(name, [...words, ...more, '-c', config_file]);
      expect(status, stderr).toBe(0);
      expectHarmless(stdout + stderr);
      if (more.length > 0) JSON.parse(stdout);
    }));
  });

  it('can be asked for by what is shown of them, and by nothing else', async () => {
    await Promise.all((['Twin', 'spaced ', users.find((one) => one.includes('\n'))!] as NameBytes[]).map(async (name) => {
      const { status, stdout, stderr } = await run('payments', ['explain', '-c', config_file, '--', printable(name)]);
      expect(status, stderr).toBe(0);
      expectHarmless(stdout);
      expect(stdout).toContain(printable(name));
    }));
    const absent = await run('payments', ['explain', 'TWIN', '-c', config_file]);
    expect(absent.status).not.toBe(0);
    expectHarmless(absent.stdout + absent.stderr);
  });

  it('reach no log of the daemons', () => { expectHarmless(said); });
});
