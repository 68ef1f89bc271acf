// A pool with settled rounds and share logs on the disk, for the tests of `prune`: rows as both daemons would have
// written them, files as ckpool would.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, lstatSync, readlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { smallInteger, timeText, type Database } from '../shared/database/database.js';

export const hash = (number: number, of = 'block'): string => createHash('sha256').update(`${of} ${number}`).digest('hex');

export interface BlockRows {
  readonly height: number;
  /** null: payments has not decided it. */
  readonly round: 'credited' | 'orphaned' | 'lost' | null;
  readonly snapshot?: boolean;
  /** null: accounting has not decided its counts. */
  readonly place?: number | null;
  readonly cut_seconds?: number | null;
  readonly header_seconds?: number;
}

/** A block of the pool with whatever both daemons know of it. `number` makes it another block of that height. */
export async function addBlock({ knex }: Database, block: BlockRows, number = block.height): Promise<void> {
  const { height, round, snapshot = true, place = height, cut_seconds = height * 600, header_seconds = height * 600 } = block;
  const snapshot_id = snapshot ? await addSnapshot({ knex } as Database, height, 'confirmed', number) : null;
  if (snapshot_id !== null && place !== null) {
    await knex('cuts').insert({
      snapshot_id, place, cut_seconds, cut_nanoseconds: cut_seconds === null ? null : 0, decided_at: timeText(0),
    });
  }
  await knex('blocks').insert({
    hash: hash(number), height, previous_hash: hash(number, 'before'), header_at: timeText(header_seconds * 1000),
    coinbase_txid: hash(number, 'coinbase'), reward_sats: 1, active: 1, snapshot_id, discovered_at: timeText(0),
  });
  if (round === null) return;
  const cut_to = place ?? 0;
  await knex('rounds').insert({
    block_hash: hash(number), height, state: round, scheme: 'prop', coinbase_txid: hash(number, 'coinbase'),
    reward_sats: 1, round_shares: 1, pool_fee_ppm: 0, pool_fee_sats: 0, carried_in_sats: 0, credited_sats: 1,
    carried_out_sats: 0, cut_from: round === 'orphaned' ? cut_to : 0, cut_to, tip_height: height + 100,
    tip_hash: hash(number, 'tip'), settled_at: timeText(0),
  });
}

/** A block line; a state of `pending` has no block. */
export async function addSnapshot(
  { knex }: Database, height: number, state: 'pending' | 'unverified' | 'confirmed', position = height,
): Promise<number> {
  await knex('log_cursors').insert({
    sequence: 1, path: 'ckpool.log', device: '0', inode: '0', log_start: 0, file_offset: 0, fingerprint_length: 0,
    fingerprint: '', state: 'current', login_seen: 0, notice_seen: 0, updated_at: timeText(0),
  }).onConflict('sequence').ignore();
  const [id] = await knex('snapshots').insert({
    kind: 'block', log_position: position, log_sequence: 1, log_offset: position, height, finder: Buffer.from('finder'),
    logged_at: '2026-01-01 00:00:00.000', quality: 'exact', state, dispute: 'none', changed_users: 0,
    total_difference: 0, taken_at: timeText(0),
  });
  return smallInteger(id);
}

export async function setComplete({ knex }: Database, complete_height: number): Promise<void> {
  await knex('chain_scan').insert({
    id: 1, genesis_hash: hash(0), pool_script: '51', floor_height: 0, floor_reason: 'test', cursor_height: complete_height,
    cursor_hash: hash(1), complete_height, complete_hash: hash(1), updated_at: timeText(0),
  });
}

/** Accounting has read a share log so far. */
export async function markRead(
  { knex }: Database, height: number, number: number, file_offset: number, last_seconds: number | null = 1,
): Promise<void> {
  await knex('share_log_files').insert({
    height, workinfoid: workinfoid(number), file_offset, first_seconds: last_seconds, first_nanoseconds: last_seconds && 0,
    last_seconds, last_nanoseconds: last_seconds && 0,
  });
}

export const workinfoid = (number: number): string => (0x6b00110b00000000n + BigInt(number)).toString(16);

export const old_seconds = Math.floor(Date.UTC(2026, 0, 1) / 1000) + 0.25;

export interface ShareLogsOnDisk {
  readonly directory: string;
  /** Old enough to go, unless said otherwise. Returns its path. */
  write(height: number, name: string, content: string | Buffer, changed_seconds?: number): string;
  shareLog(height: number, number: number, lines?: number, changed_seconds?: number): string;
  pathOf(height: number, name?: string): string;
  names(height: number): string[];
  /** Everything there is: names, contents, times, modes. */
  state(): string;
}

export const share_line = `${JSON.stringify({ workinfoid: 7, diff: 1.0, result: true, username: 'alice', agent: 'x'.repeat(300) })}\n`;

export function createShareLogsOnDisk(): ShareLogsOnDisk {
  const directory = mkdtempSync(path.join(tmpdir(), 'share-logs-'));
  const pathOf = (height: number, name = ''): string => path.join(directory, height.toString(16).padStart(8, '0'), name);
  const write = (height: number, name: string, content: string | Buffer, changed_seconds = old_seconds): string => {
    mkdirSync(pathOf(height), { recursive: true });
    writeFileSync(pathOf(height, name), content);
    utimesSync(pathOf(height, name), changed_seconds, changed_seconds);
    return pathOf(height, name);
  };
  return {
    directory, pathOf, write,
    shareLog: (height, number, lines = 5, changed_seconds = old_seconds) =>
      write(height, `${workinfoid(number)}.sharelog`, share_line.repeat(lines), changed_seconds),
    names: (height) => readdirSync(pathOf(height)).sort(),
    state: () => JSON.stringify(readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort().map((name) => {
      const file = path.join(directory, name);
      const status = lstatSync(file);
      const content = status.isFile() ? createHash('sha256').update(readFileSync(file)).digest('hex')
        : status.isSymbolicLink() ? readlinkSync(file) : '';
      return [name, status.mode, status.ino, status.mtimeMs, status.size, content];
    })),
  };
}
