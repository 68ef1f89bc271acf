import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../shared/clock.js';
import { forgeRecording } from './forge.js';
import { playRecording, type BlockEvent } from './live-play.js';
import { timelineOf } from './live-play/timeline.js';
import { stampTime } from './recorded-log.js';
import { unpackRecording, type Recording } from './recordings.js';

let recording: Recording;
let target: string;
beforeAll(async () => { recording = await unpackRecording('busy'); });
afterAll(() => recording.remove());
beforeEach(async () => { target = await mkdtemp(join(tmpdir(), 'live-play-')); });
afterEach(() => rm(target, { recursive: true, force: true }));

/** Jumps over every wait and calls back at each of them with the time it begins and ends, since the start of the play. */
function jumpingClock(atEachWait: (from_ms: number, to_ms: number) => void | Promise<void> = () => undefined): Clock {
  let present_ms = 0;
  return {
    now_ms: () => present_ms,
    monotonic_ms: () => present_ms,
    sleep: async (duration_ms) => {
      await atEachWait(present_ms, present_ms + duration_ms);
      present_ms += duration_ms;
    },
  };
}
const started_ms = stampTime('2026-11-20 09:21:15.868');
const since = (time: string): number => stampTime(`2026-11-20 ${time}`) - started_ms;

describe('a recording that is played', () => {
  it('ends as it was left: every log, user file and share log byte for byte', async () => {
    await playRecording(recording, target, { factor: 1, clock: jumpingClock() });
    const names = (await readdir(recording.log_directory, { recursive: true })).filter((name) => /^ckpool|^users\/|sharelog$/.test(name));
    expect(names.length).toBeGreaterThan(50);
    for (const name of names) {
      expect([name, (await readFile(join(target, name))).equals(await readFile(join(recording.log_directory, name)))]).toEqual([name, true]);
    }
  });

  it('is renamed and cut when it was: late lines go into the renamed file, a copy keeps the inode', async () => {
    const seen: Record<string, string[]> = {};
    const inodes: number[] = [];
    const look = async (from_ms: number, to_ms: number): Promise<void> => {
      for (const time of ['09:26:41.700', '09:26:43.000', '09:27:21.500', '09:27:23.000', '09:31:59.000', '09:32:03.000']) {
        if (since(time) < from_ms || since(time) >= to_ms) continue;
        seen[time] = (await readdir(target)).filter((name) => name.startsWith('ckpool')).sort();
        if (time >= '09:31') inodes.push((await stat(join(target, 'ckpool.log'))).ino);
      }
    };
    await playRecording(recording, target, { factor: 1, clock: jumpingClock(look) });
    expect(seen).toEqual({
      '09:26:41.700': ['ckpool.log'],
      '09:26:43.000': ['ckpool.log.1'],
      '09:27:21.500': ['ckpool.log.1'],
      '09:27:23.000': ['ckpool.log', 'ckpool.log.1'],
      '09:31:59.000': ['ckpool.log', 'ckpool.log.1'],
      '09:32:03.000': ['ckpool.log', 'ckpool.log.1', 'ckpool.log.2'],
    });
    expect(inodes[0]).toBe(inodes[1]);
  });

  it("a pass's user files are on disk before its User lines", async () => {
    const counts = new Map<string, string>();
    let compared = 0;
    for (const event of await timelineOf(recording)) {
      if (event.kind === 'user-file') counts.set(event.user, event.content.toString());
      const [, user = '', json] = event.kind === 'line' ? /\] User (\w+):(\{.*"shares".*\})/.exec(event.bytes.toString()) ?? [] : [];
      if (json === undefined) continue;
      expect(counts.get(user)).toBe(`${json}\n`);
      compared += 1;
    }
    expect(compared).toBe(99);
  });

  it('tells of each block before its line is written', async () => {
    const told: BlockEvent[] = [];
    const missing: BlockEvent[] = [];
    await playRecording(recording, target, {
      factor: 1,
      clock: jumpingClock(),
      onBlock: async (event) => {
        told.push(event);
        const log = await readFile(join(target, 'ckpool.log'), 'latin1').catch(() => '');
        if (event.kind === 'solved' && log.includes(`block ${event.height} by ${event.worker}\n`)) missing.push(event);
      },
    });
    expect(told.flatMap((event) => (event.kind === 'solved' ? [event.hash] : []))).toEqual(recording.truth.solves.map((solve) => solve.hash));
    expect(told.filter((event) => event.kind === 'changed')).toHaveLength(49);
    expect(missing).toEqual([]);
  });

  it('keeps up on the real clock, the flood of a starting node included', async () => {
    const began = performance.now();
    await playRecording(recording, target, { factor: 600 });
    const took_ms = performance.now() - began;
    expect(took_ms).toBeGreaterThan(1_500);
    expect(took_ms).toBeLessThan(10_000);
  });

  it('stops where it is when told to', async () => {
    await playRecording(recording, target, { factor: 60, signal: AbortSignal.timeout(300) });
    expect((await stat(join(target, 'ckpool.log'))).size).toBeLessThan(50_000);
  });

  it('a factor of zero is refused', async () => {
    await expect(playRecording(recording, target, { factor: 0 })).rejects.toThrow(RangeError);
  });
});

it.each(['user-lines', 'torn-lines', 'level-4'] as const)('a forged recording plays as well (%s)', async (forgery) => {
  const forged = await forgeRecording(forgery);
  await playRecording(forged, target, { factor: 1, clock: jumpingClock() });
  for (const name of ['ckpool.log', 'ckpool.log.1', 'ckpool.log.2']) {
    expect((await readFile(join(target, name))).equals(await readFile(join(forged.log_directory, name)))).toBe(true);
  }
  await forged.remove();
});

it('forged stamps do not turn the clock of a hostile log', async () => {
  const hostile = await unpackRecording('hostile-names');
  const events = await timelineOf(hostile);
  await hostile.remove();
  expect(events.at(-1)!.at_ms).toBe(stampTime('2026-11-20 09:25:43.406'));
});
