// That the planted bugs can be planted, and that the runner's word is worth something: caught is only what a test
// refused. All of them are tried by `npm run test:mutants`; here a few of the quickest.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tests, type Mutant } from './mutants/mutant.js';
import { compiled } from './mutants/patch.js';
import { verdictOf, type Report } from './mutants/run-catcher.js';
import { plantAll, runMutants, type Result } from './mutants/run.js';
import { mutants } from './mutants/table.js';

const root = fileURLToPath(new URL('../', import.meta.url));

async function outcomesOf(chosen: readonly Mutant[], built: string | null = null): Promise<Result[]> {
  const said: string[] = [];
  const results = await runMutants(chosen, {
    root, built, jobs: 2, stop: new AbortController().signal, say: (text) => said.push(text), check_types: false,
  });
  expect(said).toHaveLength(1 + chosen.length);
  return chosen.map((mutant) => results.find((result) => result.mutant === mutant)!);
}

describe('the planted bugs', () => {
  it('still fit their places, and each is a program', () => {
    const planted = plantAll(mutants, root, false);
    expect(planted.filter(({ fault }) => fault !== null).map(({ mutant, fault }) => `${mutant.name}: ${fault}`)).toEqual([]);
  });

  it('are a hundred of all kinds, each with its own name, its harm and catchers that are there', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(100);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    for (const folder of ['accounting/', 'payments/', 'shared/']) {
      expect(mutants.filter(({ file }) => file.startsWith(folder)).length).toBeGreaterThanOrEqual(15);
    }
    for (const { name, harm, catchers } of mutants) {
      expect(harm, name).toMatch(/^\S.*\.$/);
      const files = catchers.flatMap((one) => (one.kind === 'tests' ? one.files : []));
      expect(catchers.length, name).toBeGreaterThan(0);
      expect(files.filter((file) => !existsSync(join(root, file))), name).toEqual([]);
    }
  });

  it('are noticed, a few of them tried here', async () => {
    const names = ['reset-counted-like-prometheus', 'round-runs-backwards', 'change-to-a-foreign-address', 'worker-split-at-the-dot-alone'];
    const results = await outcomesOf(mutants.filter(({ name }) => names.includes(name)));
    expect(results.map(({ mutant, outcome }) => [mutant.name, outcome]).sort()).toEqual(names.map((name) => [name, 'caught']).sort());
    for (const { by } of results) expect(by).not.toBe('');
  }, 120_000);
});

describe('the runner', () => {
  const file = 'shared/username.ts';
  const plant = (name: string, find: string, replacement: string): Mutant =>
    ({ name, harm: 'None.', file, find, replacement, catchers: [tests('shared/username.test.ts')] });

  it('calls caught only what a test refused', async () => {
    const before = readFileSync(join(root, file), 'utf8');
    const results = await outcomesOf([
      plant('real', 'worker.search(/[._]/)', 'worker.search(/[.]/)'),
      plant('harmless', '// Names are bytes.', '// Names are bytes, as ever.'),
      plant('gone', 'this stands nowhere', ''),
      plant('many', 'NameBytes', 'Name'),
      plant('no program', 'worker.search(/[._]/)', 'worker.search('),
      plant('does not load', 'export const username_bytes_max = 127;', "export const username_bytes_max = 127;\nif (username_bytes_max > 0) throw new Error('loaded');"),
      plant('names nothing', 'return worker.slice(0, end < 0', 'return nothing.slice(0, end < 0'),
      { ...plant('nobody asked', 'worker.search(/[._]/)', 'worker.search(/[.]/)'), catchers: [tests('shared/username.test.ts', 'no such title')] },
    ]);
    expect(results.map(({ mutant, outcome }) => `${mutant.name}: ${outcome}`)).toEqual([
      'real: caught', 'harmless: survived', 'gone: broken', 'many: broken', 'no program: broken', 'does not load: broken',
      'names nothing: broken', 'nobody asked: broken',
    ]);
    expect(readFileSync(join(root, file), 'utf8')).toBe(before);
  }, 120_000);

  it('asks the simulator with the bug compiled into it, and takes a seed for an answer', async () => {
    const built = mkdtempSync(join(tmpdir(), 'built-'));
    try {
      const write = (path: string, text: string): void => {
        mkdirSync(dirname(join(built, path)), { recursive: true });
        writeFileSync(join(built, path), text);
      };
      write('shared/username.js', compiled(readFileSync(join(root, file), 'utf8'), file));
      write('lab/simulator/main.js', `
        import { userOfWorker } from '../../shared/username.js';
        const seed = process.argv[process.argv.indexOf('--seed') + 1];
        if (userOfWorker('a_b') === 'a') process.exit(0);
        console.log(process.argv.includes('99') ? 'out of memory' : 'violation: work is lost; seed ' + seed);
        process.exit(process.argv.includes('99') ? 3 : 1);`);
      const real = plant('real', 'worker.search(/[._]/)', 'worker.search(/[.]/)');
      const results = await outcomesOf([
        { ...real, catchers: [{ kind: 'simulate', seeds: 5, seed: 7 }] },
        { ...plant('harmless', '// Names are bytes.', '// Names are bytes, as ever.'), catchers: [{ kind: 'simulate', seeds: 5, seed: 7 }] },
        { ...real, name: 'own trouble', catchers: [{ kind: 'simulate', seeds: 99 }] },
      ], built);
      expect(results.map(({ outcome, by }) => `${outcome}: ${by}`)).toEqual([
        'caught: seed 7', 'survived: simulator, 5 seeds from 7', 'broken: out of memory',
      ]);
    } finally {
      rmSync(built, { recursive: true, force: true });
    }
  }, 120_000);

  const test = (status: string, ...failureMessages: string[]) => ({ status, fullName: 'a promise', failureMessages });
  const report = (status: string, ...assertionResults: ReturnType<typeof test>[]): Report =>
    ({ testResults: [{ name: 'a file', status, message: 'no such module', assertionResults }] });

  it.each([
    ['a test that failed', report('failed', test('passed'), test('failed', 'AssertionError: expected 1 to be 2')), 1, 'caught'],
    ['a broken invariant', report('failed', test('failed', 'InvariantBroken: a belief about money')), 1, 'caught'],
    ['tests that all passed', report('passed', test('passed'), test('skipped')), 0, 'passed'],
    ['a file that does not load', report('failed'), 1, 'broken'],
    ['a name that is not there', report('failed', test('failed', 'ReferenceError: x is not defined')), 1, 'broken'],
    ['no test at all', report('passed', test('skipped')), 0, 'broken'],
    ['an error between the tests', report('passed', test('passed')), 1, 'broken'],
  ] as const)('takes %s for what it is', (_, one, status, outcome) => {
    expect(verdictOf(one, status).outcome).toBe(outcome);
  });
});
