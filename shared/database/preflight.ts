// Whether a COMMIT of this database survives a power cut, and a cluster that falls apart. "Written down before it
// is sent" means nothing otherwise, so payments refuses to pay while there is one fault here.
import type { Database } from './database.js';
import { rowsOf } from './rows.js';

/** One sentence for each fault, naming the setting and its value; empty when the database is durable. */
export async function durabilityFaults(database: Database): Promise<string[]> {
  return database.engine === 'sqlite' ? sqliteFaults(database) : mysqlFaults(database);
}

async function sqliteFaults(database: Database): Promise<string[]> {
  const pragma = async (name: string): Promise<string> => {
    const [row] = await rowsOf<Record<string, unknown>>(database.knex, `PRAGMA ${name}`);
    return String(Object.values(row ?? {})[0]);
  };
  const journal = await pragma('journal_mode');
  const faults: string[] = [];
  // A database in memory cannot be configured: only a simulation has one.
  if (journal !== 'wal' && journal !== 'memory') {
    faults.push(
      `The database file has journal_mode ${journal}: move sql.file to a file system that allows WAL.`,
    );
  }
  if (!['2', '3'].includes(await pragma('synchronous'))) {
    faults.push('The database file is not written with synchronous = FULL.');
  }
  if (await pragma('foreign_keys') !== '1') faults.push('The database file is used without foreign keys.');
  return faults;
}

interface ServerVariables {
  flush: unknown;
  sync_binlog: unknown;
  log_bin: unknown;
  sql_mode: string;
  doublewrite: unknown;
}

async function mysqlFaults(database: Database): Promise<string[]> {
  const [variables] = await rowsOf<ServerVariables>(database.knex,
    'SELECT @@innodb_flush_log_at_trx_commit AS flush, @@sync_binlog AS sync_binlog, @@log_bin AS log_bin, '
    + '@@sql_mode AS sql_mode, @@innodb_doublewrite AS doublewrite');
  if (!variables) return ['The database server does not tell its settings: allow the login to read them.'];
  const faults: string[] = [];
  if (String(variables.flush) !== '1') {
    faults.push(`innodb_flush_log_at_trx_commit is ${String(variables.flush)}: set it to 1, `
      + 'or a power cut loses the record of payments that were sent.');
  }
  if (String(variables.log_bin) === '1' && String(variables.sync_binlog) !== '1') {
    faults.push(
      `sync_binlog is ${String(variables.sync_binlog)} while the server keeps a binary log: set it to 1.`,
    );
  }
  if (!/STRICT_(?:ALL|TRANS)_TABLES/.test(variables.sql_mode)) {
    faults.push('sql_mode is not strict: add STRICT_ALL_TABLES.');
  }
  if (['0', 'OFF'].includes(String(variables.doublewrite))) {
    faults.push('innodb_doublewrite is off: set it to ON.');
  }
  const tables = await rowsOf<{ name: string; engine: string }>(database.knex,
    'SELECT table_name AS name, engine AS engine FROM information_schema.tables '
    + "WHERE table_schema = database() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'");
  for (const { name, engine } of tables) {
    faults.push(`Table ${name} uses ${engine}: run ALTER TABLE ${name} ENGINE=InnoDB.`);
  }
  return [...faults, ...await clusterFaults(database)];
}

/** Whether what a node of a Galera cluster commits is what the whole cluster holds. None on a single server. */
async function clusterFaults(database: Database): Promise<string[]> {
  const rows = await rowsOf<{ Variable_name: string; Value: string }>(database.knex,
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_provider', 'wsrep_on', 'wsrep_provider_options')");
  const value = (name: string): string =>
    rows.find((row) => row.Variable_name.toLowerCase() === name)?.Value ?? '';
  if (['', 'none'].includes(value('wsrep_provider').toLowerCase())) return [];
  const faults: string[] = [];
  if (value('wsrep_on').toUpperCase() === 'OFF') {
    faults.push('wsrep_on is OFF: set it to ON, or what is committed here never reaches the rest of the cluster.');
  }
  const split = /\bpc\.(?:ignore_quorum|ignore_sb) *= *(?:true|yes|on|1)\b/i.exec(value('wsrep_provider_options'));
  if (split) {
    faults.push(`wsrep_provider_options has ${split[0]}: set it to false, `
      + 'or both halves of a cluster that falls apart go on paying.');
  }
  return faults;
}
