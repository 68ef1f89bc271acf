// What must hold before payments moves money: the right chain, a synced node, the pool's address in the
// wallet, a durable database of the current schema, and no own coinbase spent by a stranger to the ledger.
// A wrong set-up ends the start (ConfigurationFault); a node that is catching up is waited for. The first
// start writes the chain and the script down, in one transaction; every other compares. It never guesses.
import type { ChainInfo } from '../shared/bitcoind/node.js';
import { durabilityFaults } from '../shared/database/preflight.js';
import { verifySchema } from '../shared/database/migrate.js';
import { timeText } from '../shared/database/database.js';
import { ConfigurationFault, OutsideFailure } from '../shared/errors.js';
import { blockHeight } from '../shared/units.js';
import { poolScript } from './chain-view.js';
import type { PaymentsContext } from './context.js';
import { chainScan } from './edges/facts.js';
import { recordSetting, setting, type SettingName } from './edges/settings-store.js';

/** @throws ConfigurationFault when the schema is not current or a COMMIT would not survive a power cut. */
export async function checkDatabase({ database }: Pick<PaymentsContext, 'database'>): Promise<void> {
  await verifySchema(database);
  const faults = await durabilityFaults(database);
  if (faults.length > 0) throw new ConfigurationFault(faults);
}

/** @throws OutsideFailure retry while the node is catching up. */
export async function requireSynced({ node }: Pick<PaymentsContext, 'node'>): Promise<ChainInfo> {
  const info = await node.chainInfo();
  const { synced, tip_height } = info;
  if (synced) return info;
  throw new OutsideFailure(
    'retry',
    'node',
    `The node is still catching up with the chain (at block ${tip_height}); `
      + 'nothing is settled or paid until it has.',
  );
}

/** What identifies this pool, as the node says it now. */
interface Identity {
  readonly genesis_hash: string;
  readonly pool_script: string;
}

/** @throws ConfigurationFault when chain, script or wallet is not the pool's. */
export async function checkNode(context: PaymentsContext): Promise<Identity> {
  const { config, database, node } = context;
  const genesis = await node.blockHashAt(blockHeight(0));
  if (genesis === null) {
    throw new OutsideFailure(
      'unknown',
      'node',
      'The node does not name its genesis block; it is asked again.',
    );
  }
  const identity: Identity = { genesis_hash: genesis, pool_script: await poolScript(node, config) };
  const scan = await chainScan(database.knex);
  const faults: string[] = [];
  for (const name of ['genesis_hash', 'pool_script'] as const) {
    const stored = await setting(database.knex, name);
    if (stored !== null && stored !== identity[name]) {
      faults.push(changed(name, stored, identity[name], config.file));
    } else if (scan && scan[name] !== identity[name]) {
      faults.push(unlikeAccounting(name, scan[name], identity[name]));
    }
  }
  if (!(await node.isMine(config.pool_address))) {
    const wallet = config.wallet === null ? '' : ` ${config.wallet}`;
    faults.push(
      `${config.file}: btcaddress ${config.pool_address} is not in the node's wallet${wallet}, `
        + 'so payments could not spend what the pool earns; '
        + 'name the right wallet in parser.wallet or import its key.',
    );
  }
  if (faults.length > 0) throw new ConfigurationFault(faults);
  return identity;
}

function changed(name: SettingName, stored: string, now: string, file: string): string {
  if (name === 'genesis_hash') {
    return `This database belongs to the chain with genesis block ${stored}, the node's is ${now}: `
      + 'the node or the database is the wrong one.';
  }
  return `${file}: btcaddress has changed (its script was ${stored} and is ${now} now): `
    + 'blocks that paid the former address would be lost sight of; put it back, '
    + 'or start with a new database after everything is paid.';
}

function unlikeAccounting(name: SettingName, accounting: string, now: string): string {
  const what = name === 'genesis_hash' ? 'the chain with genesis block' : 'the pool script';
  return `Accounting works with ${what} ${accounting}, payments' node says ${now}: `
    + 'both must use the same node and btcaddress.';
}

/**
 * The first start's effect; 'idle' at every other. Not before accounting has said the same: a first
 * start beside the wrong node must not become the truth.
 */
export async function rememberIdentity(
  context: PaymentsContext,
  identity: Identity,
): Promise<'progress' | 'idle'> {
  const { database, lease, clock } = context;
  if (!(await chainScan(database.knex))) return 'idle';
  const missing: SettingName[] = [];
  for (const name of ['genesis_hash', 'pool_script'] as const) {
    if ((await setting(database.knex, name)) === null) missing.push(name);
  }
  if (missing.length === 0) return 'idle';
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    for (const name of missing) {
      await recordSetting(transaction, name, identity[name], timeText(clock.now_ms()));
    }
  });
  return 'progress';
}
