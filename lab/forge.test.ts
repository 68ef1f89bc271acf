import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forgeRecording, forgeries, type ForgedRecording, type Forgery } from './forge.js';
import { readLogFiles, type RecordedLogFile } from './recorded-log.js';
import { unpackRecording } from './recordings.js';

const made = new Map<string, { recording: ForgedRecording; files: RecordedLogFile[]; lines: string[] }>();
let original: string[];
beforeAll(async () => {
  const busy = await unpackRecording('busy');
  original = (await readLogFiles(busy.log_file)).flatMap((file) => file.lines);
  await busy.remove();
  for (const forgery of forgeries) {
    const recording = await forgeRecording(forgery);
    const files = await readLogFiles(recording.log_file);
    made.set(forgery, { recording, files, lines: files.flatMap((file) => file.lines) });
  }
});
afterAll(async () => { for (const { recording } of made.values()) await recording.remove(); });
const get = (forgery: Forgery): { recording: ForgedRecording; files: RecordedLogFile[]; lines: string[] } => made.get(forgery)!;
const count = (lines: string[], text: string): number => lines.filter((line) => line === text).length;

describe.each(['user-lines', 'anchors', 'solve-lines'] as const)('forged %s', (forgery) => {
  it('stand in the log as whole lines, once for the login and once for the drop', () => {
    const { recording, lines } = get(forgery);
    expect(recording.forged_lines.length).toBeGreaterThan(5);
    for (const forged of recording.forged_lines) {
      expect([forged.why, count(lines, forged.text)]).toEqual([forged.why, count(original, forged.text) + 2]);
    }
  });

  it('leave every line of the real pool where it was, and come after the first login', () => {
    const { recording, lines } = get(forgery);
    const texts = new Set(recording.forged_lines.map((forged) => forged.text));
    const added = /mallory\d+(?: worker mallory\d+)?$|^\[2026-11-20 \d\d:\d\d:\d\d( worker mallory\d+)?$|^ $|^ as user mallory\d+$|"validate/;
    expect(lines.filter((line) => !texts.has(line) && !added.test(line))).toEqual(original);
    const first_login = lines.findIndex((line) => line.includes('Authorised client'));
    expect(lines.findIndex((line) => texts.has(line))).toBeGreaterThan(first_login);
  });

  it('give the forger a file without shares, as a real pool does', async () => {
    const { recording } = get(forgery);
    const users = await readdir(join(recording.log_directory, 'users'));
    expect(users.filter((user) => user.startsWith('mallory'))).toHaveLength(recording.forged_lines.length);
    expect(recording.users_history).toHaveLength(101 + recording.forged_lines.length);
  });
});

describe('torn solve lines', () => {
  it('each is damaged, and only those that no longer tell height and worker leave the truth', () => {
    const { recording, lines } = get('torn-lines');
    expect(recording.torn_solves).toHaveLength(10);
    for (const { solve, cut, lost } of recording.torn_solves) {
      const whole = `[${solve.time}] Solved and confirmed block ${solve.height} by ${solve.worker}`;
      expect(lines).not.toContain(whole);
      expect([cut, lines.some((line) => line.endsWith(whole))]).toEqual([cut, !lost]);
    }
    expect(recording.truth.solves).toHaveLength(42 - 7);
    expect(lines).toHaveLength(original.length - 10);
  });
});

describe('log level 4', () => {
  it('keeps every solve and no tip, no login and no share count', () => {
    const { lines } = get('level-4');
    expect(lines.filter((line) => line.includes('Solved and confirmed'))).toHaveLength(42);
    expect(lines.filter((line) => /\] User .*hashrate/.test(line))).toHaveLength(42);
    expect(lines.filter((line) => /changed to|"shares"|Authorised|Added new|Stored local|Submitting/.test(line))).toEqual([]);
  });
});

it('a forged recording is the same each time it is made', async () => {
  const again = await forgeRecording('solve-lines');
  const files = await readLogFiles(again.log_file);
  await again.remove();
  expect(files.flatMap((file) => file.lines)).toEqual(get('solve-lines').lines);
});
