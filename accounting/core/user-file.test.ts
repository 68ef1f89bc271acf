import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseUserFile } from './user-file.js';

const parse = (text: string) => parseUserFile(Buffer.from(text, 'latin1'));
const real = '{"hashrate1m": "301G", "hashrate5m": "238G", "hashrate1hr": "42.7G", "hashrate1d": "1.93G", '
  + '"hashrate7d": "276M", "lastupdate": 1795167164, "workers": 2, "shares": 38873, "bestshare": 1375.66137586999}\n';

describe('a user file', () => {
  it.each<[string, string, bigint]>([
    ['as ckpool writes it', real, 38873n],
    ['of a user without a share', '{"shares": 0}', 0n],
    ['beyond 53 bits, to the unit', '{"shares": 9007199254740993}', 9007199254740993n],
    ['at the top of an int64', '{"shares":9223372036854775807}', 9223372036854775807n],
    ['with the phrase inside a string', '{"a": "\\"shares\\": 7,", "shares" : 8 }', 8n],
    ['with the key twice: the last counts, as for ckpool', '{"shares": 1, "shares": 2}', 2n],
  ])('%s gives its counter', (_, text, counter) => {
    expect(parse(text)).toMatchObject({ counter });
  });

  it.each<[string, string, number | undefined]>([
    ['as ckpool writes it', real, 1795167164],
    ['without a time', '{"shares": 5}', undefined],
    ['with a time that is none', '{"shares": 5, "lastupdate": "now"}', undefined],
    ['with a time before any', '{"shares": 5, "lastupdate": -1}', undefined],
  ])('%s says when it was written, or nothing', (_, text, updated) => {
    expect((parse(text) as { updated_seconds?: number }).updated_seconds).toBe(updated);
  });

  it.each<[string, string]>([
    ['empty', ''],
    ['torn (D-23)', real.slice(0, 150)],
    ['torn within the number', '{"shares": 38'],
    ['not JSON', 'shares: 5'],
    ['a number', '5'],
    ['an array', '[{"shares": 5}]'],
    ['null', 'null'],
    ['without shares', '{"hashrate1m": "1G"}'],
    ['with negative shares', '{"shares": -1}'],
    ['with a fraction', '{"shares": 1.5}'],
    ['with an exponent', '{"shares": 1e3}'],
    ['with a string', '{"shares": "5"}'],
    ['with a value too large', '{"shares": 9223372036854775808}'],
    ['with a value of a thousand digits', `{"shares": ${'9'.repeat(1000)}}`],
    ['with an object inside', '{"a": {"shares": 5}, "shares": 6}'],
    ['with the key escaped', '{"shares": 5, "\\u0073hares": 6}'],
    ['too long', `{"shares": 5}${' '.repeat(70_000)}`],
    ['of NUL bytes', '\0'.repeat(200)],
  ])('fault 33: %s gives a fault, never a number', (_, text) => {
    expect(parse(text)).toHaveProperty('fault');
  });

  it('fault 33: never throws, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const parsed = parseUserFile(bytes);
      expect('counter' in parsed || 'fault' in parsed).toBe(true);
    }));
  });

  it('gives back every counter that ckpool can write', () => {
    fc.assert(fc.property(fc.bigInt(0n, 2n ** 63n - 1n), (counter) => {
      expect(parse(real.replace('38873', counter.toString()))).toMatchObject({ counter });
    }));
  });
});
