// What the read-only commands share: configuration, database with a current schema, and closing it again.
import type { CommandContext } from '../../shared/command.js';
import { loadConfig, type Config } from '../../shared/config.js';
import { connectExisting } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { verifySchema } from '../../shared/database/migrate.js';

export async function withFacts<T>(
  context: CommandContext, work: (database: Database, config: Config) => Promise<T>,
): Promise<T> {
  const config = loadConfig(context.config_file, process.env);
  const database = await connectExisting(config.database);
  try {
    await verifySchema(database);
    return await work(database, config);
  } finally {
    await database.close();
  }
}
