// One share log becomes a .gz file. In this order, so that a crash leaves the plain file, both, or the .gz, and never
// neither:
//   1. write <w>.sharelog.gz.<process>.part beside it: a name that no reader of share logs knows;
//   2. force it to the disk, read it back, compare length and sha256 of what it inflates to;
//   3. give it the time, owner and mode of the plain file;
//   4. look whether the plain file is still what was compressed; rename; force the directory to the disk;
//   5. unlink the plain file.
// Killed before 4: the plain file and a left-over temporary one. Killed before 5: both, and readers take the plain
// one; the next prune compares them and unlinks it. Any failure before 4 takes the temporary file away again.
import { open, rename, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { OutsideFailure } from '../../shared/errors.js';
import { codeOf, filesFailure } from './log-failure.js';
import { pruneFailure } from './prune-failure.js';
import { contentOf, createContentMeter, type Content } from './share-log-content.js';
import {
  isUnchanged, seen, temporaryPath, unlink, unlinkUnchanged, type PrunableShareLog, type SeenFile,
} from './share-log-prune.js';

export type Compressed = { readonly freed_bytes: number } | { readonly kept: 'changed' | 'copy_differs' };

/** Opens the temporary file; a test gives a disk that is full. */
export type OpenTarget = (file: string, mode: number) => Promise<FileHandle>;
const openNew: OpenTarget = (file, mode) => open(file, 'wx', mode);

/** @throws OutsideFailure 'files'; the share log is then as it was, plain. */
export async function compressShareLog(
  file: PrunableShareLog & { readonly plain: SeenFile }, openTarget: OpenTarget = openNew,
): Promise<Compressed> {
  const { plain } = file;
  if (file.compressed) return unlinkIfCopied(plain, file.compressed);
  const compressed_path = `${plain.path}.gz`;
  const temporary = temporaryPath(compressed_path);
  let compressed_bytes: number | null;
  try {
    compressed_bytes = await writeCopy(plain, temporary, openTarget);
    if (compressed_bytes === null || !isUnchanged(plain)) {
      unlink(temporary);
      return { kept: 'changed' };
    }
    await rename(temporary, compressed_path);
  } catch (error) {
    await takeAway(temporary);
    throw pruneFailure(error, plain.path);
  }
  await forceDirectory(path.dirname(compressed_path));
  if (!unlinkUnchanged(plain)) return { kept: 'changed' };
  return { freed_bytes: plain.bytes - compressed_bytes };
}

/** A prune was killed after its rename. */
async function unlinkIfCopied(plain: SeenFile, compressed: SeenFile): Promise<Compressed> {
  const copy = await contentOf(compressed.path, true);
  const original = await contentOf(plain.path, false);
  if (copy === null || original === null || !isSame(copy, original)) return { kept: 'copy_differs' };
  return unlinkUnchanged(plain) ? { freed_bytes: plain.bytes } : { kept: 'changed' };
}

/** Its length, or null when the plain file is not what was looked at. */
async function writeCopy(plain: SeenFile, temporary: string, openTarget: OpenTarget): Promise<number | null> {
  const source = await openSource(plain.path);
  if (source === null) return null;
  try {
    const status = await source.stat();
    if (!isUnchanged(plain, status)) return null;
    const target = await openTarget(temporary, 0o600);
    try {
      const written = await pump(source, target);
      await target.sync();
      const copied = await contentOf(temporary, true);
      if (copied === null || !isSame(copied, written)) throw damagedCopy(plain.path);
      if (written.bytes !== plain.bytes) return null;
      await takeOver(target, seen(plain.path, status), status);
      return (await target.stat()).size;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function openSource(file: string): Promise<FileHandle | null> {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO'].includes(codeOf(error))) return null;
    throw filesFailure(error, file, 'logdir');
  }
}

/** Streams made of a file handle keep it open when they fail, so the bytes are moved by hand. */
async function pump(source: FileHandle, target: FileHandle): Promise<Content> {
  const meter = createContentMeter();
  await pipeline(
    async function* () {
      for (let position = 0; ;) {
        const { bytesRead, buffer } = await source.read(Buffer.allocUnsafe(1 << 18), 0, 1 << 18, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        const block = buffer.subarray(0, bytesRead);
        meter.take(block);
        yield block;
      }
    },
    createGzip(),
    async (blocks: AsyncIterable<Buffer>) => {
      for await (const block of blocks) await target.writeFile(block);
    },
  );
  return meter.content();
}

/** Whoever could read the plain file can read this one; and it is as old. */
async function takeOver(
  target: FileHandle, plain: SeenFile, status: { uid: number; gid: number; mode: number; atimeMs: number },
): Promise<void> {
  const own = await target.stat();
  for (const [user, group] of [[status.uid, status.gid], [own.uid, status.gid]] as const) {
    if (await target.chown(user, group).then(() => true, () => false)) break;
  }
  await target.chmod(status.mode & 0o777);
  await target.utimes(status.atimeMs / 1000, plain.changed_ms / 1000);
  await target.sync();
}

async function forceDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw pruneFailure(error, directory);
  }
}

/** After a failure: that one is told, not this. */
async function takeAway(temporary: string): Promise<void> {
  try {
    unlink(temporary);
  } catch {
    // The next prune finds it.
  }
}

const isSame = (one: Content, other: Content): boolean =>
  one.bytes === other.bytes && one.sha256 === other.sha256;

const damagedCopy = (file: string): OutsideFailure => new OutsideFailure(
  'refused', 'files',
  `The compressed copy of ${file} reads back differently from what was written: it is thrown away and the share `
  + 'log stays; look at the disk it is on.', 'EIO');
