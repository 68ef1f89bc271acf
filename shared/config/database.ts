// Which database, and with which login. Both daemons must meet in one database, so `payments.sql` is a login
// of its own laid over `sql`, never another place.
import { dirname, resolve } from 'node:path';
import type { DatabaseSettings } from '../database/connect.js';
import type { Configuration, SqlSection } from './schema.js';
import type { Secrets } from './secrets.js';

interface Choice {
  /** null when a fault leaves it open. */
  readonly settings: { readonly accounting: DatabaseSettings; readonly payments: DatabaseSettings } | null;
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
}

/** `parsed` is undefined while the file has other faults; then there is nothing to choose yet. */
export function chooseDatabases(file: string, parsed: Configuration | undefined, secrets: Secrets): Choice {
  if (!parsed) return { settings: null, faults: [], warnings: [] };
  const { sql, payments } = parsed.parser;
  const own = payments.sql ?? {};
  const faults: string[] = [];
  if (!sql && Object.keys(own).some((key) => key !== 'file')) {
    faults.push(
      `${file}: parser.payments.sql is there but parser.sql is not, so the daemons would not share a ` +
        `database; add parser.sql.`,
    );
  }
  if (own.file !== undefined && own.file !== sql?.file) {
    faults.push(
      `${file}: parser.payments.sql.file is not parser.sql.file, but both daemons share one; remove it.`,
    );
  }
  if (own.database !== undefined && own.database !== (sql?.database ?? default_database)) {
    faults.push(
      `${file}: parser.payments.sql.database is not parser.sql.database, `
      + 'but both daemons share one; remove it.',
    );
  }
  if (faults.length > 0) return { settings: null, faults, warnings: [] };

  const directory = dirname(file);
  const settings = {
    accounting: databaseSettings(directory, sql, secrets),
    payments: databaseSettings(directory, sql && { ...sql, ...own }, secrets),
  };
  return { settings, faults, warnings: sql?.file !== undefined ? ignoredKeys(file, sql) : [] };
}

const default_database = 'pool_base';

function databaseSettings(
  directory: string,
  sql: SqlSection | undefined,
  secrets: Secrets,
): DatabaseSettings {
  if (!sql || sql.file !== undefined) {
    return { engine: 'sqlite', file: resolve(directory, sql?.file ?? `${default_database}.sqlite`) };
  }
  return {
    engine: 'mysql',
    host: sql.host ?? 'localhost',
    port: sql.port ?? 3306,
    socket_path: sql.socket === undefined ? null : resolve(directory, sql.socket),
    user: sql.auth ?? '',
    password: secrets.sql_password ?? sql.pass ?? '',
    database: sql.database ?? default_database,
  };
}

function ignoredKeys(file: string, sql: SqlSection): string[] {
  const ignored = Object.keys(sql).filter((key) => key !== 'file');
  if (ignored.length === 0) return [];
  const names = ignored.map((key) => `parser.sql.${key}`).join(', ');
  return [`${file}: parser.sql.file means embedded SQLite, so ${names} count for nothing.`];
}
