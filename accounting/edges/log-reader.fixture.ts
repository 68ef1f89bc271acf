// A reader of the log for tests: keeps its cursors as the accounting daemon keeps its rows, and collects the
// lines. `restart` forgets everything but the cursors, as a killed daemon does.
import { appendFileSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock, type Clock } from '../../shared/clock.js';
import { openLogFiles, type LogFiles, type LogPart, type StoredCursor } from './log-files.js';

export interface TestPool {
  directory: string;
  log: string;
  /** Appends numbered lines to the file and returns them. */
  write(count?: number, file?: string): string[];
  remove(): void;
}

export function createTestPool(): TestPool {
  const directory = mkdtempSync(path.join(tmpdir(), 'log-files-'));
  const log = path.join(directory, 'ckpool.log');
  let written = 0;
  const nextLine = (): string => {
    written++;
    const stamp = new Date(Date.UTC(2026, 10, 20, 9, 0, 0) + written * 7)
      .toISOString()
      .replace('T', ' ')
      .slice(0, 23);
    return `[${stamp}] line ${written}`;
  };
  return {
    directory,
    log,
    write(count = 1, file = log) {
      const lines = Array.from({ length: count }, nextLine);
      appendFileSync(file, lines.map((line) => `${line}\n`).join(''));
      return lines;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Makes a file look as if nothing had been written to it for two minutes. */
export function quiet(file: string): void {
  const then = new Date(Date.now() - 120_000);
  utimesSync(file, then, then);
}

export interface TestReader {
  lines: string[];
  gaps: string[];
  cursors: StoredCursor[];
  /** One survey and at most one read, as one move of the daemon. */
  step(): Promise<'progress' | 'idle'>;
  drain(): Promise<string[]>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export function createTestReader(
  log_file: string,
  options: { once?: boolean; bytes_max?: number; clock?: Clock } = {},
): TestReader {
  const open = (): LogFiles =>
    openLogFiles({
      log_file,
      quiet_ms: 60_000,
      once: options.once ?? false,
      clock: options.clock ?? systemClock,
    });
  let files = open();
  const reader: TestReader = {
    lines: [],
    gaps: [],
    cursors: [],
    async step() {
      const {
        parts: [part, next],
        gap,
      } = await files.survey(reader.cursors);
      if (!part) return 'idle';
      const last = reader.cursors.at(-1);
      if (part.continues && part.from >= part.end && !next) return 'idle';
      if (gap !== null) reader.gaps.push(gap);
      const cursor = part.continues ? Object.assign(last!, identity(part)) : begin(part);
      await readSome(part, cursor);
      if (cursor.file_offset < part.end || !part.settled || !next) return 'progress';
      Object.assign(cursor, { file_offset: part.size, state: 'finished' });
      begin(next);
      return 'progress';
    },
    async drain() {
      for (let steps = 0; (await reader.step()) === 'progress'; steps++) {
        if (steps > 100_000) throw new Error('the log has no end');
      }
      return reader.lines;
    },
    async restart() {
      await files.close();
      files = open();
    },
    close: () => files.close(),
  };

  async function readSome(part: LogPart, cursor: StoredCursor): Promise<void> {
    if (cursor.file_offset >= part.end) return;
    const bytes = await files.read(part, cursor.file_offset, options.bytes_max ?? 65_536);
    const consumed = bytes.lastIndexOf('\n') + 1;
    if (consumed === 0) {
      cursor.file_offset = await files.skipLine(part, cursor.file_offset);
      return;
    }
    reader.lines.push(...bytes.toString('latin1', 0, consumed).split('\n').slice(0, -1));
    cursor.file_offset += BigInt(consumed);
  }

  function begin(part: LogPart): StoredCursor {
    const last = reader.cursors.at(-1);
    const cursor: StoredCursor = {
      sequence: (last?.sequence ?? 0) + 1,
      log_start: last ? last.log_start + last.file_offset : 0n,
      file_offset: part.from,
      state: 'current',
      ...identity(part),
    };
    reader.cursors.push(cursor);
    return cursor;
  }
  return reader;
}

function identity({ path: file, device, inode, fingerprint_length, fingerprint }: LogPart) {
  return { path: file, device, inode, fingerprint_length, fingerprint };
}
