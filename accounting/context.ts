// What every move of the accounting daemon is given. Ports only: the daemon itself touches no clock, file,
// node or database but through these.
import type { ChainNode } from '../shared/bitcoind/node.js';
import type { Clock } from '../shared/clock.js';
import type { Config } from '../shared/config.js';
import type { Database, Lease } from '../shared/database/database.js';
import type { Logger } from '../shared/logger.js';
import type { Progress } from '../shared/progress.js';
import type { LogFiles } from './edges/log-files.js';
import type { ShareLogs } from './edges/share-log-files.js';

export interface AccountingOptions {
  /** Most bytes of the log read and committed in one move. */
  readonly chunk_bytes: number;
  /** How long a line and a block wait for each other before they are paired; 0 with --once. */
  readonly pairing_wait_ms: number;
  /** Below log level 5 the user files are read this often. */
  readonly sample_period_ms: number;
  /** How long the chain may go unlooked-at while the log says nothing new. */
  readonly chain_period_ms: number;
  /** Run until idle, then stop: failures of the node are thrown instead of waited out. */
  readonly once: boolean;
}

export const defaultOptions: AccountingOptions = {
  chunk_bytes: 1024 * 1024 * 1024,
  pairing_wait_ms: 2_000,
  sample_period_ms: 60_000,
  chain_period_ms: 20_000,
  once: false,
};

export interface AccountingContext {
  readonly config: Config;
  readonly database: Database;
  readonly lease: Lease;
  readonly node: ChainNode;
  readonly clock: Clock;
  readonly log: Logger;
  readonly log_files: LogFiles;
  readonly share_logs: ShareLogs;
  readonly options: AccountingOptions;
  /** Where it is told how far a long log was read. */
  readonly catching_up?: Progress;
}

export type Outcome = 'progress' | 'idle';
