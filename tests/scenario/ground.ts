// The ground of a scenario: a private MariaDB with the two logins of grants.sql, a real node in regtest with
// the pool's wallet and one for everybody else, a directory for ckpool's logs, and a ckpool.conf as an operator
// writes it. Miners' addresses come from the other wallet: payments pays no script of the pool's own.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { startMariadb, type PrivateMariadb } from '../../lab/mariadb.js';
import { startRegtestNode, type AddressType, type RegtestNode } from '../../lab/regtest-node.js';
import { parseCoins } from '../../shared/amount.js';
import { createRpc } from '../../shared/bitcoind/rpc.js';
import { connect } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { splitStatements } from '../../shared/database/statements.js';
import type { Satoshis } from '../../shared/units.js';
import { run } from '../programs.js';

export interface Ground {
  readonly directory: string;
  readonly config_file: string;
  readonly log_directory: string;
  readonly mariadb: PrivateMariadb;
  readonly node: RegtestNode;
  readonly pool_address: string;
  readonly stranger_address: string;
  minerAddress(type: AddressType): Promise<string>;
  /** In blocks, as the miners' own wallet counts it. */
  received(address: string): Promise<Satoshis>;
  /** Ends the node in order and starts it again at this time, both wallets loaded. */
  restartNode(now_ms: number): Promise<void>;
  /** An administrator's connection, for tests to watch with. */
  administrator(): Promise<Database>;
  close(): Promise<void>;
}

export const pool_fee_percent = '1.25';
export const payout_confirmations = 6;
const miners_wallet = 'miners';

export async function layGround(): Promise<Ground> {
  const directory = mkdtempSync(join(tmpdir(), 'pool-scenario-'));
  const config_file = join(directory, 'ckpool.conf');
  const log_directory = join(directory, 'logs');
  mkdirSync(log_directory);
  const mariadb = await startMariadb();
  const node = await startRegtestNode();
  await node.rpc('createwallet', miners_wallet);
  const wallet = (name: string) => createRpc({ ...node.login, wallet: name });
  const addressOf = (name: string, type: AddressType) => wallet(name).call(z.string(), 'getnewaddress', '', type);
  const pool_address = await addressOf('pool', 'bech32');
  writeFileSync(config_file, configuration(node, mariadb, pool_address), { mode: 0o600 });
  await makeDatabase(mariadb, config_file);
  return {
    directory, config_file, log_directory, mariadb, node, pool_address,
    stranger_address: await addressOf(miners_wallet, 'bech32'),
    minerAddress: (type) => addressOf(miners_wallet, type),
    received: async (address) => parseCoins(await wallet(miners_wallet).call(z.number(), 'getreceivedbyaddress', address, 1)),
    restartNode: async (now_ms) => {
      await node.restart([`-mocktime=${Math.floor(now_ms / 1000)}`]);
      const loaded = z.array(z.string()).parse(await node.rpc('listwallets'));
      for (const name of ['pool', miners_wallet]) if (!loaded.includes(name)) await node.rpc('loadwallet', name);
    },
    administrator: () => connect(mariadb.settings('pool_base')),
    close: async () => {
      await node.stop();
      await mariadb.stop();
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** As docs and grants.sql say: an administrator migrates, then grants; the daemons change no schema. */
async function makeDatabase(mariadb: PrivateMariadb, config_file: string): Promise<void> {
  const administrator = await connect(await mariadb.createDatabase('pool_base'));
  const migrated = await run('accounting', ['migrate', '--user', 'root', '-c', config_file]);
  if (migrated.status !== 0) throw new Error(`migrate failed: ${migrated.stderr}`);
  const grants = readFileSync(new URL('../../sql/mysql/grants.sql', import.meta.url), 'utf8');
  for (const statement of splitStatements(grants.replace(/@@(\w+)_password@@/g, '$1-secret'))) await administrator.knex.raw(statement);
  await administrator.close();
}

/** Maturity is the default, 100; only the periods are short, so that nobody has to wait. */
function configuration(node: RegtestNode, mariadb: PrivateMariadb, pool_address: string): string {
  const settings = {
    btcd: [{ url: node.url, auth: node.user, pass: node.password, notify: true }],
    btcaddress: pool_address,
    logdir: 'logs',
    parser: {
      // The password of the administrator's `migrate` comes from the environment, which is empty here.
      sql: { auth: 'pool_accounting', pass: 'accounting-secret', socket: mariadb.socket_path, database: 'pool_base' },
      checkmature_period: 0.5,
      checklogs_period: 0.5,
      pool_fee_percent,
      min_payout: '0.5',
      payout_confirmations,
      wallet: 'pool',
      payments: { sql: { auth: 'pool_payments', pass: 'payments-secret' } },
    },
  };
  return `${JSON.stringify(settings, null, '\t')}\nWhat stands here is comment.\n`;
}
