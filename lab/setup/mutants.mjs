// `npm run test:mutants`: installs the packages if they are missing, compiles the sources and lab/ into dist.bench/
// (as `npm run bench` does; quick when nothing changed) and plants the bugs of lab/mutants/ in copies of the tree.
// What is given after `npm run test:mutants --` goes to lab/mutants/main.ts.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

need('sh', [join(root, 'lab/setup/setup.sh'), 'packages']);
process.stderr.write('mutants: compiling into dist.bench/\n');
need(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.bench.json')]);

const main = spawn(process.execPath, [join(root, 'dist.bench/lab/mutants/main.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// The terminal's signal reaches it as well: it ends what it started, and this process goes last.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => main.kill(signal));
main.on('error', () => process.exit(1));
main.on('close', (status) => process.exit(status ?? 1));

/** What the compiler says goes to stderr with the rest. */
function need(command, parameters) {
  const { status } = spawnSync(command, parameters, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}
