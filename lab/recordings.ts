// Unpacks a recording of a real pool (lab/recordings/) into a temporary directory, laid out as ckpool
// left it. The packed files are only read. Whoever unpacks calls `remove` when done; a crash leaves a
// directory under the system's temporary directory and nothing else.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import type { NameBytes } from '../shared/username.js';

const run = promisify(execFile);
/** Beside the sources, or one level further up from dist/. */
const packed_directory = ['recordings', '../../lab/recordings'].map((place) => join(import.meta.dirname, place))
  .find((place) => existsSync(place)) ?? '';

export const recording_names = ['busy', 'full-disk', 'hostile-names', 'forged-solves'] as const;
export type RecordingName = (typeof recording_names)[number];

/** What one user had at a solve line; the units are ckpool's difficulty-weighted shares. */
export interface TruthAtSolve {
  counter_on_disk: number | null;
  ledger_count: number;
  accepted_difficulty: number;
  accepted_shares: number;
  accepted_difficulty_to_solving_share: number;
}

export interface TrueSolve {
  /** The stamp of the solve line without its brackets. */
  time: string;
  height: number;
  worker: string;
  hash: string;
  in_active_chain: boolean;
  reward_sats: number;
  users: Record<string, TruthAtSolve>;
  solving_share: { file: string; createdate: string; worker: string; accepted: boolean };
}

export interface Truth {
  /** Null where the chain at the end of the recording is not part of it. */
  tip_height: number | null;
  first_line_height: number | null;
  /** In the order of the log. */
  solves: TrueSolve[];
  own_blocks_without_a_line: {
    hash: string;
    height: number;
    in_active_chain: boolean;
    reward_sats: number;
  }[];
}

/** One content that `users/<user>` had on disk, and when it was written. */
export interface UserFileVersion {
  written_at_ms: number;
  user: NameBytes;
  /** May be empty: ckpool truncates before it writes. */
  content: Buffer;
}

export interface Recording {
  name: string;
  /** Holds `ckpool.conf` and `logs/`; may be written to. */
  directory: string;
  log_directory: string;
  /** The log that ckpool had open at the end; its rotated siblings stand beside it with a suffix. */
  log_file: string;
  /** Path of ckpool.conf. */
  configuration: string;
  /** The node at the end, shared by all recordings and read only. */
  chain_directory: string;
  truth: Truth;
  /** In order of time; empty where it was not recorded. */
  users_history: UserFileVersion[];
  remove(): Promise<void>;
}

/** @throws Error when the system's `tar` is missing or the recording cannot be unpacked. */
export async function unpackRecording(name: RecordingName): Promise<Recording> {
  const directory = await mkdtemp(join(tmpdir(), `recording-${name}-`));
  const log_directory = join(directory, 'logs');
  if (name === 'forged-solves') {
    await layForgedSolves(log_directory);
  } else {
    await run('tar', [
      '-xzf',
      join(packed_directory, name, 'logs.tar.gz'),
      '-C',
      directory,
      '--no-same-owner',
    ]);
  }
  const folder = name === 'forged-solves' ? 'hostile-names' : name;
  const configuration = join(directory, 'ckpool.conf');
  await copyFile(join(packed_directory, folder, 'ckpool.conf'), configuration);
  return {
    name,
    directory,
    log_directory,
    log_file: join(log_directory, name === 'busy' ? 'ckpool.log' : 'ckpool2.log'),
    configuration,
    chain_directory: join(packed_directory, 'busy', 'chain'),
    truth:
      name === 'busy'
        ? await readTruth()
        : { tip_height: null, first_line_height: null, solves: [], own_blocks_without_a_line: [] },
    users_history: name === 'busy' ? await readUsersHistory() : [],
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

async function readTruth(): Promise<Truth> {
  return JSON.parse(
    gunzipSync(await readFile(join(packed_directory, 'busy', 'truth.json.gz'))).toString(),
  ) as Truth;
}

async function readUsersHistory(): Promise<UserFileVersion[]> {
  const text = gunzipSync(
    await readFile(join(packed_directory, 'busy', 'users-history.jsonl.gz')),
  ).toString();
  const versions = text.split('\n').filter((line) => line !== '').map((line) => {
    const version = JSON.parse(line) as { mtime: number; name: string; content: string };
    return {
      written_at_ms: version.mtime * 1000,
      user: Buffer.from(version.name).toString('latin1') as NameBytes,
      content: Buffer.from(version.content),
    };
  });
  return versions.sort((one, other) => one.written_at_ms - other.written_at_ms);
}

/**
 * The log with the exact forgeries was recorded alone. Of its user files it tells itself: the text after the
 * colon of a `User` line is the content of the file.
 */
async function layForgedSolves(log_directory: string): Promise<void> {
  const log = await readFile(join(packed_directory, 'hostile-names', 'forged.log'));
  const written_at = new Date('2026-11-20T09:33:58.213Z');
  await mkdir(join(log_directory, 'users'), { recursive: true });
  await writeFile(join(log_directory, 'ckpool2.log'), log);
  await utimes(join(log_directory, 'ckpool2.log'), written_at, written_at);
  const user_lines = log.toString('latin1').matchAll(/^\[[^\]]*\] User (\w+):(\{.*"shares".*\})$/gm);
  for (const [, user = '', content = ''] of user_lines) {
    await writeFile(join(log_directory, 'users', user), `${content}\n`);
    await utimes(join(log_directory, 'users', user), written_at, written_at);
  }
}
