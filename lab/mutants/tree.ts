// A copy of the tree to plant bugs in: sources and tests, the recordings and the packages as links. The sources
// themselves are never touched. What runs in it has a temporary directory of its own, which goes with the copy.
// Where there is a compiled program, the simulator's catchers run on a copy of that, with the changed file alone
// compiled anew.
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Mutant } from './mutant.js';
import { compiled } from './patch.js';

const folders = ['accounting', 'payments', 'shared', 'sql', 'docs', 'bench', 'tests'];
const files = ['package.json', 'vitest.config.ts', 'tsconfig.json', 'tsconfig.build.json', 'ckpool.conf', 'README.md'];
const linked = 'recordings';

export interface Tree {
  readonly root: string;
  /** For whatever runs in it. */
  readonly temporary: string;
  /** The compiled program with the bug in it; null when there is none. */
  readonly program: string | null;
  /** The file is as planted until `restore`. */
  plant(mutant: Mutant, text: string): void;
  restore(mutant: Mutant): void;
  remove(): void;
}

/** @param built a folder of compiled sources, or null */
export function copyTree(root: string, built: string | null): Tree {
  const copy = mkdtempSync(join(tmpdir(), 'mutants-'));
  chmodSync(copy, 0o755); // Some tests go on as a user without rights.
  for (const folder of folders) cpSync(join(root, folder), join(copy, folder), { recursive: true });
  const recordings = join(root, 'lab', linked);
  cpSync(join(root, 'lab'), join(copy, 'lab'), { recursive: true, filter: (path) => path !== recordings });
  symlinkSync(recordings, join(copy, 'lab', linked));
  for (const file of files) cpSync(join(root, file), join(copy, file));
  symlinkSync(realpathSync(join(root, 'node_modules')), join(copy, 'node_modules'));
  const temporary = join(copy, 't');
  mkdirSync(temporary);
  chmodSync(temporary, 0o1777);
  const program = built === null ? null : join(copy, 'dist');
  if (built !== null && program !== null) cpSync(built, program, { recursive: true });

  function write(file: string, text: string): void {
    writeFileSync(join(copy, file), text);
    if (program === null || !file.endsWith('.ts')) return;
    const output = join(program, file.replace(/\.ts$/, '.js'));
    if (existsSync(dirname(output))) writeFileSync(output, compiled(text, file));
  }

  return {
    root: copy,
    temporary,
    program,
    plant: (mutant, text) => write(mutant.file, text),
    restore: (mutant) => write(mutant.file, readFileSync(join(root, mutant.file), 'utf8')),
    remove: () => rmSync(copy, { recursive: true, force: true }),
  };
}
