// What reading ckpool.log is held against: the machine's own limit, and the loop that anybody would write first over
// the same package that watches the log for us. Each returns the number of block lines.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Tail } from 'tail';

const run = promisify(execFile);

/** `LC_ALL=C grep -c 'Solved and confirmed'`, its start included. */
export async function grepBlocks(path: string): Promise<number> {
  const { stdout } = await run('grep', ['-c', 'Solved and confirmed', path], { env: { ...process.env, LC_ALL: 'C' } });
  return Number(stdout);
}

/** Every line an event, JSON.parse of each that tells of a user; counters as doubles. Ends after so many lines. */
export function loopOverTail(path: string, lines: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const tail = new Tail(path, { fromBeginning: true });
    const counters = new Map<string, number>();
    let blocks = 0;
    let seen = 0;
    tail.on('line', (line: string) => {
      const message = line.slice(line.indexOf('] ') + 2);
      if (message.startsWith('Solved and confirmed block ')) blocks += 1;
      else if (message.startsWith('User ')) {
        const at = message.indexOf(':{');
        const { shares } = JSON.parse(message.slice(at + 1)) as { shares: number };
        counters.set(message.slice('User '.length, at), shares);
      }
      if ((seen += 1) < lines) return;
      tail.unwatch();
      resolve(blocks);
    });
    tail.on('error', reject);
  });
}
