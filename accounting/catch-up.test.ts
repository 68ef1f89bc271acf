import { describe, expect, test } from 'vitest';
import { createProgress } from '../shared/progress.js';
import { logPosition } from '../shared/units.js';
import { createCatchUp } from './catch-up.js';
import { PassThrough } from 'node:stream';

const at = (position: number) => logPosition(BigInt(position));

function listener() {
  const said: string[] = [];
  let now_ms = 0;
  const out = new PassThrough();
  out.on('data', (text: Buffer) => said.push(text.toString()));
  const clock = { now_ms: () => now_ms, monotonic_ms: () => now_ms, sleep: () => Promise.resolve() };
  const catch_up = createCatchUp(createProgress({ label: 'reading the log', clock, out }));
  return { said, catch_up, later: (ms: number) => { now_ms += ms; } };
}

describe('catching up with a long log', () => {
  test('every ten seconds a line says percent, speed, time left and blocks found, from where it was begun', () => {
    const { said, catch_up, later } = listener();
    for (let second = 0; second < 25; second += 1) {
      catch_up.passed(at(1e9 + second * 1e8), at(1e9 + (second + 1) * 1e8), at(6e9), second === 3 ? 2 : 0);
      later(1_000);
    }
    expect(said.length).toBe(2);
    expect(said[0]).toMatch(/^reading the log: 2[0-9]%.*MB\/s.*left, 2 blocks found\n$/);
  });

  test('what is read at once is not spoken of', () => {
    const { said, catch_up } = listener();
    catch_up.passed(at(0), at(1e6), at(1e6), 1);
    catch_up.end();
    catch_up.end();
    expect(said).toEqual([]);
  });
});
