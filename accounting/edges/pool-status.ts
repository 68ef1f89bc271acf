// ckpool's pool/pool.status: rewritten each minute, by nobody else. It tells when ckpool was started, the one
// event at which its counters lose work that the share logs still have. Reads only; a file that is absent, torn
// or of another form tells nothing.
import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Unix time, to the second; null when the file does not tell. */
export async function poolStartedAt(log_directory: string): Promise<number | null> {
  try {
    const [line = ''] = (await readFile(path.join(log_directory, 'pool', 'pool.status'), 'latin1')).split('\n', 1);
    const { runtime, lastupdate } = JSON.parse(line) as Record<string, unknown>;
    return typeof runtime === 'number' && typeof lastupdate === 'number' ? lastupdate - runtime : null;
  } catch {
    return null;
  }
}
