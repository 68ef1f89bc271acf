// How a daemon's process begins and ends: the database opened and prepared (waited for as long as it
// takes, or 30 s with --once), the lease taken (a killed predecessor's expires within 10 s), the loop, the
// lease given back. If it dies in between, the lease expires by itself and nothing else was changed.
import { hostname } from 'node:os';
import { runDaemon, runOnce, type Daemon, type LoopPorts } from './daemon.js';
import { connect, type DatabaseSettings } from './database/connect.js';
import type { Database } from './database/database.js';
import {
  createLease,
  lease_duration_ms,
  takeLease,
  type DaemonLease,
  type LeaseTable,
} from './database/lease.js';
import { loadBitcoinCore } from './packages.js';

/** How long --once waits for node and database. */
const outside_wait_ms = 30_000;
/** A killed predecessor's lease, and some time for a slow database. */
const lease_wait_ms = lease_duration_ms + 5_000;

export interface StartPorts extends LoopPorts {
  readonly once: boolean;
}

/** null when it was stopped first. `prepare` is repeated whole when the database fails in it. */
export async function openDatabase(
  settings: DatabaseSettings,
  prepare: (database: Database) => Promise<void>,
  ports: StartPorts,
  open = connect,
): Promise<Database | null> {
  let database: Database | null = null;
  let ready = false;
  const step = async () => {
    database ??= await open(settings);
    await prepare(database);
    ready = true;
    return 'idle' as const;
  };
  try {
    await runOnce(
      { idle_ms: 0, step },
      { ...ports, outside_wait_ms: ports.once ? outside_wait_ms : Infinity },
    );
    return ready ? database : null;
  } finally {
    if (!ready) await (database as Database | null)?.close();
  }
}

/** Takes the lease, runs the daemon that `make` gives, gives the lease back. */
export async function runLeased(
  database: Database, table: LeaseTable, ports: StartPorts, make: (lease: DaemonLease) => Daemon,
): Promise<void> {
  // A daemon has all its packages before it begins: without a file handle left none could be loaded (fault 38), and
  // later another version may stand there.
  loadBitcoinCore();
  const lease = createLease(database, table, `${hostname()} ${process.pid} run`);
  if (!(await takeLease(lease, { ...ports, wait_ms: lease_wait_ms }))) return;
  try {
    const daemon = make(lease);
    if (ports.once) await runOnce(daemon, { ...ports, outside_wait_ms });
    else await runDaemon(daemon, ports);
  } finally {
    // Out of reach, it expires by itself.
    await lease
      .release()
      .catch((error: unknown) => ports.log.warn('the lease could not be released', { error }));
  }
}
