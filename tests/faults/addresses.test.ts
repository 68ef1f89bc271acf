// Row 37 of the fault matrix, on a real node in regtest: user names that are addresses, look like some, or are none. Who
// can be paid is paid in full; whoever cannot keeps the balance, is in no batch, and spoils nobody's.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPayablePool, payUntilIdle, type PayablePool } from '../../lab/payable-pool.js';
import { startRegtestNode, type RegtestNode } from '../../lab/regtest-node.js';
import { batchesIn, payoutsOf } from '../../payments/edges/batch-store.js';
import { payoutAddresses } from '../../payments/edges/address-store.js';
import { minerBalances } from '../../payments/edges/ledger-store.js';
import { payoutChecks } from '../../payments/paying/audit.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { migrate } from '../../shared/database/migrate.js';

let node: RegtestNode;
let directory: string;
let database: Database;
let pool: PayablePool;
/** By what they are. */
const names = new Map<string, string>();

const legacy = (byte: string): string => `76a914${byte.repeat(20)}88ac`;
const witness = (version: string, program: string): string => `${version}${(program.length / 2).toString(16).padStart(2, '0')}${program}`;

/** The address of a script that nobody here has the key of. */
async function addressOf(script: string): Promise<string> {
  const shape = z.object({ address: z.string().optional(), addresses: z.array(z.string()).optional() });
  const { address, addresses } = shape.parse(await node.rpc('decodescript', script));
  return address ?? addresses![0]!;
}

const is_payable: readonly string[] = [
  'bech32', 'bech32 in upper case', 'bech32 of a script', 'old style', 'old style of a script',
  'unspendable, which nobody but its owner knows',
];
const is_not: readonly (readonly [what: string, reason: RegExp])[] = [
  ['no address', /not an address/], ['a word in capitals', /not an address/], ['an empty-looking name', /bytes/],
  ['bech32 in mixed case', /not an address/], ['old style in upper case', /not an address/],
  ['a checksum that is wrong', /not an address/], ['an address that is cut', /not an address/],
  ['of Bitcoin\'s main network, bech32', /not an address/], ['of Bitcoin\'s main network, old style', /not an address/],
  ['of Litecoin\'s main network', /not an address/], ['a public key', /not an address/], ['a script', /not an address/],
  ['a private key', /not an address/], ['witness version 1, which this chain does not know', /version 1 is unknown/],
  ['witness version 16', /version 16 is unknown/], ['the pool\'s own address', /pool's own/], ['another of the pool\'s wallet', /own wallet/],
  ['an address with a space behind', /bytes/], ['an address with a NUL behind', /bytes/],
];

beforeAll(async () => {
  node = await startRegtestNode();
  directory = mkdtempSync(path.join(tmpdir(), 'addresses-'));
  database = await connect({ engine: 'sqlite', file: path.join(directory, 'pool.sqlite') });
  await migrate(database);
  const nobody = await addressOf(legacy('99'));
  const pool_address = await node.newAddress();
  pool = await createPayablePool(database, node, { pool: pool_address, nobody });
  const bech32 = await addressOf(witness('00', '11'.repeat(20)));
  const old_style = await addressOf(legacy('22'));
  const named: Record<string, string> = {
    'bech32': bech32, 'bech32 in upper case': bech32.toUpperCase(),
    'bech32 of a script': await addressOf(witness('00', '33'.repeat(32))),
    'old style': old_style, 'old style of a script': await addressOf(`a914${'44'.repeat(20)}87`),
    'unspendable, which nobody but its owner knows': await addressOf(legacy('00')),
    'no address': 'garage', 'a word in capitals': 'GARAGE', 'an empty-looking name': ' ',
    'bech32 in mixed case': `${bech32.slice(0, -1)}${bech32.slice(-1) === bech32.slice(-1).toUpperCase() ? 'Q' : bech32.slice(-1).toUpperCase()}`,
    'old style in upper case': old_style.toUpperCase(),
    'a checksum that is wrong': `${bech32.slice(0, -1)}${bech32.endsWith('q') ? 'p' : 'q'}`, 'an address that is cut': bech32.slice(0, -6),
    'of Bitcoin\'s main network, bech32': 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
    'of Bitcoin\'s main network, old style': '1BoatSLRHtKNngkdXEeobR76b53LETtpyT',
    'of Litecoin\'s main network': 'LaMT348PWRnrqeeWArpwQPbuanpXDZGEUz',
    'a public key': `02${'55'.repeat(32)}`, 'a script': legacy('66'), 'a private key': '5HpHagT65TZzG1PH3CSu63k8DbpvD8s5ip4nEB3kEsreAnchuDf',
    'witness version 1, which this chain does not know': await addressOf(witness('51', '77'.repeat(32))),
    'witness version 16': await addressOf(witness('60', '88'.repeat(2))),
    'the pool\'s own address': pool_address, 'another of the pool\'s wallet': await node.newAddress(),
    'an address with a space behind': `${old_style} `, 'an address with a NUL behind': `${old_style}\0`,
  };
  for (const [what, name] of Object.entries(named)) names.set(what, name);
  const work = Object.fromEntries([...names.values()].map((name) => [name, 100]));
  for (let block = 0; block < 2; block += 1) await pool.earn(work);
  await pool.mature();
  await payUntilIdle(pool.context);
  await pool.bury(6);
  await payUntilIdle(pool.context);
});
afterAll(async () => {
  await database.close();
  rmSync(directory, { recursive: true, force: true });
  await node.stop();
});

const balanceOf = async (name: string) => (await minerBalances(database.knex)).find((one) => one.name === name)!;
const decisionOf = async (name: string) => [...(await payoutAddresses(database.knex)).values()].find((one) => one.name === name);

describe('fault 37: a name that can be paid is paid on the chain', () => {
  it.each(is_payable)('%s', async (what) => {
    const name = names.get(what)!;
    expect(await decisionOf(name)).toMatchObject({ state: 'payable' });
    const { earned_sats, paid_sats, network_fee_sats, balance_sats } = await balanceOf(name);
    expect([balance_sats, paid_sats + network_fee_sats]).toEqual([0n, earned_sats]);
  });
});

describe('fault 37: a name that cannot be paid keeps its balance and is in no batch', () => {
  it.each(is_not)('%s', async (what, reason) => {
    const name = names.get(what)!;
    expect(await decisionOf(name)).toMatchObject({ state: 'quarantined', reason: expect.stringMatching(reason) });
    const { earned_sats, balance_sats, paid_sats, reserved_sats } = await balanceOf(name);
    expect(earned_sats).toBeGreaterThan(0n);
    expect([balance_sats, paid_sats, reserved_sats]).toEqual([earned_sats, 0n, 0n]);
  });
});

describe('fault 37: the batch of the others', () => {
  it('is one, final, with one output for each script: two names of one script share theirs', async () => {
    const batches = await batchesIn(database.knex, ['planned', 'prepared', 'broadcast', 'confirmed', 'final', 'held']);
    expect(batches.map(({ state }) => state)).toEqual(['final']);
    const paid = await payoutsOf(database.knex, batches[0]!.id);
    expect(paid.map(({ name }) => name as string).sort()).toEqual(is_payable.map((what) => names.get(what)!).sort());
    const spends = (await node.node.walletSpends(null)).filter(({ confirmations }) => confirmations > 0);
    expect(spends).toHaveLength(1);
    const { outputs } = await node.node.decode(spends[0]!.raw_hex);
    const scripts = new Set(await Promise.all(is_payable.map(async (what) => (await node.node.address(names.get(what)!)).script!)));
    expect(scripts.size).toBe(is_payable.length - 1);
    expect(outputs.filter(({ script }) => scripts.has(script))).toHaveLength(scripts.size);
    expect(outputs.length - scripts.size).toBeLessThanOrEqual(1);
  });

  it('agrees with ledger, chain and wallet to the satoshi', async () => {
    for (const check of payoutChecks) expect(await check.run(pool.context)).toMatchObject({ ok: true });
  });
});
