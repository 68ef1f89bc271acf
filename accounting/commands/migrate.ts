// `migrate`: creates or upgrades the tables, with an admin login where the daemon's own may not.
import { printJson, printLines, type Action } from '../../shared/command.js';
import { loadConfig } from '../../shared/config.js';
import type { DatabaseSettings } from '../../shared/database/connect.js';
import { connectOrCreate } from '../../shared/database/create.js';
import { migrate } from '../../shared/database/migrate.js';
import { ConfigurationFault } from '../../shared/errors.js';
import { createLogger } from '../../shared/logger.js';

export const migrateCommand: Action = async ({ config_file, json, options }) => {
  const config = loadConfig(config_file, process.env);
  const user = typeof options['user'] === 'string' ? options['user'] : null;
  const settings: DatabaseSettings = user !== null && config.database.engine === 'mysql'
    ? { ...config.database, user, password: process.env['POOL_SQL_PASS'] ?? '' }
    : config.database;
  const database = await connectOrCreate(settings).catch((fault: unknown) => {
    if (user === null || !(fault instanceof ConfigurationFault)) throw fault;
    throw new ConfigurationFault([`${fault.message} The login is --user ${user} with the password of POOL_SQL_PASS.`]);
  });
  try {
    const applied = await migrate(database, createLogger({ name: 'accounting' }));
    if (json) printJson({ applied });
    else printLines([applied === 0 ? 'The tables are up to date.' : `${applied} migration(s) applied.`]);
  } finally {
    await database.close();
  }
};
