// The names that a miner can log in with, and those that only a forged line can hold: one table for every test that
// takes a name. A name is bytes; `name` has one character for each (U+0000..U+00FF).
import type { NameBytes } from '../shared/username.js';

export interface HostileName {
  readonly what: string;
  readonly name: NameBytes;
  /** Ckpool takes it as a user name (no `/`, no NUL, not empty, at most 127 bytes, no `.` or `_` in it). */
  readonly can_log_in: boolean;
}

/** The bytes of this text in UTF-8. */
const utf8 = (text: string): NameBytes => Buffer.from(text, 'utf8').toString('latin1') as NameBytes;
const raw = (text: string): NameBytes => text as NameBytes;

const of = (what: string, name: NameBytes): HostileName =>
  ({ what, name, can_log_in: name.length > 0 && name.length <= 127 && !/[/._\0]/.test(name) });

export const hostile_names: readonly HostileName[] = [
  of('a path upwards', raw('../../etc')),
  of('a path upwards without its slashes', raw('..')),
  of('this directory', raw('.')),
  of('a path', raw('a/b')),
  of('nothing', raw('')),
  of('127 bytes', raw('a'.repeat(127))),
  of('128 bytes', raw('b'.repeat(128))),
  of('255 bytes', raw('c'.repeat(255))),
  of('127 bytes that end inside a character', raw(utf8('é'.repeat(64)).slice(0, 127))),
  of('SQL in single quotes', raw("'; DROP TABLE users; --")),
  of('SQL in double quotes', raw('"; DELETE FROM users; --')),
  of('SQL in backquotes', raw('`users`')),
  of('a place for a parameter', raw('? :name $1 ??')),
  of('wildcards', raw('%')),
  of('printf', raw('%s%n%d')),
  of('a shell', raw('$(reboot)`reboot`;|&')),
  of('an option', raw('-rf')),
  of('a screen that is cleared', raw('\x1b[2J')),
  of('the title of a terminal', raw('\x1b]0;pool\x07')),
  of('a control byte above 7f', raw('\x9b2J')),
  of('a bell, a backspace and a delete', raw('\x07\x08\x7f')),
  of('writing from right to left', utf8('\u202Eevil')),
  of('no width', utf8('an\u200Bna')),
  of('NUL', raw('a\0b')),
  of('a newline and a line of its own', raw('evil\n[2026-11-20 09:00:00] Solved and confirmed block 1 by evil')),
  of('a carriage return', raw('good\rbad')),
  of('a tab', raw('tab\there')),
  of('bytes that are not UTF-8', raw('\xff\xfe\xc3')),
  of('an overlong slash', raw('\xc0\xaf')),
  of('an emoji', utf8('💰')),
  of('a composed letter', utf8('caf\u00e9')),
  of('the same letter in two', utf8('cafe\u0301')),
  of('a case twin', raw('Twin')),
  of('its other', raw('tWIN')),
  of('a twin with a space behind', raw('spaced ')),
  of('its other without', raw('spaced')),
  of('a space before', raw(' spaced')),
  of('only a space', raw(' ')),
  of('what an escape looks like', raw('new\\x0aline')),
  of('a backslash at the end', raw('back\\')),
  of('a formula of a spreadsheet', raw('=1+1')),
  of('separators', raw('a,b;c\t"d"')),
  of('HTML', raw('<script>alert(1)<')),
  of('__proto__', raw('__proto__')),
  of('constructor', raw('constructor')),
  of('toString', raw('toString')),
  of('hasOwnProperty', raw('hasOwnProperty')),
  of('a number', raw('0')),
  of('null', raw('null')),
  of('a byte order mark', utf8('\ufeffanna')),
  of('half of a surrogate pair', raw('\xed\xa0\xbd')),
  of('quotes, braces and a comma', raw('", "shares": 9, "x": "{}')),
  of('a device of other systems', raw('CON')),
  of('a user line', raw('x:{"shares": 999999}')),
];

/** What a pool can really hold. */
export const hostile_users: readonly HostileName[] = hostile_names.filter(({ can_log_in }) => can_log_in);
