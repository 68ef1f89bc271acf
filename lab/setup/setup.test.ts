// accounting.sh and setup.sh in clones of their own, in a directory with a space. npm is a stand-in that puts
// the packages of this clone in place (no registry is needed), and counts how often it was called; the
// compiler, Node, the locks and the markers are the real ones.
import { spawn, type ChildProcess } from 'node:child_process';
import {
  appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync,
  symlinkSync, utimesSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
let directory: string;
let clone: string;
let tools: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'obtc-setup-'));
  clone = join(directory, 'a clone');
  tools = join(directory, 'tools');
  mkdirSync(join(clone, 'lab'), { recursive: true });
  mkdirSync(tools);
  const files = ['accounting.sh', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'lab/setup'];
  for (const file of files) {
    cpSync(join(root, file), join(clone, file), { recursive: true });
  }
  for (const folder of ['accounting', 'payments', 'shared']) mkdirSync(join(clone, folder));
  source('accounting', 'process.stdout.write(JSON.stringify([process.cwd(), ...process.argv.slice(2)]) + "\\n");');
  source('payments', 'export {};');
  const demo = 'process.stdout.write("demo " + process.argv.slice(2).join(" ") + "\\n"); process.exit(7);';
  writeFileSync(join(clone, 'lab/demo.ts'), demo);
  stub('npm', npm);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const npm = `
[ "$1" = ls ] && exit 1
echo called >>"$NPM_CALLS"
echo "npm says something on stdout"
rm -rf node_modules && mkdir node_modules
sleep "\${NPM_SECONDS:-0}"
for package in "$PACKAGES"/* "$PACKAGES"/.bin; do ln -s "$package" node_modules/; done
exit "\${NPM_STATUS:-0}"`;

function stub(name: string, text: string): void {
  writeFileSync(join(tools, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}
function source(folder: string, text: string): void {
  writeFileSync(join(clone, folder, 'main.ts'), `${text}\n`);
}

interface End { status: number | null; out: string; err: string; child: ChildProcess }
function start(parameters: string[], { cwd = directory, env = {}, script = join(clone, 'accounting.sh') } = {}) {
  const child = spawn(script, parameters, {
    cwd,
    env: {
      ...process.env,
      PATH: `${tools}${delimiter}${process.env['PATH']}`,
      PACKAGES: join(root, 'node_modules'),
      NPM_CALLS: join(directory, 'npm-calls'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data) => (out += String(data)));
  child.stderr.on('data', (data) => (err += String(data)));
  const end = new Promise<End>((resolve) => child.on('close', (status) => resolve({ status, out, err, child })));
  return { child, end };
}
const run = (parameters: string[], options = {}) => start(parameters, options).end;
function npmCalls(): number {
  const calls = join(directory, 'npm-calls');
  return existsSync(calls) ? readFileSync(calls, 'utf8').split('\n').length - 1 : 0;
}

describe('accounting.sh', () => {
  it('sets up on first use on stderr alone, and afterwards is silent and quick', async () => {
    const first = await run(['-c', 'my pool.conf', 'blocks', '--json']);
    expect(first.err).toContain('installing npm packages');
    expect(first.out).toBe(`${JSON.stringify([directory, '-c', 'my pool.conf', 'blocks', '--json'])}\n`);
    expect(first.status).toBe(0);

    const started_ms = performance.now();
    const second = await run(['--once']);
    expect(second).toMatchObject({ status: 0, err: '', out: `${JSON.stringify([directory, '--once'])}\n` });
    // Node itself takes a good part of it; the bound is generous for a busy machine.
    expect(performance.now() - started_ms).toBeLessThan(2_000);
    expect(npmCalls()).toBe(1);
    expect(statSync(join(clone, 'dist/accounting/main.js')).mode & 0o111).toBe(0o111);
  });

  it('works through a symbolic link, and passes the demo its arguments and its status', async () => {
    symlinkSync('a clone/accounting.sh', join(directory, 'link'));
    const end = await run(['demo', '--fast'], { script: join(directory, 'link'), cwd: '/' });
    expect(end).toMatchObject({ status: 7, out: 'demo --fast\n' });
  });

  it('builds again when a source changed or went, installs again when the lock file changed', async () => {
    await run([]);
    source('accounting', 'process.stdout.write("changed\\n");');
    utimesSync(join(clone, 'accounting/main.ts'), 1, 1);
    expect(await run([])).toMatchObject({ out: 'changed\n', status: 0 });
    expect(npmCalls()).toBe(1);

    writeFileSync(join(clone, 'shared/gone.ts'), 'export const gone = 1;\n');
    await run([]);
    expect(existsSync(join(clone, 'dist/shared/gone.js'))).toBe(true);
    rmSync(join(clone, 'shared/gone.ts'));
    await run([]);
    expect(existsSync(join(clone, 'dist/shared/gone.js'))).toBe(false);

    appendFileSync(join(clone, 'package-lock.json'), '\n');
    await run([]);
    expect(npmCalls()).toBe(2);
  });

  it('keeps the last build when the sources do not compile, says so and exits with 2', async () => {
    await run([]);
    source('accounting', 'const wrong: number = "text";');
    const end = await run([]);
    expect(end).toMatchObject({ status: 2, out: '' });
    expect(end.err).toMatch(/accounting\/main\.ts.*error TS2322[^]*the build failed/);
    expect(existsSync(join(clone, 'dist/accounting/main.js'))).toBe(true);
    expect(readdirSync(clone).filter((name) => name.startsWith('dist.'))).toEqual([]);
  });

  it('started twice at once sets up once', async () => {
    const ends = await Promise.all([0, 1, 2].map(() => run([], { env: { NPM_SECONDS: '1' } })));
    expect(ends.map(({ status, out }) => [status, out])).toEqual(ends.map(() => [0, `${JSON.stringify([directory])}\n`]));
    expect(npmCalls()).toBe(1);
    expect(ends.filter(({ err }) => err.includes('waiting for it'))).toHaveLength(2);
  });

  it('without flock: started twice at once sets up once, and a lock left behind is taken over', async () => {
    stub('sh', `[ "$1" = -c ] || sed 's/command -v flock/false/' "$1" >"$1.tmp"; f=$1; shift; exec /bin/sh "$f.tmp" "$@"`);
    mkdirSync(join(clone, '.setup-lock'));
    writeFileSync(join(clone, '.setup-lock/pid'), '999999999\n');
    const ends = await Promise.all([0, 1].map(() => run([], { env: { NPM_SECONDS: '1' } })));
    expect(ends.map(({ status }) => status)).toEqual([0, 0]);
    expect(npmCalls()).toBe(1);
    expect(existsSync(join(clone, '.setup-lock'))).toBe(false);
  });

  it('killed while it installs does all of it at the next start', async () => {
    const { child, end } = start([], { env: { NPM_SECONDS: '30' } });
    while (npmCalls() === 0) await wait(20);
    process.kill(-child.pid!, 'SIGKILL');
    await end;
    expect(await run([])).toMatchObject({ status: 0 });
    expect(npmCalls()).toBe(2);
  });

  it.each([
    ['node', 'echo v18.19.0', /Node\.js 20 or newer is needed, found v18\.19\.0; install it/],
    ['npm', 'exit 1', /npm could not install the packages; what it said stands above\.|install a C\+\+ compiler/],
  ])('says in a sentence what is wrong with %s', async (name, text, sentence) => {
    stub(name, text);
    // Not root's way out: no apt-get may run in a test.
    stub('id', 'echo 1000');
    const end = await run([]);
    expect(end.err).toMatch(sentence);
    expect(end).toMatchObject({ status: 2, out: '' });
  });
});
