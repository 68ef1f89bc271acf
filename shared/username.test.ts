import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostile_names } from '../lab/hostile-names.js';
import { nameFromBuffer, nameToBuffer, parsePrintable, printable, userOfWorker, type NameBytes } from './username.js';

const name = (text: string) => nameFromBuffer(Buffer.from(text));

describe('the user of a worker', () => {
  test.each([
    ['anna.rig1', 'anna'],
    ['anna_rig1', 'anna'],
    ['anna_rig.1', 'anna'],
    ['anna', 'anna'],
    ['.rig', ''],
    ['white space.x', 'white space'],
    [`${'a'.repeat(200)}.x`, 'a'.repeat(127)],
  ])('of %j is %j', (worker, user) => { expect(userOfWorker(name(worker))).toBe(user); });

  test('is cut by bytes, even through the middle of a character (D-28)', () => {
    const user = userOfWorker(name('ü'.repeat(100)));
    expect(user).toHaveLength(127);
    expect(nameToBuffer(user)).toEqual(Buffer.from('ü'.repeat(100)).subarray(0, 127));
  });
});

describe('a name outside the program', () => {
  test.each([
    ['plain', 'plain'],
    ['white space', 'white\\x20space'],
    ['back\\slash', 'back\\x5cslash'],
    ['new\nline', 'new\\x0aline'],
    ['\x1b[2J', '\\x1b[2J'],
    ['ünïcode', '\\xc3\\xbcn\\xc3\\xafcode'],
    ["x');DROP TABLE users;--", "x');DROP\\x20TABLE\\x20users;--"],
    ['__proto__', '__proto__'],
    ['\x7f', '\\x7f'],
  ])('%j is shown as %j', (raw, shown) => {
    expect(printable(name(raw))).toBe(shown);
    expect(parsePrintable(shown)).toBe(name(raw));
  });

  test('is printable ASCII without spaces, and every byte comes back', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 127 }), (bytes) => {
      const raw = nameFromBuffer(bytes);
      expect(nameToBuffer(raw)).toEqual(Buffer.from(bytes));
      expect(printable(raw)).toMatch(/^[!-~]*$/);
      expect(parsePrintable(printable(raw))).toBe(raw);
    }));
  });

  test.each(hostile_names.map(({ what, name: raw }) => [what, raw] as const))('fault 36: is harmless and reversible: %s', (_, raw) => {
    expect(printable(raw)).toMatch(/^[!-~]*$/);
    expect(parsePrintable(printable(raw))).toBe(raw);
    expect(nameFromBuffer(nameToBuffer(raw))).toBe(raw);
  });

  test('fault 36: no two of the hostile names look alike', () => {
    expect(new Set(hostile_names.map(({ name: raw }) => printable(raw))).size).toBe(hostile_names.length);
  });

  test('of two users that differ in one bit stays two (D-28)', () => {
    expect(printable('Anna' as NameBytes)).not.toBe(printable('anna' as NameBytes));
    expect(printable('anna ' as NameBytes)).not.toBe(printable('anna' as NameBytes));
  });

  test('of ten million bytes comes back as well, and is refused where it is no such text', () => {
    const long = 'a'.repeat(10_000_000);
    expect(parsePrintable(long)).toHaveLength(10_000_000);
    expect(parsePrintable(`${long} `)).toBeNull();
  });

  test.each(['a b', '\\x', '\\xZZ', 'back\\slash', 'é'])('%j is no such text', (text) => { expect(parsePrintable(text)).toBeNull(); });
});
