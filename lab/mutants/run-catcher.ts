// Runs one catcher in a tree and says what came of it. Caught is only what a named test refused, or a seed of the
// simulator: a file that no longer loads, a title that selects no test, a process that dies or hangs proves
// nothing about the bug, and is told apart. Whatever it starts is one process group, ended as a whole.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Catcher } from './mutant.js';
import type { Tree } from './tree.js';

export type Verdict =
  | { readonly outcome: 'caught'; readonly by: string }
  /** Everything passed. */
  | { readonly outcome: 'passed' }
  | { readonly outcome: 'broken'; readonly why: string };

/** No catcher takes longer; one that does hangs. */
const limit_ms = 240_000;
const simulator = 'lab/simulator/main.js';

export async function runCatcher(catcher: Catcher, tree: Tree, stop: AbortSignal): Promise<Verdict> {
  return catcher.kind === 'tests' ? runTests(catcher, tree, stop) : runSimulator(catcher, tree, stop);
}

interface Ended {
  readonly status: number | null;
  readonly output: string;
}

/** status null: it was ended because it hung, or because we are to stop. */
function run(parameters: readonly string[], tree: Tree, stop: AbortSignal): Promise<Ended> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:VITEST|NODE_OPTIONS|NODE_ENV|TEST|DEV|PROD|MODE)/.test(name));
  const child = spawn(process.execPath, parameters, {
    cwd: tree.root, detached: true, stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(inherited), TMPDIR: tree.temporary, NO_COLOR: '1' },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => { output += part.toString(); });
  return new Promise((resolve) => {
    let ended_by_us = false;
    const end = (): void => {
      ended_by_us = true;
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // It went by itself in this very moment.
      }
    };
    const timer = setTimeout(end, limit_ms);
    stop.addEventListener('abort', end, { once: true });
    const done = (status: number | null): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve({ status: ended_by_us ? null : status, output: output.slice(-4_000) });
    };
    child.on('error', () => done(127));
    child.on('close', done);
  });
}

async function runTests(
  { files, title }: Extract<Catcher, { kind: 'tests' }>, tree: Tree, stop: AbortSignal,
): Promise<Verdict> {
  const report = join(mkdtempSync(join(tree.temporary, 'report-')), 'report.json');
  const { status, output } = await run([
    'node_modules/vitest/vitest.mjs', 'run', ...files, ...(title === undefined ? [] : ['-t', title]),
    '--bail=1', '--maxWorkers=1', '--reporter=json', `--outputFile=${report}`,
  ], tree, stop);
  if (status === null) return { outcome: 'broken', why: 'it hung' };
  if (!existsSync(report)) return { outcome: 'broken', why: lastLine(output) };
  return verdictOf(JSON.parse(readFileSync(report, 'utf8')) as Report, status);
}

export interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** These come from a bug that broke the program instead of its promise. */
const no_judgement = /^(?:ReferenceError|SyntaxError)\b/;

export function verdictOf({ testResults }: Report, status: number): Verdict {
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = all.filter((test) => test.status === 'failed');
  const refused = failed.find(({ failureMessages: [first = ''] }) => !no_judgement.test(first));
  if (refused) return { outcome: 'caught', by: refused.fullName };
  if (failed[0]) return { outcome: 'broken', why: failed[0].failureMessages[0]?.split('\n')[0] ?? 'a test broke' };
  const unloaded = testResults.find((file) => file.status === 'failed');
  if (unloaded) return { outcome: 'broken', why: `a test file does not load: ${unloaded.message.split('\n')[0] ?? ''}` };
  if (!all.some((test) => test.status === 'passed')) return { outcome: 'broken', why: 'no test was run' };
  return status === 0 ? { outcome: 'passed' } : { outcome: 'broken', why: 'an error between the tests' };
}

async function runSimulator(
  { seeds, seed }: Extract<Catcher, { kind: 'simulate' }>, tree: Tree, stop: AbortSignal,
): Promise<Verdict> {
  const main = tree.program === null ? null : join(tree.program, simulator);
  if (main === null || !existsSync(main)) return { outcome: 'broken', why: `${simulator} is not compiled here` };
  const from = seed === undefined ? [] : ['--seed', String(seed)];
  const { status, output } = await run([main, '--fail-fast', '--workers', '1', '--seeds', String(seeds), ...from], tree, stop);
  if (status === 0) return { outcome: 'passed' };
  // Status 1 is a violation that was found; everything else is the simulator's own trouble.
  const found = status === 1 ? [...output.matchAll(/\bseed[ =:]+(\d+)/gi)].at(-1)?.[1] : undefined;
  if (found !== undefined) return { outcome: 'caught', by: `seed ${found}` };
  return { outcome: 'broken', why: status === null ? 'it hung' : lastLine(output) };
}

const lastLine = (output: string): string => output.trim().split('\n').at(-1) ?? '';
