import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nameFromBuffer } from '../../shared/username.js';
import { parseShareLine, recoverShares, type Share } from './share-line.js';
import { parseWork } from './share-work.js';

const real = '{"workinfoid": 7710181301000601601, "clientid": 1, "enonce1": "0c11006b", "nonce2": "dc8df43f4cdc0000", '
  + '"nonce": "2abb66f0", "ntime": "6b00110e", "diff": 8.0, "sdiff": 1138.0692777380423, '
  + '"hash": "12184723a25a7999a77c84f738039e82d91e820b8934cba6b27af07d06af7b2d", "result": true, "errn": 0, '
  + '"createdate": "1795166478,982694376", "createby": "code", "createcode": "parse_submit", '
  + '"createinet": "127.0.0.1:3390", "workername": "muwjS9zu.worker1", "username": "muwjS9zu", '
  + '"address": "127.0.0.1", "agent": "regtest-miner/1.0"}';

const name = (text: string) => nameFromBuffer(Buffer.from(text));
const parse = (text: string) => parseShareLine(Buffer.from(text));
const withFields = (change: (line: Record<string, unknown>) => void): string => {
  const line = JSON.parse(real.replace('7710181301000601601', '1')) as Record<string, unknown>;
  change(line);
  return JSON.stringify(line);
};
const withName = (json_text: string): string =>
  real.replace('"muwjS9zu.worker1"', `"${json_text}.worker1"`).replace('"muwjS9zu"', `"${json_text}"`);

const expected: Share = {
  user: name('muwjS9zu'), worker: name('muwjS9zu.worker1'), work: parseWork('8')!, accepted: true,
  created: { seconds: 1795166478, nanoseconds: 982694376 },
  enonce1: '0c11006b', nonce2: 'dc8df43f4cdc0000', nonce: '2abb66f0', ntime: '6b00110e',
};

describe('a line of a share log', () => {
  test.each<[string, string, Partial<Share>]>([
    ['as ckpool writes it', real, {}],
    ['rejected, with its reason inside', real.replace('true', 'false, "reject-reason": "Stale"'), { accepted: false }],
    ['whose hash was not calculated', real.replace('1138.0692777380423', '-1.0'), {}],
    ['without spaces', withFields(() => undefined), {}],
    ['with a carriage return', `${real}\r`, {}],
    ['in another order', JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(real) as object).reverse())), {}],
    ['with a key that is not known', real.replace('{', '{"vmask": null, '), {}],
    ['with nanoseconds that are not padded', real.replace(',982694376', ',7'), { created: { seconds: 1795166478, nanoseconds: 7 } }],
    ['of a difficulty below one', real.replace('8.0', '0.001'), { work: parseWork('0.001')! }],
    ['of a difficulty with an exponent', real.replace('8.0', '1e-05'), { work: parseWork('0.00001')! }],
    ['with hex in capitals', real.replace('2abb66f0', '2ABB66F0'), {}],
    ['with a nonce that is no hex: accepted it was', real.replace('2abb66f0', 'xyz'), { nonce: '' }],
    ['without a nonce', withFields((line) => { delete line['nonce']; }), { nonce: '' }],
    ['with U+FFFD, which is no fault by itself', real.replace('regtest', '\ufffd'), {}],
    ['with its key in an agent name', real.replace('regtest-miner/1.0', '\\"diff\\": 999.0, \\"result\\": true, '), {}],
    ['without a user name (its cut split a character): the worker tells it',
      withFields((line) => { delete line['username']; }), {}],
  ])('%s is a share', (_, line, change) => {
    expect(parse(line)).toEqual({ ...expected, ...change });
  });

  test.each<[string, string]>([
    ['a quote and a backslash', 'a\\"b\\\\c'],
    ['control characters', 'a\\b\\f\\n\\r\\t\\u0001'],
    ['a surrogate pair', '\\ud83d\\ude00'],
    ['a raw character of four bytes', '😀'],
    ['a brace and a key', '{\\"workinfoid\\": 1'],
    ['127 bytes', 'x'.repeat(127)],
    ['spaces and a comma', ' a, b '],
  ])('with a name of %s gives its bytes', (_, json_text) => {
    const user = name(JSON.parse(`"${json_text}"`) as string);
    expect(parse(withName(json_text))).toMatchObject({ user, worker: `${user}.worker1` });
  });

  test.each<[string, string, RegExp]>([
    ['empty', '', /JSON/],
    ['torn', real.slice(0, 300), /JSON/],
    ['glued to a torn one', real.slice(0, 300) + real, /JSON/],
    ['two in one', real + real, /JSON/],
    ['an array', `[${real}]`, /flat/],
    ['null', 'null', /flat/],
    ['an object in an object', withFields((line) => { line['more'] = { diff: 1 }; }), /flat/],
    ['of NUL bytes', '\0'.repeat(400), /JSON/],
    ['with NUL bytes in front', `\0\0${real}`, /JSON/],
    ['with a raw control character in a name', withName('a\u0001b'), /JSON/],
    ['with half a surrogate pair', withName('\\ud83d'), /workername/],
    ['without a result', withFields((line) => { delete line['result']; }), /result/],
    ['whose result is a text', real.replace('true', '"true"'), /result/],
    ['without a difficulty', withFields((line) => { delete line['diff']; }), /diff/],
    ['with a negative difficulty', real.replace('8.0', '-8.0'), /diff/],
    ['with an endless difficulty', real.replace('8.0', '1e999'), /diff/],
    ['with a difficulty above 2^53', real.replace('8.0', '9007199254740993'), /diff/],
    ['with a difficulty in quotes', real.replace('8.0', '"8.0"'), /diff/],
    ['with two difficulties, one hidden', real.replace('"errn"', '"\\u0064iff": 9.0, "errn"'), /diff/],
    ['without a moment', withFields((line) => { delete line['createdate']; }), /createdate/],
    ['with a moment of one number', real.replace(',982694376', ''), /createdate/],
    ['with padded nanoseconds', real.replace(',982694376', ',0000000007'), /createdate/],
    ['with a second of nanoseconds', real.replace(',982694376', ',1000000000'), /createdate/],
    ['before 1970', real.replace('1795166478,', '-1,'), /createdate/],
    ['without a worker', withFields((line) => { delete line['workername']; }), /workername/],
    ['of nobody', real.replace('"muwjS9zu"', '""'), /username/],
    ['of a user that ckpool would have split', real.replace('"muwjS9zu"', '"muwjS9zu.worker1"'), /username/],
    ['of a user with a slash', real.replace('"muwjS9zu"', '"../x"'), /username/],
    ['of a user of 128 bytes', real.replace('"muwjS9zu"', `"${'x'.repeat(128)}"`), /username/],
    ['of a megabyte', real.replace('regtest', 'x'.repeat(1_000_000)), /longer/],
  ])('%s is a fault, never a number', (_, line, fault) => {
    expect(parse(line)).toEqual({ fault: expect.stringMatching(fault) as string });
  });

  test('with bytes that are no UTF-8 is a fault', () => {
    for (const bytes of ['\xff', '\xc3', '\xc0\xaf', '\xed\xa0\xbd', '\xef\xbf\xbd\xff', '\xf4\x90\x80\x80']) {
      expect(parseShareLine(Buffer.from(real.replace('regtest', bytes), 'latin1'))).toEqual({ fault: 'not UTF-8' });
    }
  });

  test('never throws, whatever the bytes', () => {
    const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated);
    fc.assert(fc.property(anyBytes, (bytes) => {
      const share = parseShareLine(bytes);
      const { shares, fault } = recoverShares(bytes);
      if ('fault' in share) expect(fault).toBe(share.fault);
      else expect({ shares, fault }).toEqual({ shares: [{ share, offset: 0 }], fault: '' });
    }), { numRuns: 1000 });
  });
});

/** A real line with a few bytes changed, lost or doubled. */
const mutated = fc.array(fc.tuple(fc.nat(real.length), fc.nat(8), fc.uint8Array({ maxLength: 6 })), { maxLength: 4 })
  .map((changes) => changes.reduce<Buffer>((bytes, [at, lost, put]) =>
    Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + lost)]), Buffer.from(real)));

describe('a line that is torn or glued', () => {
  const recover = (text: string) => {
    const { shares, fault } = recoverShares(Buffer.from(text));
    return { offsets: shares.map(({ offset }) => offset), shares: shares.map(({ share }) => share), fault };
  };

  test.each<[string, string, number[]]>([
    ['half a line', real.slice(0, 400), []],
    ['half a line and a whole one', real.slice(0, 400) + real, [400]],
    ['a line torn within its first key', `{"worki${real}`, [7]],
    ['two whole lines', real + real, [0, real.length]],
    ['a whole line, a half, a whole', real + real.slice(0, 33) + real, [0, real.length + 33]],
    ['a whole line and a half', real + real.slice(0, 33), [0]],
    ['a hole of NUL bytes before a line', '\0'.repeat(70_000) + real, [70_000]],
    ['the second half of a line', real.slice(100), []],
    ['a name torn after a brace', `${real.slice(0, real.indexOf('"muwj') + 3)}}${real}`, [real.indexOf('"muwj') + 4]],
  ])('%s: what is whole in it is found', (_, line, offsets) => {
    const recovered = recover(line);
    expect(recovered.offsets).toEqual(offsets);
    expect(recovered.fault).toMatch(/JSON|longer/);
    for (const share of recovered.shares) expect(share).toEqual(expected);
  });

  test('no name can pass for a share', () => {
    const inner = real.replaceAll('"', '\\"').slice(0, 900);
    expect(recover(`${withName('x').slice(0, 500)}${real.replace('regtest', inner)}`).shares).toEqual([expected]);
    expect(recover(`${real.slice(0, 400)}${withName('a{')}`).shares).toMatchObject([{ user: 'a{' }]);
    expect(recover(`${real.slice(0, 400)}${withName('a}')}`).shares).toMatchObject([{ user: 'a}' }]);
  });

  test('every share that was written whole is found, wherever the others were torn', () => {
    const piece = fc.oneof(fc.constant(real.length), fc.nat(real.length - 1));
    fc.assert(fc.property(fc.array(piece, { maxLength: 6 }), (lengths) => {
      const line = lengths.map((length) => real.slice(0, length)).join('');
      expect(recover(line).shares).toHaveLength(lengths.filter((length) => length === real.length).length);
    }));
  });
});
