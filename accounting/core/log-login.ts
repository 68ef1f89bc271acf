// Where names chosen by miners begin in a log. Until then every line is ckpool's own: the tip that it prints
// when it starts can be believed as far as the log can. A line without a stamp counts too, since only a
// newline in a name (or a dump of the configuration) makes one. Seeing a login too early costs little, too
// late would let a forger choose how far back the pool looks: so the list is broad.
import { line_bytes_max, newline, stampAt } from './log-stamp.js';

/** Common ones first: each later search ends where the earlier ones found something. */
const marks = [
  'User ', ' worker', 'uthori', ' client', ' user', 'Worker ', 'Client', 'username', 'workername', 'validate',
  'Solved and', 'solved by', '/users/', '/workers/',
].map((text) => Buffer.from(text));

/** The start of the first line that may carry a login's name. `whole` ends with a newline or is empty. */
export function firstLogin(whole: Buffer): number | null {
  let from = 0;
  while (from < whole.length) {
    const marked = firstMark(whole, from);
    const unstamped = firstUnstamped(whole, from, marked);
    if (unstamped !== null) return unstamped;
    if (marked === whole.length) return null;
    const start = Math.max(from, whole.lastIndexOf(newline, marked) + 1);
    const end = whole.indexOf(newline, marked);
    if (end - start <= line_bytes_max) return start;
    from = end + 1;
  }
  return null;
}

function firstMark(whole: Buffer, from: number): number {
  let first = whole.length;
  for (const mark of marks) {
    const at = whole.subarray(0, Math.min(whole.length, first + mark.length)).indexOf(mark, from);
    if (at >= 0) first = Math.min(first, at);
  }
  return first;
}

function firstUnstamped(whole: Buffer, from: number, to: number): number | null {
  for (let start = from; start < to;) {
    const end = whole.indexOf(newline, start);
    if (!stampAt(whole, start) && end - start <= line_bytes_max) return start;
    start = end + 1;
  }
  return null;
}
