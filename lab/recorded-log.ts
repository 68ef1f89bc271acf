// The log of a recording as lines, so that a test can forge, tear or play it again. Text is one
// character a byte.
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

export interface RecordedLogFile {
  /** "ckpool.log.1"; the file without a suffix is the newest. */
  name: string;
  /** Without newlines; the last is empty when the file ends with one. */
  lines: string[];
}

const stamp_pattern = /^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})\]/;

/** Milliseconds since 1970 of a line's own stamp (recordings are in UTC); null without one. */
export function stampOf(line: string): number | null {
  const [, date, time] = stamp_pattern.exec(line) ?? [];
  return date === undefined || time === undefined ? null : Date.parse(`${date}T${time}Z`);
}

/** Parses a truth's stamp, "2026-11-20 09:22:01.823". */
export const stampTime = (stamp: string): number => Date.parse(`${stamp.replace(' ', 'T')}Z`);

/** The log and its rotated siblings, oldest first. */
export async function readLogFiles(log_file: string): Promise<RecordedLogFile[]> {
  const directory = join(log_file, '..');
  const names = (await readdir(directory)).filter((name) => name.startsWith(basename(log_file)));
  const files = await Promise.all(names.map(async (name) => (
    { name, lines: (await readFile(join(directory, name), 'latin1')).split('\n') })));
  return files.sort((one, other) => firstStamp(one) - firstStamp(other));
}

const firstStamp = (file: RecordedLogFile): number => stampOf(file.lines[0] ?? '') ?? 0;

/** Writes the files back with the times they had. */
export async function writeLogFiles(log_file: string, files: readonly RecordedLogFile[]): Promise<void> {
  for (const file of files) {
    const path = join(log_file, '..', file.name);
    const { mtime } = await stat(path);
    await writeFile(path, file.lines.join('\n'), 'latin1');
    await utimes(path, mtime, mtime);
  }
}
