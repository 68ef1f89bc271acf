// Waits until payments has signed a payout and written it down, and kills it in that moment: the
// signature may or may not have been sent. It only reads the database, over a connection of its own.
import Sqlite from 'better-sqlite3';
import { setTimeout as wait } from 'node:timers/promises';
import type { DaemonProcess } from './daemons.js';
import { DemoFailed, requireGoing } from './failure.js';

export interface KilledPayout {
  readonly batch: number;
  /** What the database said when the process was gone. */
  readonly state: string;
  readonly txid: string;
}

export async function killWhilePaying(
  { payments, accounting }: { readonly payments: DaemonProcess; readonly accounting: DaemonProcess },
  database_file: string,
  { stop, limit_ms }: { readonly stop: AbortSignal; readonly limit_ms: number },
): Promise<KilledPayout> {
  const database = new Sqlite(database_file, { readonly: true });
  try {
    const signed = database.prepare<[], KilledPayout>(
      'SELECT batches.id AS batch, batches.state AS state, signed.txid AS txid FROM payout_batches AS batches '
      + 'JOIN payout_transactions AS signed ON signed.batch_id = batches.id ORDER BY batches.id DESC LIMIT 1');
    const given_up_ms = performance.now() + limit_ms;
    while (signed.get() === undefined) {
      requireGoing(stop);
      for (const daemon of [payments, accounting]) daemon.requireRunning();
      if (performance.now() > given_up_ms) {
        throw new DemoFailed(`Payments has signed no payout within ${limit_ms / 1000} s.`);
      }
      await wait(1);
    }
    await payments.kill();
    return signed.get()!;
  } finally {
    database.close();
  }
}
