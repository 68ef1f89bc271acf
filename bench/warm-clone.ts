// A clone that is installed and built, to start accounting.sh in: the sources and its markers are real, the program
// is the one that the bench compiled, dist/ of the clone that is measured is left alone. Nothing may be set up in it.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root_directory } from './place.js';

const compiled_directory = dirname(fileURLToPath(new URL('.', import.meta.url)));
const folders = ['accounting', 'payments', 'shared', 'lab'];
const files = ['accounting.sh', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];

/** @returns the path of its accounting.sh. */
export function createWarmClone(directory: string): string {
  mkdirSync(join(directory, 'dist'), { recursive: true });
  mkdirSync(join(directory, 'node_modules'));
  const is_recording = (path: string): boolean => /\/lab\/recordings$/.test(path);
  for (const folder of folders) {
    cpSync(join(root_directory, folder), join(directory, folder), {
      recursive: true, filter: (path) => !is_recording(path),
    });
    symlinkSync(join(compiled_directory, folder), join(directory, 'dist', folder));
  }
  for (const file of files) cpSync(join(root_directory, file), join(directory, file));
  const inIt = (script: string): string => execFileSync('sh', ['-c', script], { cwd: directory, encoding: 'utf8' });
  writeFileSync(join(directory, 'dist/.built'), inIt('sh lab/setup/setup.sh stamp'));
  const packages = 'echo "$(cksum <package-lock.json) $(node --version | cut -d. -f1)"';
  writeFileSync(join(directory, 'node_modules/.obtc-ready'), inIt(packages));
  // Were the markers wrong, this would begin to install; without a registry that ends at once.
  const said = execFileSync('sh', ['lab/setup/setup.sh', 'all'], {
    cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, npm_config_offline: 'true' },
  });
  if (said !== '') throw new Error(`this clone is not warm: ${said}`);
  return join(directory, 'accounting.sh');
}
