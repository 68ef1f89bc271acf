// Started by rows/share-memory.ts: the accounting daemon's own steps over a directory of share logs, in a process
// of its own, so that its memory is nobody else's. After each commit it tells its parent how many bytes are
// counted and how much memory it has; where the collector may be called (node --expose-gc) it is called
// first, so that only what is really held is left. Ends when all is read, or with its parent.
import { join } from 'node:path';
import { loadBitcoinCore } from '../../shared/packages.js';
import { openAccounting } from '../../lab/accounting.js';
import { committedTo, countedWork, createSharePool, openMigrated } from '../share-pool.js';

export interface Count {
  readonly bytes: number;
  readonly resident_bytes: number;
  /** What JavaScript holds, buffers included. */
  readonly held_bytes: number;
}

/** The last word: the sum of what the ledger holds. */
export interface Counted {
  readonly work: number;
}

const directory = process.argv[2];
if (directory === undefined || !process.send) throw new Error('started by rows/share-memory.ts only');
const leave = (): void => process.exit(1);
process.on('disconnect', leave);

// What the daemon loads when it first asks the node is no growth of what it counts.
loadBitcoinCore();
const pool = await createSharePool(directory);
const database = await openMigrated({ engine: 'sqlite', file: join(directory, `${process.pid}.sqlite`) });
const accounting = await openAccounting(pool.place(database));
try {
  while ((await accounting.daemon.step()) !== 'idle') {
    const bytes = [...(await committedTo(database)).values()].reduce((sum, offset) => sum + offset, 0);
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    process.send({ bytes, resident_bytes: rss, held_bytes: heapUsed + external } satisfies Count);
  }
  process.send({ work: await countedWork(database) } satisfies Counted);
} finally {
  await accounting.close();
  await database.close();
  await pool.close();
}
process.off('disconnect', leave);
process.disconnect();
