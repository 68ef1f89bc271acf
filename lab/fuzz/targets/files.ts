// Bytes that stand in files: a log that grows by any pieces, and compressed files that are damaged. Real files in a
// temporary directory, through the readers of the daemon.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, appendFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { gzipHead, measureGzip, openGzip } from '../../../accounting/edges/log-gzip.js';
import { createTestReader } from '../../../accounting/edges/log-reader.fixture.js';
import { poolStartedAt } from '../../../accounting/edges/pool-status.js';
import { createShareLogReader } from '../../../accounting/edges/share-log-read.js';
import type { Corpus } from '../corpus.js';
import { damaged, damagedLines } from '../mutator.js';
import { asyncTarget, must, mustEqual, type Target } from '../target.js';

/** Small, so that many lines are longer than one read. */
const read_bytes = 512;

export function fileTargets({ log_lines, share_lines, pool_status }: Corpus): readonly Target[] {
  const compressed = [...log_lines.slice(0, 40), ...share_lines.slice(0, 40)].map((line) => gzipSync(Buffer.concat([line, Buffer.from('\n')])));
  return [
    asyncTarget('log-file', 'A log of any bytes, appended in any pieces, gives each of its lines once and in order.',
      fc.tuple(damagedLines(log_lines, 6), fc.array(fc.nat(3_000), { maxLength: 4 }), fc.boolean()), checkLogFile),
    asyncTarget('log-gzip', 'A compressed log of any bytes is read as far as it is whole.', damaged(compressed), checkGzip),
    asyncTarget('share-log-gzip', 'A compressed share log of any bytes is read as far as it is whole, and says so.', damaged(compressed), checkShareGzip),
    asyncTarget('pool-status', 'A pool.status of any bytes tells a time to the second, or nothing.', damaged(pool_status), checkPoolStatus),
  ];
}

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'fuzz-files-'));
  try {
    await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const checkLogFile = ([bytes, cuts, restarts]: [Buffer, number[], boolean]): Promise<void> => inDirectory(async (directory) => {
  // A reader goes on in a file that it knows by its head; the head itself is written in one piece.
  const content = Buffer.concat([Buffer.from('[2026-11-20 09:00:00.000] the first line of the log\n'), bytes]);
  const log = join(directory, 'ckpool.log');
  writeFileSync(log, '');
  const reader = createTestReader(log, { bytes_max: read_bytes });
  const ends = [...cuts.map((cut) => cut % (content.length + 1)).sort((a, b) => a - b), content.length];
  let start = 0;
  for (const end of ends) {
    appendFileSync(log, content.subarray(start, end));
    start = end;
    await reader.drain();
    if (restarts) await reader.restart();
  }
  await reader.close();
  const whole = content.toString('latin1').split('\n').slice(0, -1).filter((line) => line.length < read_bytes);
  mustEqual(reader.gaps, [], 'nothing is lost');
  mustEqual(reader.lines, whole, 'the lines');
});

const checkGzip = (bytes: Buffer): Promise<void> => inDirectory(async (directory) => {
  const file = join(directory, 'ckpool.log.1.gz');
  writeFileSync(file, bytes);
  const handle = await open(file, 'r');
  try {
    must((await gzipHead(handle, 1024)).length <= 1024, 'a head is a head');
    const measured = await measureGzip(handle);
    if (measured === null) return;
    must(measured.end <= measured.size, 'the last line ends within the file');
    const reader = openGzip(handle);
    try {
      for (let at = 0n; at < measured.end;) {
        const lines = await reader.read(at, read_bytes);
        const next = lines.includes('\n') ? at + BigInt(lines.length) : await reader.skipLine(at);
        must(next > at, 'every read goes on');
        at = next;
      }
    } finally {
      await reader.close();
    }
  } finally {
    await handle.close();
  }
});

/** One for all inputs, for it holds 16 MB; each input has a path of its own. */
const share_logs = createShareLogReader();

const checkShareGzip = (bytes: Buffer): Promise<void> => inDirectory(async (directory) => {
  const path = join(directory, '6b00110b00000001.sharelog.gz');
  writeFileSync(path, bytes);
  const size = share_logs.sizeOf({ path, compressed: true }, bytes.length);
  must(Number.isSafeInteger(size) && size >= 0, 'a size is a number of bytes');
  for (let offset = 0, reads = 0; ; reads++) {
    must(reads < 1_000, 'reading comes to an end');
    const piece = await share_logs.read({ path, size, compressed: true }, offset, 4_096);
    if (piece.length === 0) break;
    offset += piece.length;
  }
  must(share_logs.complaints().every((sentence) => sentence.endsWith('.')), 'damage is told in sentences');
});

const checkPoolStatus = (bytes: Buffer): Promise<void> => inDirectory(async (directory) => {
  mkdirSync(join(directory, 'pool'));
  writeFileSync(join(directory, 'pool', 'pool.status'), bytes);
  const started = await poolStartedAt(directory);
  must(started === null || (Number.isSafeInteger(started) && started >= 0), `${started} is no time`);
});
