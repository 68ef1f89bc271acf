// Reads ckpool's users/ directory: the one place that says how much, and that only ckpool can write to.
// ckpool rewrites each file in place (truncate, then write), so an empty or torn file is normal for an
// instant and is read again. Nothing is followed or waited for: no symbolic link, no pipe. A name never
// becomes a path with a `/` in it. Never writes.
import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { systemClock, type Clock } from '../../shared/clock.js';
import { nameFromBuffer, nameToBuffer, printable, type NameBytes } from '../../shared/username.js';
import type { Reading } from '../core/counter-lines.js';
import { isUserName } from '../core/log-line.js';
import { parseUserFile, user_file_bytes_max } from '../core/user-file.js';
import { codeOf, filesFailure } from './log-failure.js';

const concurrent_max = 16;
/** Pauses between the attempts on a file that is empty or torn: together about 300 ms. */
const pauses_ms = [5, 15, 40, 80, 160];

/** Readings of these users' files. @throws OutsideFailure when the disk does not answer. */
export async function readUsers(
  directory: string,
  names: readonly NameBytes[],
  clock: Pick<Clock, 'sleep'> = systemClock,
): Promise<Map<NameBytes, Reading>> {
  const readings = new Map<NameBytes, Reading>(names.map((name) => [name, { absent: true }]));
  let pending = [...readings.keys()].filter(isUserName);
  // All that are torn wait together: with a full disk that is every file.
  for (const pause_ms of [0, ...pauses_ms]) {
    if (pending.length === 0) break;
    if (pause_ms > 0) await clock.sleep(pause_ms);
    pending = await readEach(directory, pending, readings);
  }
  return readings;
}

/** Adds what was read; returns the names whose files were empty or torn. */
async function readEach(
  directory: string, names: readonly NameBytes[], readings: Map<NameBytes, Reading>,
): Promise<NameBytes[]> {
  const torn: NameBytes[] = [];
  const queue = names.values();
  const reader = async (): Promise<void> => {
    for (const name of queue) {
      const reading = await readOnce(directory, name);
      if ('torn' in reading) torn.push(name);
      readings.set(
        name,
        'torn' in reading ? { unreadable: `users/${printable(name)} is ${reading.torn}` } : reading,
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrent_max, names.length) }, reader));
  return torn;
}

/**
 * Readings of every user that has a file. Entries that cannot be a user's (directories, links, names with
 * `.` or `_`) are left out. A directory that does not exist holds nobody: ckpool makes it at its first pass.
 * @throws OutsideFailure when the directory cannot be read
 */
export async function readAllUsers(
  directory: string, clock: Pick<Clock, 'sleep'> = systemClock,
): Promise<Map<NameBytes, Reading>> {
  const readings = await readUsers(directory, await userNames(directory), clock);
  for (const [name, reading] of readings) if ('absent' in reading) readings.delete(name);
  return readings;
}

async function userNames(directory: string): Promise<NameBytes[]> {
  try {
    const names = await readdir(directory, { encoding: 'buffer' });
    return names.map((name) => nameFromBuffer(name)).filter(isUserName);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw filesFailure(error, directory, 'logdir');
  }
}

async function readOnce(directory: string, name: NameBytes): Promise<Reading | { torn: string }> {
  const file = Buffer.concat([Buffer.from(directory + path.sep), nameToBuffer(name)]);
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      if (!(await handle.stat()).isFile()) return { absent: true };
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, 0);
      const content = bytesRead < buffer.length
        ? buffer.subarray(0, bytesRead)
        : await readLong(handle);
      const parsed = parseUserFile(content);
      return 'counter' in parsed ? parsed : { torn: parsed.fault };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = codeOf(error);
    // ELOOP: a symbolic link. ENXIO: a socket. ENAMETOOLONG cannot be on the disk that ckpool writes to.
    if (['ENOENT', 'ELOOP', 'ENXIO', 'EISDIR', 'ENAMETOOLONG'].includes(code)) return { absent: true };
    if (code === 'EACCES' && await isSearchable(directory)) {
      return { unreadable: `users/${printable(name)} may not be read (${code})` };
    }
    throw filesFailure(error, directory, 'logdir');
  }
}

/** One odd file holds up nobody; a directory that may not be entered holds up all, and says so. */
async function isSearchable(directory: string): Promise<boolean> {
  return stat(`${directory}${path.sep}.`).then(() => true, () => false);
}

/** At most one byte more than is allowed, so that the parser sees that it is too long. */
async function readLong(handle: Awaited<ReturnType<typeof open>>): Promise<Buffer> {
  const buffer = Buffer.alloc(user_file_bytes_max + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
