// For the daemon that owns the schema: opens the database, and creates it first where the server has none of
// that name and the login may. Without the right, the fault of connect() stands: it names what to do.
import { ConfigurationFault } from '../errors.js';
import { loadMysql } from '../packages.js';
import { connect, type DatabaseSettings } from './connect.js';
import type { Database } from './database.js';

const unknown_database = 1049;

/** @throws as connect() does. */
export async function connectOrCreate(settings: DatabaseSettings): Promise<Database> {
  try {
    return await connect(settings);
  } catch (fault) {
    if (settings.engine !== 'mysql' || !(fault instanceof ConfigurationFault) || !isMissing(fault.cause)) {
      throw fault;
    }
    if (!(await create(settings))) throw fault;
    return connect(settings);
  }
}

const isMissing = (cause: unknown): boolean =>
  (cause as { errno?: unknown } | undefined)?.errno === unknown_database;

/** False when the server refused it. */
async function create(settings: DatabaseSettings & { engine: 'mysql' }): Promise<boolean> {
  const { host, port, socket_path, user, password, database } = settings;
  const where = socket_path === null ? { host, port } : { socketPath: socket_path };
  const connection = await loadMysql().createConnection({ ...where, user, password });
  try {
    await connection.query('CREATE DATABASE IF NOT EXISTS ?? CHARACTER SET utf8mb4 COLLATE utf8mb4_bin', [
      database,
    ]);
    return true;
  } catch {
    return false;
  } finally {
    await connection.end();
  }
}
