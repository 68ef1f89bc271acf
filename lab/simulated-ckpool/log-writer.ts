// The log file: stamp, level, the cut at 999 bytes, and what ckpool does about rotation. It re-opens
// its log by name only when a line comes and the last opening is more than a minute ago; until then
// lines go on into the renamed file.
import type { PoolDisk } from './disk.js';

/** syslog's numbers; a line is printed when its level is at most the one ckpool runs with (default 5). */
export const warning = 4;
export const notice = 5;

export interface Line {
  level: typeof warning | typeof notice;
  /** Without stamp and newline; one character a byte. */
  text: string;
}

export interface LogWriter {
  /** Writes lines that many milliseconds after the pool's present, never before the line before. */
  write(lines: readonly Line[], later_ms?: number): void;
  /** The time of the latest line. */
  last_ms(): number;
  /** The log becomes `<name>.log.1` (older ones move up); lines follow it until ckpool re-opens. */
  rotateByRename(): void;
  /** The log is copied to `<name>.log.1` and cut to nothing: lines in between would be lost. */
  rotateByCopy(): void;
  /** A new process opens the file by its name. */
  reopen(): void;
}

const text_bytes_max = 999;
const kept_rotations_max = 50;

/** "2026-11-20 09:22:01.823", in UTC as for a process with TZ=UTC. */
export const stampText = (at_ms: number): string =>
  new Date(at_ms).toISOString().slice(0, 23).replace('T', ' ');

export function createLogWriter(options: {
  disk: PoolDisk; file: string; level: number; reopen_after_ms: number; now_ms: () => number;
}): LogWriter {
  const { disk, file, level, reopen_after_ms, now_ms } = options;
  let target = file;
  let opened_ms = now_ms();
  let last_ms = now_ms();

  function shiftRotated(): void {
    for (let number = kept_rotations_max; number >= 1; number -= 1) {
      if (!disk.exists(`${file}.${number}`)) continue;
      disk.rename(`${file}.${number}`, `${file}.${number + 1}`);
      if (target === `${file}.${number}`) target = `${file}.${number + 1}`;
    }
  }

  return {
    write: (lines, later_ms = 0) => {
      last_ms = Math.max(last_ms, now_ms() + later_ms);
      if (last_ms - opened_ms > reopen_after_ms) {
        target = file;
        opened_ms = last_ms;
      }
      const printed = lines.filter((line) => line.level <= level);
      if (printed.length === 0) return;
      const stamp = stampText(last_ms);
      const text = printed.map((line) => `[${stamp}] ${line.text.slice(0, text_bytes_max)}\n`).join('');
      disk.append(target, Buffer.from(text, 'latin1'));
    },
    last_ms: () => last_ms,
    rotateByRename: () => {
      shiftRotated();
      disk.rename(file, `${file}.1`);
      if (target === file) target = `${file}.1`;
    },
    rotateByCopy: () => {
      shiftRotated();
      disk.copy(file, `${file}.1`);
      disk.truncate(file);
    },
    reopen: () => {
      target = file;
      opened_ms = Math.max(last_ms, now_ms());
    },
  };
}
