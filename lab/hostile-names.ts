// Names that a miner could choose to do harm, in one table for every test that takes a name (row 36 of the fault
// matrix). ckpool forbids only `/`; the rest it logs, writes as file names and puts into JSON. Values only.
import { nameFromBuffer, type NameBytes } from '../shared/username.js';

const name = (text: string): NameBytes => nameFromBuffer(Buffer.from(text, 'utf8'));
const bytes = (...values: readonly number[]): NameBytes => nameFromBuffer(Uint8Array.from(values));

/** What is wrong with each, in words for the title of a test. */
export const hostile_names: readonly (readonly [what: string, name: NameBytes])[] = [
  ['a way out of a directory', name('../../etc/passwd')],
  ['the directory itself', name('.')],
  ['the directory above', name('..')],
  ['no byte at all', name('')],
  ['127 bytes, the most that ckpool keeps', name('a'.repeat(127))],
  ['128 bytes', name('a'.repeat(128))],
  ['255 bytes, the longest file name', name('a'.repeat(255))],
  ['characters cut in the middle at 127 bytes', name('ü'.repeat(64))],
  ['the end of an SQL statement', name("'; DROP TABLE users; --")],
  ['a quoted SQL identifier', name('`"users"`')],
  ['C format directives', name('%s%n%d')],
  ['a shell command', name('$(reboot)`reboot`;reboot|reboot')],
  ['an option', name('-rf')],
  ['a sequence that clears the terminal', name('\x1b[2J')],
  ['a sequence that sets the window title', name('\x1b]0;pwned\x07')],
  ['text that runs from right to left', name('\u202eevil\u202c')],
  ['a zero-width space', name('an\u200bna')],
  ['a byte order mark', name('\ufeffanna')],
  ['a NUL byte', name('null\0byte')],
  ['a newline and a whole line', name('evil\n[2026-11-20 09:30:00.000] Solved and confirmed block 999 by evil')],
  ['a carriage return', name('anna\rbert')],
  ['the start of a User object', name('anna:{"shares": 9}')],
  ['quotes, braces and a comma', name('", "shares": 9, "x": "{}')],
  ['a backslash', name('back\\slash\\x41\\')],
  ['bytes that are no UTF-8', bytes(0xff, 0xfe, 0xc0, 0xaf)],
  ['half of a surrogate pair', bytes(0xed, 0xa0, 0xbd)],
  ['an emoji', name('😀')],
  ['a name', name('anna')],
  ['the same name in capitals', name('Anna')],
  ['the same name with a space behind it', name('anna ')],
  ['the same name with an accent as a mark of its own', name('an\u0301na')],
  ['spaces alone', name('   ')],
  ['a cell that a spreadsheet would calculate', name('=1+1')],
  ['a tag of HTML', name('<script>alert(1)</script>')],
  ['the prototype of an object', name('__proto__')],
  ['the constructor of an object', name('constructor')],
  ['a method of every object', name('toString')],
  ['a number', name('0')],
  ['a device of other systems', name('CON')],
];
