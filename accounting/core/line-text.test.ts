// What the steps have in common: they agree with JSON.parse wherever they say that something stands there.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fixedText, fixedTexts, readInteger, skipHexString, skipReal, skipString, skipText, skipTexts,
} from './line-text.js';

const viewOf = (text: string): DataView => {
  const bytes = Uint8Array.from(Buffer.from(text));
  return new DataView(bytes.buffer);
};
const over = (text: string, step: (view: DataView, limit: number) => number) => step(viewOf(text), Buffer.byteLength(text));

describe('steps along a line', () => {
  test.each(['8 bytes_', 'and seventeen....', 'sixty-eight or so, with more bytes than four doubles can hold: here.'])(
    'a text is passed only whole and unchanged: %s', (text) => {
      const texts = fixedTexts(text);
      expect(over(`${text}!`, (view, limit) => skipTexts(view, limit, 0, texts))).toBe(text.length);
      for (let at = 0; at < text.length; at++) {
        const changed = `${text.slice(0, at)}~${text.slice(at + 1)}`;
        expect(over(changed, (view, limit) => skipTexts(view, limit, 0, texts))).toBe(-1);
        expect(over(text, (view) => skipTexts(view, at, 0, texts))).toBe(-1);
      }
    });

  test.each<[string, number]>([
    ['0c11006b", "nonce": "', 21], ['0C11", "nonce": "', 17], ['", "nonce": "', 13], ['a\\"b", "nonce": "', 17],
    ['é", "nonce": "', -1], ['0c\x01", "nonce": "', -1], ['0c11", "nonce":', -1], ['0c11', -1],
  ])('a string and the text behind it: %j', (text, end) => {
    expect(over(text, (view, limit) => skipHexString(view, limit, 0, fixedText('", "nonce": "')))).toBe(end);
  });

  test('what is passed for a string is one to JSON.parse', () => {
    const pieces = fc.constantFrom('a', 'ö', ' ', '!', '#', '\\', '"', 'u', '0', 'e', 'n', '\t', '\\u00e9', '\\\\', '\\"', '\x7f');
    fc.assert(fc.property(fc.array(pieces, { maxLength: 12 }).map((some) => some.join('')), (text) => {
      const line = `${text}"`;
      const end = over(line, (view, limit) => skipString(view, limit, 0));
      if (end < 0) return;
      expect(typeof JSON.parse(`"${Buffer.from(line).toString('utf8', 0, end)}"`)).toBe('string');
    }), { numRuns: 2000 });
    expect(over('a\\u00e9\\n\\\\"', (view, limit) => skipString(view, limit, 0))).toBe(11);
  });

  test.each<[string, number, number]>([
    ['0,', 1, 0], ['1795166478,', 10, 1795166478], ['007', -1, 0], ['', -1, 0], ['12345678901', -1, 0], ['-1', -1, 0],
  ])('a whole number: %j', (text, end, number) => {
    const read = { number: 0 };
    expect(over(text, (view, limit) => readInteger(view, limit, 0, 10, read))).toBe(end);
    expect(read.number).toBe(number);
  });

  test.each<[string, number]>([
    ['1138.0692777380423, ', 18], ['-1.0,', 4], ['0.5', 3], ['01.5', -1], ['1.', -1], ['.5', -1], ['1,', -1], ['-', -1],
  ])('a real: %j', (text, end) => {
    expect(over(text, (view, limit) => skipReal(view, limit, 0))).toBe(end);
  });

  test.each(['7 bytes', 'and seventeen....'])('a single text has 8 to 16 bytes: %s is none', (text) => {
    expect(() => fixedText(text)).toThrow(RangeError);
  });

  test('nothing is passed behind a step that failed', () => {
    expect(skipText(viewOf('12345678'), 8, -1, fixedText('12345678'))).toBe(-1);
    expect(skipString(viewOf('"'), 1, -1)).toBe(-1);
  });
});
