// `npm run test:kills` and `npm run test:cluster`: sets up what is missing (packages, dist/, the Debian packages of MariaDB
// and a node where that is possible), then runs the program that is named first with all that follows; `--help` after
// `npm run … --` says what there is. A signal reaches it, and it ends what it started.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDebianPackages } from './debian-packages.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const [program, ...parameters] = process.argv.slice(2);

const { status } = spawnSync('sh', [join(root, 'lab/setup/setup.sh'), 'all'], { cwd: root, stdio: ['ignore', 2, 2] });
if (status !== 0) process.exit(status ?? 1);
const missing = await installDebianPackages();
if (missing !== null) {
  process.stderr.write(`${missing}\n`);
  process.exit(1);
}

const main = spawn(process.execPath, [join(root, program), ...parameters], { cwd: root, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => main.kill(signal));
main.on('error', () => process.exit(1));
main.on('close', (ended) => process.exit(ended ?? 1));
