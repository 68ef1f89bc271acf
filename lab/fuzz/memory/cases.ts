// What is far too long: a line of a gigabyte in every place where lines are read, ten million lines of a real pool,
// as many that a forger could write, ten million shares, and small files of ckpool that have become a gigabyte.
import {
  appendFileSync, copyFileSync, createReadStream, createWriteStream, linkSync, mkdirSync, readFileSync, readdirSync, statSync,
  truncateSync, utimesSync, writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Database } from '../../../shared/database/database.js';
import { unpackRecording } from '../../recordings.js';
import { heightDirectory } from '../../simulated-ckpool/share-log.js';
import type { Ground, MemoryCase } from '../memory.js';

const gigabyte = 2 ** 30;
const lines_total = 10_000_000;
/** Each of them makes a row or an incident: what a commit of 10,000 such lines leaves to the collector comes on top. */
const forged_limit_mib = 256;
const height = 170;
const stamp = '[2026-11-20 09:32:15.378] ';
const after = `${stamp}Possible block solve diff 1311.787555 !\n${stamp}Solved and confirmed block 5 by anna.rig\n`;

/** What the cursors of a table hold together. The last line of a log may be without its end. */
const isReadTo = (table: 'log_cursors' | 'share_log_files', bytes: number) => async (database: Database): Promise<boolean> => {
  const rows = await database.knex<{ file_offset: bigint | number | string }>(table).select('file_offset');
  return rows.reduce((sum, row) => sum + BigInt(row.file_offset), 0n) >= BigInt(bytes);
};
const logIsRead = (bytes: number) => isReadTo('log_cursors', bytes);
const shareLogsAreRead = (bytes: number) => isReadTo('share_log_files', bytes);

/** Writes a text again and again until so many bytes are reached. */
function writeMany(file: string, text: string, bytes: number): void {
  const block = Buffer.from(text.repeat(Math.ceil(2 ** 22 / text.length)), 'latin1');
  for (let written = 0; written < bytes; written += block.length) appendFileSync(file, block);
}

export const memoryCases: readonly MemoryCase[] = [
  {
    name: 'log: a line of 1 GB, of NUL bytes',
    async write({ log_file }, part) {
      writeFileSync(log_file, after);
      truncateSync(log_file, Math.ceil(gigabyte * part));
      appendFileSync(log_file, `\n${after}`);
      return logIsRead(statSync(log_file).size);
    },
  },
  {
    name: 'log: a line of 1 GB, of messages glued together',
    async write({ log_file }, part) {
      writeFileSync(log_file, after);
      writeMany(log_file, after.replaceAll('\n', ''), gigabyte * part);
      appendFileSync(log_file, `\n${after}`);
      return logIsRead(statSync(log_file).size);
    },
  },
  {
    name: 'log: a line of 1 GB that has no end',
    async write({ log_file }, part) {
      writeFileSync(log_file, after);
      const { size } = statSync(log_file);
      truncateSync(log_file, Math.ceil(gigabyte * part));
      return logIsRead(size);
    },
  },
  {
    name: 'log: a line of 1 GB in a compressed file',
    async write(ground, part) {
      writeFileSync(ground.log_file, after);
      truncateSync(ground.log_file, Math.ceil(gigabyte * part));
      appendFileSync(ground.log_file, `\n${after}`);
      const { size } = statSync(ground.log_file);
      await pipeline(createReadStream(ground.log_file), createGzip({ level: 1 }), createWriteStream(`${ground.log_file}.1.gz`));
      const newer = after.replaceAll('09:32:15', '10:32:15');
      writeFileSync(ground.log_file, newer);
      makeQuiet(`${ground.log_file}.1.gz`);
      return logIsRead(size + newer.length);
    },
  },
  { name: 'log: 10 million lines of a real pool', write: writeRealLines },
  ...(['shares', 'solve', 'tip'] as const).map((kind): MemoryCase => ({
    name: `log: ${kind === 'shares' ? '10 million' : '1 million'} forged ${kind} lines`,
    limit_mib: forged_limit_mib,
    write: (ground, part) => writeForgedLines(ground, kind, (kind === 'shares' ? 1 : 0.1) * part),
  })),
  {
    name: 'share log: a line of 1 GB',
    async write(ground, part) {
      writeFileSync(ground.log_file, after);
      const line = shareLine(1);
      const file = shareLogPath(ground, 1);
      writeFileSync(file, line);
      truncateSync(file, Math.ceil(gigabyte * part));
      appendFileSync(file, `\n${line}`);
      return shareLogsAreRead(statSync(file).size);
    },
  },
  { name: 'share log: 10 million shares', write: writeShares },
  {
    name: 'users/ and pool.status: files of 1 GB',
    async write({ log_directory, log_file }, part) {
      writeFileSync(log_file, `${after}${stamp}User anna:{"shares": 7}\n`);
      mkdirSync(join(log_directory, 'pool'));
      for (const file of ['users/anna', 'users/bert', 'pool/pool.status']) {
        writeFileSync(join(log_directory, file), '{"shares": 7}\n');
        truncateSync(join(log_directory, file), Math.ceil(gigabyte * part));
      }
      return logIsRead(statSync(log_file).size);
    },
  },
];

const then = new Date(Date.now() - 600_000);
const makeQuiet = (file: string): void => { utimesSync(file, then, then); };

async function writeRealLines({ log_directory, log_file }: Ground, part: number) {
  const recording = await unpackRecording('busy');
  try {
    for (const user of readdirSync(join(recording.log_directory, 'users'))) {
      copyFileSync(join(recording.log_directory, 'users', user), join(log_directory, 'users', user));
    }
    const whole = Buffer.concat(['ckpool.log.1', 'ckpool.log.2', 'ckpool.log'].map((name) => readFileSync(join(recording.log_directory, name))));
    const lines = whole.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
    for (let written = 0; written < lines_total * part; written += lines) appendFileSync(log_file, whole);
  } finally {
    await recording.remove();
  }
  return logIsRead(statSync(log_file).size);
}

/** Each names another user, height or block: nothing of it is true. */
async function writeForgedLines({ log_file }: Ground, kind: 'shares' | 'solve' | 'tip', part: number) {
  const lineOf = {
    shares: (index: number) => `User u${index}:{"shares": ${index}}`,
    solve: (index: number) => `Block ${index} solved by w${index} @ x!`,
    tip: (index: number) => `Block hash changed to ${index.toString(16).padStart(64, '0')}`,
  }[kind];
  const block_lines = 50_000;
  for (let from = 0; from < lines_total * part; from += block_lines) {
    appendFileSync(log_file, Array.from({ length: block_lines }, (_, index) => `${stamp}${lineOf(from + index)}\n`).join(''));
  }
  return logIsRead(statSync(log_file).size);
}

const shareLine = (index: number): string =>
  `{"workinfoid": 7710181301000601601, "clientid": ${index % 5000}, "enonce1": "0c11006b", "nonce2": "dc8d", "nonce": "2abb66f0", `
  + `"ntime": "6b00110e", "diff": 8.0, "sdiff": 1138.0692777380423, "hash": "${'12184723a25a7999'.repeat(4)}", "result": true, "errn": 0, `
  + `"createdate": "${1795166478 + Math.floor(index / 5000)},982694376", "createby": "code", "createcode": "parse_submit", "createinet": "127.0.0.1:3390", `
  + `"workername": "bc1quser${index % 5000}.rig", "username": "bc1quser${index % 5000}", "address": "127.0.0.1", "agent": "miner/1.0"}\n`;

function shareLogPath({ log_directory }: Ground, counter: number): string {
  const file = join(log_directory, heightDirectory(height), `6b00110b${counter.toString(16).padStart(8, '0')}.sharelog`);
  mkdirSync(dirname(file), { recursive: true });
  return file;
}

/** One file under many names: that each is read counts, not what is in it. */
async function writeShares(ground: Ground, part: number) {
  writeFileSync(ground.log_file, after);
  const [files, lines_each, block_lines] = [Math.ceil(67 * Math.min(1, part * 10)), Math.ceil(150_000 * Math.min(1, Math.max(part, 0.1))), 5_000];
  const first = shareLogPath(ground, 1);
  for (let from = 0; from < lines_each; from += block_lines) {
    appendFileSync(first, Array.from({ length: block_lines }, (_, index) => shareLine(from + index)).join(''));
  }
  for (let counter = 2; counter <= files; counter++) linkSync(first, shareLogPath(ground, counter));
  return shareLogsAreRead(statSync(first).size * files);
}
