// The demo as a process, as `./accounting.sh demo` starts it: what a newcomer sees first must work, and must
// leave nothing behind, whenever it is interrupted. Every directory of a run is under one of this test's own,
// which also finds its processes again by their command lines.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../lab/demo/report.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const demo = join(root, 'dist/lab/demo.js');
let place: string;
let running: ChildProcess | null = null;

beforeAll(() => {
  const setup = spawnSync('sh', [join(root, 'lab/setup/setup.sh'), 'all'], { encoding: 'utf8' });
  expect(setup.status, setup.stderr).toBe(0);
});
beforeEach(() => { place = mkdtempSync(join(tmpdir(), 'demo-test-')); });
afterEach(() => {
  running?.kill('SIGKILL');
  for (const pid of processesUnder(place)) process.kill(pid, 'SIGKILL');
  rmSync(place, { recursive: true, force: true, maxRetries: 5 });
});

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ status: number | null; stdout: string; stderr: string }>;
  /** Resolves when the demo has said it. */
  said(words: RegExp): Promise<void>;
}

function startDemo(...parameters: string[]): Run {
  const child = spawn(process.execPath, [demo, ...parameters], { env: { ...process.env, TMPDIR: place }, stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => { stdout += bytes.toString(); });
  child.stderr.on('data', (bytes: Buffer) => { stderr += bytes.toString(); });
  const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, stdout, stderr }));
  return {
    child, ended,
    said: (words) => new Promise((resolve, reject) => {
      const look = () => { if (words.test(stderr)) resolve(); };
      child.stderr.on('data', look);
      look();
      child.once('close', () => reject(new Error(`the demo ended before it said ${String(words)}:\n${stderr}`)));
    }),
  };
}

/** Ids of processes whose command line names the place: node, daemons, commands. */
function processesUnder(directory: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(directory);
    } catch {
      return false;
    }
  });
}

function expectNothingLeft(): void {
  expect(processesUnder(place)).toEqual([]);
  expect(readdirSync(place).filter((name) => /demo|regtest/.test(name))).toEqual([]);
}

describe('the demo', () => {
  it('pays every miner once, although a block is orphaned and payments is killed while it pays, and leaves nothing', async () => {
    const { status, stdout, stderr } = await startDemo('--json').ended;
    expect(status, stderr).toBe(0);
    const report = JSON.parse(stdout) as Report & { readonly seconds: number };
    expect(report.ok).toBe(true);
    expect([...report.audit.checks, ...report.demo.checks].filter(({ ok }) => !ok)).toEqual([]);
    expect(report.demo.checks.length).toBeGreaterThanOrEqual(8);
    expect(report.blocks.filter(({ state }) => state === 'orphaned')).toHaveLength(1);
    expect(report.blocks.filter(({ state }) => state === 'credited')).toHaveLength(8);
    expect(report.payouts.length).toBeGreaterThanOrEqual(2);
    for (const payout of report.payouts) expect(payout).toMatchObject({ state: 'final', txid: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const states = Object.fromEntries(report.miners.map(({ miner, state }) => [miner, state]));
    expect(states).toMatchObject({ garage: 'quarantined', dave: 'below_threshold' });
    expect(stderr).toMatch(/payments is killed \(SIGKILL\) while it pays/);
    expect(report.seconds).toBeLessThan(120);
    expectNothingLeft();
  });

  it.each([
    ['while it starts', /is running in regtest/, 'SIGINT', 130],
    ['while payments is dead', /payments is killed/, 'SIGINT', 130],
    ['while it matures', /payments is started again/, 'SIGTERM', 143],
  ] as const)('leaves nothing running when it is interrupted %s', async (_, words, signal, expected) => {
    const { child, ended, said } = startDemo();
    await said(words);
    child.kill(signal);
    const { status, stdout, stderr } = await ended;
    expect(status, stderr).toBe(expected);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/interrupted: ending everything\n$/);
    expectNothingLeft();
  });

  it('leaves nothing running when Ctrl-C reaches its node as well, which is still starting', async () => {
    const { child, ended } = startDemo();
    while (processesUnder(place).length === 0) await wait(5);
    for (const pid of [child.pid!, ...processesUnder(place)]) process.kill(pid, 'SIGINT');
    const { status, stderr } = await ended;
    expect(status, stderr).toBe(130);
    expectNothingLeft();
  });

  it('says in one sentence what failed, and keeps the logs', async () => {
    const { ended, said } = startDemo();
    await said(/finds block/);
    const [accounting] = processesUnder(place).filter((pid) => /accounting\/main/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1')));
    process.kill(accounting!, 'SIGKILL');
    const { status, stdout, stderr } = await ended;
    expect(status).toBe(1);
    expect(stdout).toBe('');
    const [, directory] = /The demo failed: The accounting daemon ended by itself .* The logs are in (\S+)\.\n$/.exec(stderr) ?? [];
    expect(readdirSync(directory!)).toEqual(expect.arrayContaining(['accounting.log', 'payments.log', 'logs', 'ckpool.conf']));
    expect(processesUnder(place)).toEqual([]);
  });

  it('leaves nothing running when the impatient interrupt it twice', async () => {
    const { child, ended, said } = startDemo();
    await said(/finds block/);
    child.kill('SIGINT');
    child.kill('SIGTERM');
    const { status } = await ended;
    expect([130, 143]).toContain(status);
    expectNothingLeft();
  });

  it('says how it is used', async () => {
    const { status, stdout } = await startDemo('--help').ended;
    expect(status).toBe(0);
    expect(stdout).toMatch(/Examples:\n {2}\.\/accounting\.sh demo\n/);
  });

  it('refuses an option that it does not know, in one sentence', async () => {
    const { status, stdout, stderr } = await startDemo('--kep').ended;
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});
