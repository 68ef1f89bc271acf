// What every command but `run` begins and ends with: configuration, database and node, opened for reading.
// The lease is not taken, so that nothing a command does by mistake could write past the daemon.
import { createNode } from '../../shared/bitcoind/client.js';
import type { WalletNode } from '../../shared/bitcoind/node.js';
import { systemClock } from '../../shared/clock.js';
import type { CommandContext } from '../../shared/command.js';
import { loadConfig, type Config } from '../../shared/config.js';
import { connectExisting } from '../../shared/database/connect.js';
import type { Lease } from '../../shared/database/database.js';
import { verifySchema } from '../../shared/database/migrate.js';
import { InvariantBroken } from '../../shared/errors.js';
import { createLogger } from '../../shared/logger.js';
import { createWaits, type PaymentsContext } from '../context.js';

export const openNode = ({ payments_node, wallet, wallet_passphrase }: Config): WalletNode =>
  createNode({ ...payments_node, wallet, passphrase: wallet_passphrase });

const readOnly: Lease = {
  fence: () =>
    Promise.reject(
      new InvariantBroken('A command that only reads was about to write; nothing was written.'),
    ),
};

/** Opens everything, does the work, closes everything. @throws ConfigurationFault, OutsideFailure. */
export async function withPayments<T>(
  command: CommandContext,
  work: (context: PaymentsContext) => Promise<T>,
): Promise<T> {
  const config = loadConfig(command.config_file, process.env);
  const log = createLogger({ name: 'payments' });
  const database = await connectExisting(config.payments_database);
  const node = openNode(config);
  try {
    await verifySchema(database);
    return await work({
      config,
      database,
      node,
      log,
      lease: readOnly,
      clock: systemClock,
      waits: createWaits(log),
    });
  } finally {
    await database.close();
  }
}
