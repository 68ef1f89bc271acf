// What the demo says while it works, on stderr: a line with the time for each thing that has happened, and on
// a terminal one more line, overwritten, for what is happening now.

export interface Steps {
  /** Something has happened; the line stays. */
  done(text: string): void;
  /** Something goes on. Shown on a terminal; elsewhere once in ten seconds. */
  now(text: string): void;
  elapsed_ms(): number;
}

const plain_line_every_ms = 10_000;
const clear_line = '\r\x1b[2K';

export function createSteps(stream: NodeJS.WriteStream = process.stderr): Steps {
  const started_ms = performance.now();
  let last_plain_ms = started_ms;
  const elapsed_ms = () => performance.now() - started_ms;
  const stamped = (text: string) => `${`${(elapsed_ms() / 1000).toFixed(1)} s`.padStart(8)}  ${text}`;
  return {
    elapsed_ms,
    done(text) {
      last_plain_ms = performance.now();
      stream.write(`${stream.isTTY ? clear_line : ''}${stamped(text)}\n`);
    },
    now(text) {
      if (stream.isTTY) {
        stream.write(clear_line + stamped(`… ${text}`).slice(0, (stream.columns || 80) - 1));
        return;
      }
      if (performance.now() - last_plain_ms < plain_line_every_ms) return;
      last_plain_ms = performance.now();
      stream.write(`${stamped(`… ${text}`)}\n`);
    },
  };
}
