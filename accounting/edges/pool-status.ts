// ckpool's pool/pool.status: rewritten each minute, by nobody else. It tells when ckpool was started, the one
// event at which its counters lose work that the share logs still have. Reads only; a file that is absent, torn
// or of another form tells nothing. No link is followed, no pipe waited for, and no more read than a real one has.
import { closeSync, readSync } from 'node:fs';
import path from 'node:path';
import { openRegular } from './share-log-read.js';

/** Its first line has about 150 bytes. */
const bytes_max = 4_096;

/** Unix time, to the second; null when the file does not tell. */
export async function poolStartedAt(log_directory: string): Promise<number | null> {
  try {
    const [line = ''] = readHead(path.join(log_directory, 'pool', 'pool.status')).split('\n', 1);
    const { runtime, lastupdate } = JSON.parse(line) as Record<string, unknown>;
    return isSeconds(runtime) && isSeconds(lastupdate) && lastupdate >= runtime ? lastupdate - runtime : null;
  } catch {
    return null;
  }
}

/** JSON has numbers, such as 1e999, with which nothing can be compared. */
const isSeconds = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function readHead(file: string): string {
  const descriptor = openRegular(file);
  if (descriptor === null) return '';
  try {
    const bytes = Buffer.alloc(bytes_max);
    return bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, bytes_max, 0));
  } finally {
    closeSync(descriptor);
  }
}
