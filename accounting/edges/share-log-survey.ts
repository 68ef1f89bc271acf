// Looks through heights for share logs that hold unread bytes. Sizes are asked for one by one and synchronously
// (3.5 µs each); a height in which nothing changed since it held nothing unread costs no question to the
// database. Only one height's names are held at a time, beside those that share-log-play.ts keeps.
import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Clock } from '../../shared/clock.js';
import { statusOf, type ShareLogName } from './share-log-directories.js';
import type { ReadCursors, ShareLogFile } from './share-log-files.js';
import type { HeightSeen, HeightsInPlay } from './share-log-play.js';
import type { ShareLogReader } from './share-log-read.js';

export interface FileAt {
  readonly height: number;
  /** Empty: before all files of the height. */
  readonly workinfoid: string;
}

export interface HeightSurvey {
  /**
   * From that file on; `stopped_at` is where to go on when there are more files than fit, or when it was told to
   * stop after a moment instead of letting the program's other work pass in between.
   */
  gather(
    heights: readonly number[], from: FileAt | null, cursors: ReadCursors, after_a_moment?: 'go on' | 'stop',
  ): Promise<{ files: ShareLogFile[]; stopped_at: FileAt | null }>;
  complaints(): string[];
}

/** How long the program's other work may wait for a walk over many directories. */
const breath_ms = 20;

interface Measured {
  readonly bytes: number;
  readonly changed_ms: number;
}

export function createHeightSurvey(options: {
  log_directory: string; clock: Clock; reader: ShareLogReader; play: HeightsInPlay; files_max: number;
}): HeightSurvey {
  const { clock, reader, play, files_max } = options;
  const shortened = new Set<string>();
  let complaints: string[] = [];

  async function gather(
    heights: readonly number[], from: FileAt | null, cursors: ReadCursors,
    after_a_moment: 'go on' | 'stop' = 'go on',
  ): Promise<{ files: ShareLogFile[]; stopped_at: FileAt | null }> {
    const files: ShareLogFile[] = [];
    let breath_at_ms = clock.monotonic_ms();
    for (const height of heights) {
      if (from !== null && height < from.height) continue;
      const seen = play.look(height);
      if (seen === null) continue;
      const start = (height === from?.height && from.workinfoid) || null;
      const stopped_at = await gatherHeight(height, seen, start, cursors, files);
      play.keep(height, seen);
      if (stopped_at !== null) return { files, stopped_at };
      if (clock.monotonic_ms() - breath_at_ms < breath_ms) continue;
      if (after_a_moment === 'stop') return { files, stopped_at: { height: height + 1, workinfoid: '' } };
      await breathe();
      breath_at_ms = clock.monotonic_ms();
    }
    return { files, stopped_at: null };
  }

  /** Adds the height's unread files; says in `seen` what is to be remembered. */
  async function gatherHeight(
    height: number, seen: HeightSeen, start: string | null, cursors: ReadCursors, files: ShareLogFile[],
  ): Promise<FileAt | null> {
    const measured = new Map<ShareLogName, Measured | null>();
    if (isSettled(seen, measured)) {
      seen.unread = false;
      return null;
    }
    seen.settled = null;
    const read_to = await cursors(height);
    const first = files.length;
    const total = { files: 0, bytes: 0 };
    for (const name of seen.names) {
      if (start !== null && name.workinfoid < start) continue;
      if (files.length >= files_max) return { height, workinfoid: name.workinfoid };
      const found = measureOnce(name, measured);
      if (found === null) continue;
      seen.changed_ms = Math.max(seen.changed_ms, found.changed_ms);
      total.files++;
      total.bytes += found.bytes;
      const file = unreadFile(height, name, found, read_to.get(name.workinfoid) ?? 0);
      if (file !== null) files.push(file);
    }
    seen.unread = start !== null || files.length > first;
    if (!seen.unread) seen.settled = total;
    return null;
  }

  /** Sizes only grow, so the same number of files and bytes means that nothing changed. */
  function isSettled(seen: HeightSeen, measured: Map<ShareLogName, Measured | null>): boolean {
    if (seen.settled === null) return false;
    let files = 0;
    let bytes = 0;
    for (const name of seen.names) {
      const found = measureOnce(name, measured);
      if (found === null) continue;
      seen.changed_ms = Math.max(seen.changed_ms, found.changed_ms);
      files++;
      bytes += found.bytes;
    }
    return seen.settled.files === files && seen.settled.bytes === bytes;
  }

  function unreadFile(
    height: number, name: ShareLogName, { bytes, changed_ms }: Measured, read_to: number,
  ): ShareLogFile | null {
    const size = reader.sizeOf(name, bytes);
    if (size < read_to) complainOnce(name, size, read_to);
    if (size <= read_to || reader.isTornAt(name.path, read_to, size)) return null;
    return { height, ...name, size, changed_ms };
  }

  function complainOnce(name: ShareLogName, size: number, read_to: number): void {
    if (shortened.has(name.path)) return;
    shortened.add(name.path);
    complaints.push(`${path.basename(path.dirname(name.path))}/${path.basename(name.path)} has ${size} bytes, but `
      + `${read_to} were read before: ckpool never shortens a share log, so look who did.`);
  }

  function takeComplaints(): string[] {
    const taken = complaints;
    complaints = [];
    return taken;
  }

  return { gather, complaints: takeComplaints };
}

function measureOnce(name: ShareLogName, measured: Map<ShareLogName, Measured | null>): Measured | null {
  const known = measured.get(name);
  if (known !== undefined) return known;
  const status = statusOf(name.path);
  const found = status?.isFile() ? { bytes: status.size, changed_ms: status.mtimeMs } : null;
  measured.set(name, found);
  return found;
}
