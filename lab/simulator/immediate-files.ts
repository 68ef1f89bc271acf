// Files that answer at once. The daemons read files through promises, which the kernel fulfils from other threads, in
// any order and after a while; a simulation wants one order, and thousands of looks a second. So the promised calls
// that the daemons use are answered by the synchronous ones: the same calls to the same kernel, without the threads.
// For the process of the simulator alone.
import * as fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import promises from 'node:fs/promises';

type Call = (...parameters: never[]) => unknown;

/** Errors come as rejections, as callers expect them. */
const promised = (call: Call) => async (...parameters: unknown[]): Promise<unknown> =>
  Reflect.apply(call, undefined, parameters) as unknown;

function open(path: fs.PathLike, flags?: fs.OpenMode, mode?: fs.Mode): object {
  const descriptor = fs.openSync(path, flags ?? 'r', mode);
  return {
    fd: descriptor,
    stat: promised((options: fs.StatOptions) => fs.fstatSync(descriptor, options)),
    read: promised((buffer: Buffer, offset: number, length: number, position: number) =>
      ({ bytesRead: fs.readSync(descriptor, buffer, offset, length, position), buffer })),
    close: promised(() => fs.closeSync(descriptor)),
  };
}

let done = false;

export function makeFilesImmediate(): void {
  if (done) return;
  done = true;
  Object.assign(promises, {
    open: promised(open as Call),
    stat: promised(fs.statSync as Call),
    lstat: promised(fs.lstatSync as Call),
    readdir: promised(fs.readdirSync as Call),
    readFile: promised(fs.readFileSync as Call),
  });
  syncBuiltinESMExports();
}
