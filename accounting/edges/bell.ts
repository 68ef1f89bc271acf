// The doorbell: says that the log may have grown, so that a block is accounted for at once and not at the
// next look by timer. It never says what was written: npm `tail` loses lines at rotations, so it does not even read
// them, and rings as soon as the file changes. A bell that fails is hung up again; while it hangs nowhere the timer of
// the daemon serves.
import { statSync, type FSWatcher } from 'node:fs';
import { Tail } from 'tail';

const rearm_ms = 1000;

export interface Bell {
  close(): void;
}

/** Calls `onRing` whenever the file at `path` grows, appears or is replaced. Never throws. */
export function ring(path: string, onRing: () => void): Bell {
  let tail: Tail | null = null;
  let hung: string | null = null;
  let use_watch_file = false;
  let closed = false;

  const identity = (): string | null => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats ? `${stats.dev}:${stats.ino}` : null;
  };

  function takeDown(): void {
    try {
      tail?.unwatch();
    } catch {
      // It was not hanging properly: all the better.
    }
    tail = null;
    hung = null;
  }

  function hang(): void {
    try {
      const found = identity();
      if (found === hung && tail !== null) return;
      takeDown();
      if (found === null) return;
      // Without a separator, because where it polls it reads, and a line without end would be kept in memory whole.
      tail = new Tail(path, {
        separator: null,
        follow: false,
        fromBeginning: false,
        encoding: 'latin1',
        useWatchFile: use_watch_file,
        fsWatchOptions: use_watch_file ? { interval: rearm_ms, persistent: false } : { persistent: false },
      });
      hung = found;
      tail.on('line', onRing);
      tail.on('error', takeDown);
      // It would read what was added, a file opened and closed for every few lines of a busy log, and only then ring.
      (tail as unknown as { change(): void }).change = onRing;
      // The watcher inside has errors of its own, which `tail` leaves unheard.
      (tail as unknown as { watcher?: FSWatcher }).watcher?.on('error', takeDown);
      onRing();
    } catch {
      // Either the file went away in between, or no inotify watch is left: then the next try polls.
      use_watch_file = identity() !== null;
      takeDown();
    }
  }

  hang();
  const timer = setInterval(() => { if (!closed) hang(); }, rearm_ms);
  timer.unref();
  return {
    close: () => {
      closed = true;
      clearInterval(timer);
      takeDown();
    },
  };
}
