import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beginPace, donePerSecond, durationText, notePace, paceText, secondsLeft, wholePaceText, type Pace } from './pace.js';

/** Looks at a steady speed, so many a second. */
function steady(pace: Pace, seconds: number, per_second: number, looks_a_second = 10): Pace {
  const { at_ms, done } = pace.latest;
  for (let look = 1; look <= seconds * looks_a_second; look += 1) {
    pace = notePace(pace, at_ms + (look * 1_000) / looks_a_second, done + (look * per_second) / looks_a_second);
  }
  return pace;
}

describe('an operator who waits is told', () => {
  it('percent, speed and time left', () => {
    const pace = steady(beginPace(0, 0), 10, 500e6);
    expect(paceText(pace, 50e9, 'bytes')).toBe('10%, 500 MB/s, 1 min 30 s left');
    expect(paceText(pace, 50e9, 'parts')).toBe('10%, 1 min 30 s left');
  });

  it('percent alone as long as nothing else is known', () => {
    expect(paceText(beginPace(0, 0), 100, 'bytes')).toBe('0%');
    expect(paceText(notePace(beginPace(0, 0), 999, 50), 100, 'bytes')).toBe('50%');
  });

  it('no time left where nothing moves: it is not known', () => {
    const pace = steady(beginPace(0, 0), 30, 0);
    expect(secondsLeft(pace, 100)).toBeNull();
    expect(paceText(pace, 100, 'bytes')).toBe('0%, 0.0 MB/s');
  });

  it('100% only when all is done, and never more', () => {
    expect(paceText(beginPace(0, 9_999), 10_000, 'bytes')).toBe('99%');
    expect(paceText(beginPace(0, 10_000), 10_000, 'bytes')).toBe('100%');
    expect(paceText(beginPace(0, 10_001), 10_000, 'bytes')).toBe('100%');
    expect(paceText(beginPace(0, 0), 0, 'bytes')).toBe('100%');
  });

  it('a speed without what was done before it started', () => {
    const pace = steady(beginPace(0, 40e9), 10, 100e6);
    expect(paceText(pace, 50e9, 'bytes')).toBe('82%, 100 MB/s, 1 min 30 s left');
    expect(wholePaceText(pace, 50e9, 'bytes')).toBe('82%, 1.0 GB in 10 s, 100 MB/s');
  });

  it('a new speed within twenty seconds', () => {
    const fast = steady(beginPace(0, 0), 3_600, 1e9);
    expect(donePerSecond(steady(fast, 21, 10e6))).toBeCloseTo(10e6, -5);
  });

  it('a speed also when looks are rare', () => {
    expect(donePerSecond(steady(beginPace(0, 0), 600, 5e6, 1 / 60))).toBeCloseTo(5e6, 0);
  });

  it('times as people say them', () => {
    expect([0, 59.4, 59.6, 60, 3_599, 3_600, 93_784].map(durationText)).toEqual([
      '0 s', '59 s', '1 min 0 s', '1 min 0 s', '59 min 59 s', '1 h 0 min', '26 h 3 min',
    ]);
  });
});

describe('whatever is reported', () => {
  const steps = fc.array(fc.record({ after_ms: fc.nat(30_000), more: fc.nat(1e9) }), { maxLength: 200 });

  it('a speed lies between the slowest and the fastest step, and little is kept', () => {
    fc.assert(fc.property(steps, (given) => {
      let pace = beginPace(0, 0);
      const speeds: number[] = [];
      for (const { after_ms, more } of given) {
        const { at_ms, done } = pace.latest;
        pace = notePace(pace, at_ms + after_ms + 1, done + more);
        speeds.push((more * 1_000) / (after_ms + 1));
        expect(pace.marks.length).toBeLessThanOrEqual(23);
      }
      const speed = donePerSecond(pace);
      if (speed === null) return;
      expect(speed).toBeGreaterThanOrEqual(Math.min(...speeds) * 0.999_999);
      expect(speed).toBeLessThanOrEqual(Math.max(...speeds) * 1.000_001);
    }));
  });
});
