// Reads ckpool's users/ directory: the one place that says how much, and that only ckpool can write to.
// ckpool rewrites each file in place (truncate, then write), so an empty or torn file is normal for an
// instant and is read again. Nothing is followed or waited for: no symbolic link, no pipe. A name never
// becomes a path with a `/` in it. Never writes.
//
// A file is opened, read and closed in one go: through promises that costs ten times as much as the disk does. So that
// the rest of the program is not kept waiting, it gets its turn after every few hundred files.
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock, type Clock } from '../../shared/clock.js';
import { nameToBuffer, printable, type NameBytes } from '../../shared/username.js';
import type { Reading } from '../core/counter-lines.js';
import { isUserName } from '../core/log-line.js';
import { parseUserFile, user_file_bytes_max } from '../core/user-file.js';
import { codeOf, filesFailure } from './log-failure.js';

/** A few milliseconds. */
const files_a_turn = 500;
/** Far more than a real file has; only what fills it is read as a long one. */
const usual_bytes = 4_096;
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
  const buffer = Buffer.allocUnsafe(usual_bytes);
  for (const [index, name] of names.entries()) {
    if (index > 0 && index % files_a_turn === 0) await nextTurn();
    const reading = readOnce(directory, name, buffer);
    if ('torn' in reading) {
      torn.push(name);
      readings.set(name, { unreadable: `users/${printable(name)} is ${reading.torn}` });
    } else {
      readings.set(name, reading);
    }
  }
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
    // One character a byte, as names are inside the program.
    const names = await readdir(directory, { encoding: 'latin1' });
    return (names as NameBytes[]).filter(isUserName);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw filesFailure(error, directory, 'logdir');
  }
}

function readOnce(directory: string, name: NameBytes, buffer: Buffer): Reading | { torn: string } {
  try {
    const descriptor = openSync(
      pathOf(directory, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    try {
      if (!fstatSync(descriptor).isFile()) return { absent: true };
      const length = readSync(descriptor, buffer, 0, usual_bytes, 0);
      const parsed = parseUserFile(length < usual_bytes ? buffer.subarray(0, length) : readLong(descriptor));
      return 'counter' in parsed ? parsed : { torn: parsed.fault };
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const code = codeOf(error);
    // ELOOP: a symbolic link. ENXIO: a socket. ENAMETOOLONG cannot be on the disk that ckpool writes to.
    if (['ENOENT', 'ELOOP', 'ENXIO', 'EISDIR', 'ENAMETOOLONG'].includes(code)) return { absent: true };
    if (code === 'EACCES' && isSearchable(directory)) {
      return { unreadable: `users/${printable(name)} may not be read (${code})` };
    }
    throw filesFailure(error, directory, 'logdir');
  }
}

/** As text where that gives the same bytes, which is faster. */
const pathOf = (directory: string, name: NameBytes): string | Buffer => (/^[!-~]+$/.test(name)
  ? `${directory}${path.sep}${name}`
  : Buffer.concat([Buffer.from(directory + path.sep), nameToBuffer(name)]));

/** One odd file holds up nobody; a directory that may not be entered holds up all, and says so. */
function isSearchable(directory: string): boolean {
  try {
    statSync(`${directory}${path.sep}.`);
    return true;
  } catch {
    return false;
  }
}

/** At most one byte more than is allowed, so that the parser sees that it is too long. */
function readLong(descriptor: number): Buffer {
  const buffer = Buffer.alloc(user_file_bytes_max + 1);
  let length = 0;
  while (length < buffer.length) {
    const bytes_read = readSync(descriptor, buffer, length, buffer.length - length, length);
    if (bytes_read === 0) break;
    length += bytes_read;
  }
  return buffer.subarray(0, length);
}
