// `npm run bench`, `npm run simulate` and their like: installs the packages if they are missing, compiles the sources,
// lab/ and bench/ into dist.bench/ (quick when nothing changed; the installed program in dist/ is left alone) and runs
// the program that is named first, with all that follows. Says on stderr what it does; stdout carries the answer.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const [program, ...parameters] = process.argv.slice(2);

need('sh', [join(root, 'lab/setup/setup.sh'), 'packages']);
process.stderr.write(`${program}: compiling into dist.bench/\n`);
need(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.bench.json')]);

const main = spawn(process.execPath, [join(root, 'dist.bench', program), ...parameters], { stdio: 'inherit' });
// The terminal's signal reaches it as well: it ends what it started, and this process goes last.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => main.kill(signal));
main.on('error', () => process.exit(1));
main.on('close', (status) => process.exit(status ?? 1));

/** What the compiler says goes to stderr with the rest. */
function need(command, parameters_of_it) {
  const { status } = spawnSync(command, parameters_of_it, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}
