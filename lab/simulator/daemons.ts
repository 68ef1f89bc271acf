// Both daemons as simulated processes: their own code from the lease to the last step, over ports that wait, fail and
// die. A process has its own knex, its own open files and its own wall clock; what it shares with the others is
// what real ones share: database, node and disk.
import { createAccountingDaemon } from '../../accounting/daemon.js';
import { defaultOptions } from '../../accounting/context.js';
import { openLogFiles } from '../../accounting/edges/log-files.js';
import { openShareLogs } from '../../accounting/edges/share-log-files.js';
import { createWaits } from '../../payments/context.js';
import { createPaymentsDaemon } from '../../payments/daemon.js';
import { payingMoves } from '../../payments/paying/moves.js';
import { payoutRequests } from '../../payments/paying/requests.js';
import type { Clock } from '../../shared/clock.js';
import type { Config } from '../../shared/config.js';
import type { Daemon } from '../../shared/daemon.js';
import type { LeaseTable } from '../../shared/database/lease.js';
import type { Logger } from '../../shared/logger.js';
import { runLeased } from '../../shared/start.js';
import type { SimulatedNode } from '../simulated-node.js';
import type { DatabaseFaults, SimulatedDatabase } from './database.js';
import { nodePort, type NodeFaults } from './node-port.js';
import { startProcess, type SimulatedProcess } from './process.js';
import type { Timeline } from './timeline.js';

export type DaemonKind = 'accounting' | 'payments';

export interface ProcessFaults extends DatabaseFaults, NodeFaults {}

export interface DaemonGround {
  readonly timeline: Timeline;
  readonly database: SimulatedDatabase;
  readonly chain: SimulatedNode;
  readonly config: Config;
  /** How far the machine's wall clock is off. */
  readonly clock_off_ms: () => number;
  /** How long it sleeps when there is nothing to do. */
  readonly idle_ms: number;
  readonly log: (name: string, message: string) => void;
  readonly faultsFor: (process: SimulatedProcess) => ProcessFaults;
  /** Open files of a process that was killed are the kernel's to close. */
  readonly opened: (close: () => Promise<void>) => void;
}

const leases: Readonly<Record<DaemonKind, LeaseTable>> = {
  accounting: 'accounting_lease', payments: 'payments_lease',
};
const quiet_ms = 60_000;

export function startDaemon(
  kind: DaemonKind, name: string, ground: DaemonGround, onEnd: (process: SimulatedProcess) => void,
): SimulatedProcess {
  return startProcess({
    name, timeline: ground.timeline, onEnd,
    main: async (process) => {
      const faults = ground.faultsFor(process);
      const database = ground.database.portFor(faults);
      const clock = clockOf(process, ground);
      const log = loggerOf(process, ground);
      const ports = { clock, log, stop: process.stop, once: false };
      const parts = { config: ground.config, database, clock, log };
      const node = nodePort(ground.chain.node, faults);
      const files = kind === 'accounting' ? openFiles(ground.config, clock) : null;
      const close = async () => {
        await files?.log_files.close();
        files?.share_logs.close();
      };
      ground.opened(close);
      try {
        await runLeased(database, leases[kind], ports, (lease) => sleepy(ground.idle_ms, files
          ? createAccountingDaemon({ ...parts, ...files, lease, node, options: defaultOptions })
          : createPaymentsDaemon({ ...parts, lease, node, waits: createWaits(log) }, {
            lease, paying: payingMoves, requests: payoutRequests,
          })));
      } finally {
        await close();
      }
    },
  });
}

const openFiles = (config: Config, clock: Clock) => ({
  log_files: openLogFiles({ log_file: config.log_file, quiet_ms, once: false, clock }),
  share_logs: openShareLogs({ log_directory: config.log_directory, clock }),
});

/** Looks less often where nothing happens: a slow machine, and a simulation that is worth its time. */
const sleepy = (idle_ms: number, daemon: Daemon): Daemon => ({ step: () => daemon.step(), idle_ms });

const clockOf = (process: SimulatedProcess, { timeline, clock_off_ms }: DaemonGround): Clock => ({
  now_ms: () => timeline.now_ms() + clock_off_ms(),
  monotonic_ms: () => timeline.now_ms(),
  sleep: (duration_ms, signal) => process.wait(duration_ms, signal ?? new AbortController().signal),
});

function loggerOf(process: SimulatedProcess, { log }: DaemonGround): Logger {
  const say = (message: string) => log(process.name, message);
  return { debug: () => undefined, info: say, warn: say, error: say };
}
