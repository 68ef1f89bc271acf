// Builds dist/ from the sources: compiled aside, then put in place by renaming, so that a failed or killed
// build leaves the last one whole. dist/.built holds the stamp of the sources and is part of what is renamed.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const compiler = join(root, 'node_modules/typescript/bin/tsc');
if (!existsSync(compiler)) {
  // npm ci --omit=dev: nothing to build with. What a package brought along in dist/ serves as it is.
  if (process.env.npm_lifecycle_event === 'prepare') process.exit(0);
  console.error('build: the npm packages are missing; run npm ci first.');
  process.exit(1);
}

const fresh = join(root, `dist.new-${process.pid}`);
const previous = join(root, `dist.old-${process.pid}`);
const dist = join(root, 'dist');
removeLeftovers();
// Taken before the compiler reads: what is edited meanwhile makes the next start build again.
const stamp = run('sh', [join(root, 'lab/setup/setup.sh'), 'stamp'], 'pipe').stdout;
const compiled = run(process.execPath, [
  compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', fresh, '--noEmitOnError',
], 'inherit');
if (compiled.status !== 0) {
  rmSync(fresh, { recursive: true, force: true });
  process.exit(1);
}

const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const file of Object.values(bin)) {
  const program = join(fresh, file.replace(/^(?:\.\/)?dist\//, ''));
  if (existsSync(program)) chmodSync(program, 0o755);
}
writeFileSync(join(fresh, '.built'), stamp);
if (existsSync(dist)) renameSync(dist, previous);
renameSync(fresh, dist);
rmSync(previous, { recursive: true, force: true });

function run(command, parameters, stdout) {
  return spawnSync(command, parameters, { cwd: root, encoding: 'utf8', stdio: ['ignore', stdout, 'inherit'] });
}

/** What a killed build left behind; a build that is still running keeps its own. */
function removeLeftovers() {
  for (const name of readdirSync(root)) {
    const match = /^dist\.(?:new|old)-(\d+)$/.exec(name);
    if (match && !isRunning(Number(match[1]))) rmSync(join(root, name), { recursive: true, force: true });
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
