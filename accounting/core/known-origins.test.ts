import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createKnownOrigins, placeOfClient } from './known-origins.js';

const viewOf = (text: string): DataView => {
  const bytes = Uint8Array.from(Buffer.from(text));
  return new DataView(bytes.buffer);
};
const origin = '", "workername": "anna.rig", "username": "anna", "agent": "é😀"}\n';

describe('the origins that are known', () => {
  test('an origin is known wherever its bytes stand again, and not before', () => {
    const origins = createKnownOrigins();
    const [first, later] = [viewOf(origin), viewOf(`12345${origin}`)];
    expect(origins.find(7, first, 0)).toBe(-1);
    origins.remember(7, first, 0, first.byteLength, 3);
    expect(origins.find(7, later, 5)).toBe(3);
    expect(origins.length(7)).toBe(first.byteLength);
    expect(origins.find(8, later, 5)).toBe(-1);
    expect(origins.find(7, later, 6)).toBe(-1);
  });

  test('one that differs in any byte is another, and so is one that is not whole', () => {
    const origins = createKnownOrigins();
    const known = viewOf(origin);
    origins.remember(7, known, 0, known.byteLength, 3);
    fc.assert(fc.property(fc.nat(known.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const other = viewOf(origin);
      other.setUint8(at, other.getUint8(at) ^ change);
      expect(origins.find(7, other, 0)).toBe(-1);
      expect(origins.find(7, new DataView(known.buffer, 0, at), 0)).toBe(-1);
    }));
  });

  test('whoever comes later has the place; what is too long for it changes nothing', () => {
    const origins = createKnownOrigins();
    const [one, other, long] = [viewOf(origin), viewOf(origin.replaceAll('anna', 'bertha')), viewOf('x'.repeat(1000))];
    origins.remember(7, one, 0, one.byteLength, 3);
    origins.remember(7, other, 0, other.byteLength, 4);
    origins.remember(7, long, 0, long.byteLength, 5);
    expect([one, other, long].map((view) => origins.find(7, view, 0))).toEqual([-1, 4, -1]);
  });

  test.each(['0', '1', '32768', '99999999999999999999999'])('clientid %s has a place', (clientid) => {
    const place = placeOfClient(viewOf(`"${clientid}"`), 1, 1 + clientid.length);
    expect(createKnownOrigins().length(place)).toBe(0);
  });
});
