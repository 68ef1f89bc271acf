// A pool whose share logs are measured: ckpool's log directory with a quiet log, a node that answers with the
// recorded chain, and an empty database. Share logs are written for the block that is being worked on, as
// ckpool would.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type DatabaseSettings } from '../shared/database/connect.js';
import { smallInteger, type Database } from '../shared/database/database.js';
import { migrate } from '../shared/database/migrate.js';
import type { AccountingPlace } from '../lab/accounting.js';
import { serveRecordedChain, type RecordedNode } from '../lab/recorded-node.js';
import { createSimulatedCkpool } from '../lab/simulated-ckpool.js';
import { heightDirectory } from '../lab/simulated-ckpool/share-log.js';
import { chain_directory, chainTip, pool_address } from './place.js';

export interface SharePool {
  readonly log_directory: string;
  /** Where the share logs of the height being worked on are. */
  readonly share_directory: string;
  readonly height: number;
  readonly node: RecordedNode;
  /** For lab/accounting.ts. */
  place(database: Database): AccountingPlace;
  close(): Promise<void>;
}

export async function createSharePool(directory: string): Promise<SharePool> {
  const tip = chainTip();
  const log_directory = join(directory, 'logs');
  createSimulatedCkpool({ log_directory, now_ms: Date.now, seed: 1, tip });
  const share_directory = join(log_directory, heightDirectory(tip.height + 1));
  mkdirSync(share_directory, { recursive: true });
  const node = await serveRecordedChain(chain_directory);
  return {
    log_directory, share_directory, node,
    height: tip.height + 1,
    place: (database) => ({
      database, log_directory, pool_address,
      log_file: join(log_directory, 'ckpool.log'),
      login: node.login,
    }),
    close: () => node.close(),
  };
}

export async function openMigrated(settings: DatabaseSettings): Promise<Database> {
  const database = await connect(settings);
  await migrate(database);
  return database;
}

/** How far each share log was read and committed, by workinfoid. */
export async function committedTo(database: Database): Promise<ReadonlyMap<string, number>> {
  const rows = await database.knex<Record<string, unknown>>('share_log_files').select('workinfoid', 'file_offset');
  return new Map(rows.map((row) => [String(row['workinfoid']), smallInteger(row['file_offset'])]));
}

/** The sum of all users' work in the ledger, in whole shares. */
export async function countedWork(database: Database): Promise<number> {
  const rows = await database.knex<Record<string, unknown>>('share_counts').select('logged_count');
  return rows.reduce((sum, row) => sum + smallInteger(row['logged_count']), 0);
}
