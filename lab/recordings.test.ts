import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { recording_names, unpackRecording, type Recording } from './recordings.js';

const unpacked: Recording[] = [];
const unpack = async (name: (typeof recording_names)[number]): Promise<Recording> => {
  const recording = await unpackRecording(name);
  unpacked.push(recording);
  return recording;
};
afterEach(async () => {
  for (const recording of unpacked.splice(0)) await recording.remove();
});

describe('recordings', () => {
  it.each(recording_names)('%s is complete in a clone: log, users, configuration, chain', async (name) => {
    const recording = await unpack(name);
    expect((await readFile(recording.log_file)).length).toBeGreaterThan(1000);
    expect((await readdir(join(recording.log_directory, 'users'))).length).toBeGreaterThan(0);
    expect(await readFile(recording.configuration, 'utf8')).toContain('btcaddress');
    expect((await readdir(recording.chain_directory)).sort()).toEqual(
      ['active.json', 'addresses.json', 'blocks.json.gz', 'chaintips.json', 'info.json']);
  });

  it('every solve of the truth stands in the log at its stamp', async () => {
    const recording = await unpack('busy');
    const names = ['ckpool.log.1', 'ckpool.log.2', 'ckpool.log'];
    const texts = await Promise.all(names.map((name) => readFile(join(recording.log_directory, name), 'latin1')));
    const lines = texts.join('').split('\n').filter((line) => line.includes('Solved and confirmed'));
    expect(lines).toEqual(recording.truth.solves.map((solve) =>
      `[${solve.time}] Solved and confirmed block ${solve.height} by ${solve.worker}`));
    expect(lines).toHaveLength(42);
  });

  it('the last version of each user file in the history is the file that was left, with its time', async () => {
    const recording = await unpack('busy');
    const last = new Map(recording.users_history.map((version) => [version.user as string, version]));
    expect(last.size).toBe(7);
    for (const [user, version] of last) {
      const file = join(recording.log_directory, 'users', user);
      expect(await readFile(file)).toEqual(version.content);
      expect(Math.abs((await stat(file)).mtimeMs - version.written_at_ms)).toBeLessThan(1);
    }
  });

  it('names that hold newlines keep them', async () => {
    const recording = await unpack('hostile-names');
    const users = await readdir(join(recording.log_directory, 'users'), { encoding: 'buffer' });
    expect(users.some((name) => name.includes(0x0a))).toBe(true);
    expect(basename(recording.log_file)).toBe('ckpool2.log');
  });
});
