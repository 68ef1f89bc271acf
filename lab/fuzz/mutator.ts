// Damages bytes in every way that a disk, a network, a miner or a newer version might: bits that flip, lines that
// are cut or glued, segments that repeat, bytes that are no text, numbers that are too large, JSON whose keys stand
// twice or that is nested without end. A damaged input is a seed from the corpus and a list of damages, so that
// fast-check can shrink it to the few that matter. Pure: the same choices give the same bytes.
import fc from 'fast-check';
import { hostile_names } from '../hostile-names.js';
import { nameToBuffer } from '../../shared/username.js';

/** No damage makes more than this of a line, a little beyond the longest that is looked at. */
const bytes_max = 70_000;

/** What a damage may use, each number as it pleases. */
interface Choice {
  readonly at: number;
  readonly length: number;
  readonly value: number;
  /** Another input of the same corpus. */
  readonly other: Buffer;
}

type Damage = (bytes: Buffer, choice: Choice) => Buffer;

const pieces: readonly Buffer[] = [
  '\n', '\r\n', '\r', '\0', '\xff', '\xc3', '\xed\xa0\x80', '\xef\xbb\xbf', '\\', '\\"', '\\u0000', '\\ud800', '\\n', '"', '{', '}',
  '[', ']', ',', ':', ':{', ' @ ', '!', ' ', '.', '-', 'e', '[2026-11-20 09:30:00.000] ', '[2026-11-20 09:30:00] ', '\x1b[2J',
  '"__proto__": {"shares": 1}, ', 'null', 'true', '{"workinfoid": ', '"shares": 7, ', 'Solved and confirmed block 5 by x', 'Block 5 solved by x @ y!',
  'Block hash changed to ', 'User x:{"shares": 7}', "'", '`', ';', '--', '/*', '*/',
].map((text) => Buffer.from(text, 'latin1'));
const inserted = [...pieces, ...hostile_names.map(({ name }) => nameToBuffer(name))];

const numbers: readonly string[] = [
  '0', '-1', '00', '1e308', '1e999', '-1e999', '1e-400', '0.1', '1E+2', '2147483648', '9007199254740993', '9223372036854775807',
  '9223372036854775808', '18446744073709551616', '9'.repeat(400), `0.${'0'.repeat(300)}1`, '1.', '.5', '0x10', 'NaN', '"7"', 'null',
];

const damages: readonly Damage[] = [
  function flipBit(bytes, { at, value }) {
    if (bytes.length === 0) return bytes;
    const changed = Buffer.from(bytes);
    changed[at % bytes.length]! ^= 1 << (value % 8);
    return changed;
  },
  function setByte(bytes, { at, value }) {
    return splice(bytes, at, 1, Buffer.of(value % 256));
  },
  function cutTail(bytes, { at }) {
    return bytes.subarray(0, place(bytes, at));
  },
  function cutHead(bytes, { at }) {
    return bytes.subarray(place(bytes, at));
  },
  function lose(bytes, { at, length }) {
    return splice(bytes, at, length, Buffer.alloc(0));
  },
  function glue(bytes, { at, value, other }) {
    const half = bytes.subarray(0, place(bytes, at));
    return Buffer.concat(value % 2 === 0 ? [half, other] : [other, half]);
  },
  function cross(bytes, { at, value, other }) {
    return Buffer.concat([bytes.subarray(0, place(bytes, at)), other.subarray(place(other, value))]);
  },
  function double(bytes, { at, length }) {
    const start = place(bytes, at);
    return splice(bytes, at, 0, bytes.subarray(start, start + length));
  },
  function repeat(bytes, { at, length, value }) {
    const start = place(bytes, at);
    return splice(bytes, at, 0, repeated(bytes.subarray(start, start + 1 + length % 24), value));
  },
  function insert(bytes, { at, value }) {
    return splice(bytes, at, 0, inserted[value % inserted.length]!);
  },
  function insertRepeated(bytes, { at, length, value }) {
    return splice(bytes, at, 0, repeated(inserted[length % inserted.length]!, value));
  },
  function inflateNumber(bytes, { at, value }) {
    const match = nth(bytes, /-?\d+(?:\.\d+)?/g, at);
    return match ? splice(bytes, match.index, match.text.length, Buffer.from(numbers[value % numbers.length]!)) : bytes;
  },
  function doubleKey(bytes, { at, value }) {
    const match = nth(bytes, /"(?:[^"\\]|\\.){0,60}"\s{0,3}:\s{0,3}(?:"(?:[^"\\]|\\.){0,200}"|[\w.+-]{1,40})/g, at);
    if (!match) return bytes;
    const other = match.text.replace(/\d+|true|false|null/g, numbers[value % numbers.length]!);
    return splice(bytes, match.index, 0, Buffer.from(`${value % 3 === 0 ? match.text : other}, `, 'latin1'));
  },
  function nest(bytes, { at, value }) {
    const match = nth(bytes, /:\s{0,3}(?=["\d{[tfn-])/g, at);
    const depth = value % 7 === 0 ? 20_000 : 1 + value % 40;
    const open = value % 2 === 0 ? '[' : '{"a":';
    const put = Buffer.from(open.repeat(depth) + (value % 3 === 0 ? '1' : `1${(value % 2 === 0 ? ']' : '}').repeat(depth)},`));
    return match ? splice(bytes, match.index + match.text.length, 0, put) : Buffer.concat([put, bytes]);
  },
];

/** Names of all damages, for a table. */
export const damage_names: readonly string[] = damages.map(({ name }) => name);

const place = (bytes: Buffer, at: number): number => at % (bytes.length + 1);

function splice(bytes: Buffer, at: number, lost: number, put: Buffer): Buffer {
  const start = place(bytes, at);
  return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(start + lost)]);
}

/** Mostly a few times, now and then until it fills a long line. */
function repeated(segment: Buffer, value: number): Buffer {
  const most = segment.length === 0 ? 0 : Math.floor(60_000 / segment.length);
  return Buffer.concat(Array.from({ length: Math.min(most, value % 25 === 0 ? most : value % 9) }, () => segment));
}

function nth(bytes: Buffer, pattern: RegExp, at: number): { index: number; text: string } | null {
  const matches = [...bytes.subarray(0, 4_000).toString('latin1').matchAll(pattern)];
  const match = matches[at % Math.max(1, matches.length)];
  return match ? { index: match.index, text: match[0] } : null;
}

/** An input of the corpus with up to five damages; one in about six has none. */
export function damaged(corpus: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const one = fc.integer({ min: 0, max: corpus.length - 1 }).map((index) => corpus[index]!);
  const damage = fc.record({
    kind: fc.constantFrom(...damages), at: fc.nat(4_000), length: fc.nat(80), value: fc.nat(4_000), other: one,
  });
  return fc.tuple(one, fc.array(damage, { maxLength: 5 })).map(([seed, list]) =>
    list.reduce<Buffer>((bytes, { kind, ...choice }) => kind(bytes, choice).subarray(0, bytes_max), seed));
}

/** Lines of a corpus, damaged and put together, mostly with newlines between them. */
export function damagedLines(corpus: readonly Buffer[], lines_max: number): fc.Arbitrary<Buffer> {
  const ending = fc.constantFrom('\n', '\n', '\n', '\n', '\r\n', '').map((text) => Buffer.from(text));
  return fc.array(fc.tuple(damaged(corpus), ending), { minLength: 1, maxLength: lines_max })
    .map((lines) => Buffer.concat(lines.flat()));
}
