// Tidy is a test. What a reader relies on when he opens the tree is held here, because nobody looks at it
// otherwise: small files, a pure core, tables that are explained, tests that are switched on, defects of the old
// tool that are either covered by a test or listed as open.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));
const lines_max = 320;
const defects = 38;

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

function filesUnder(folders: readonly string[], ending: RegExp): string[] {
  return folders.filter((folder) => existsSync(join(root, folder))).flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => ending.test(file)).map((file) => join(folder, file)));
}

const sources = filesUnder(['accounting', 'payments', 'shared', 'lab'], /\.(?:ts|mjs|sh)$/).filter((file) => !/\.(?:test|fixture)\.ts$/.test(file));
const tests = filesUnder(['accounting', 'payments', 'shared', 'lab', 'tests', 'bench'], /\.test\.ts$/);
const documents = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'ckpool.conf', ...filesUnder(['docs', 'sql', 'tests'], /\.(?:md|sql)$/),
  ...filesUnder(['accounting', 'payments', 'lab'], /\.(?:md|service)$/)].filter((file) => existsSync(join(root, file)));

/** Lines that match, as `file:line`. */
function found(files: readonly string[], words: RegExp): string[] {
  return files.flatMap((file) => read(file).split('\n').flatMap((line, index) => (words.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])));
}

describe('the tree', () => {
  it('has no file that is too long to be read in one go', () => {
    expect(sources.map((file) => [file, read(file).split('\n').length] as const).filter(([, lines]) => lines > lines_max)).toEqual([]);
  });

  it('says at the head of each source file what it is for', () => {
    expect(sources.filter((file) => !/^(?:#!.*\n)?(?:\/\/|#|\/\*) ?\S/.test(read(file)))).toEqual([]);
  });

  it('has no test that is switched off or runs alone', () => {
    expect(found(tests, /\b(?:it|test|describe)(?:\.\w+)*\.(?:only|skip|todo|skipIf|runIf)\b/)).toEqual([]);
  });

  it('leaves nothing for later in a comment and prints nothing past the logger', () => {
    expect(found([...sources, ...tests].filter((file) => !file.endsWith('architecture.test.ts')), /\b(?:TODO|FIXME|XXX|HACK)\b/)).toEqual([]);
    expect(found(sources.filter((file) => !file.startsWith('lab/setup/')), /\bconsole\.\w+\(/)).toEqual([]);
  });

  it('depends on no machine and no registry', () => {
    const everything = [...sources, ...tests, ...documents, 'package.json', 'package-lock.json', 'accounting.sh', '.ci/run'];
    const here = [root.slice(0, -1), homedir()].map((place) => `${place}/`.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    expect(found(everything, new RegExp(here.join('|')))).toEqual([]);
    expect(found(['package-lock.json'], /"resolved":/)).toEqual([]);
  });
});

describe('a command', () => {
  it('does not wait for a package that it does not use: what loads slowly is loaded by shared/packages.ts alone', () => {
    const programs = sources.filter((file) => /^(?:accounting|payments|shared)\//.test(file));
    expect(found(programs, /^import (?!type ).*'(?:bitcoin-core|knex|mysql2|mysql2\/promise|winston|cli-table3)'/)).toEqual([]);
    expect(found(programs, /\brequire\('(?!knex\/lib\/dialects\/)/).filter((line) => !line.startsWith('shared/packages.ts:'))).toEqual([]);
  });
});

describe('SQL', () => {
  it('stands in a store of the daemon that owns it, nowhere else', () => {
    const elsewhere = sources.filter((file) => /^(?:accounting|payments)\//.test(file) && !/\/edges\/|\.fixture\.ts$/.test(file));
    expect(found(elsewhere, /\b(?:knex|transaction)(?:<[^(]*>)?\(['"`]|\bknex\.raw\(/)).toEqual([]);
  });
});

describe('core/', () => {
  const core = sources.filter((file) => /^(?:accounting|payments)\/core\//.test(file));
  const importsOf = (file: string): string[] => [...read(file).matchAll(/^(?:import|export)[^;]*?from '([^']+)'/gm)].map(([, from]) => from!);

  it('is there, and imports only itself and the plain values of shared/', () => {
    expect(core.length).toBeGreaterThan(15);
    const allowed = /^(?:\.\/[\w-]+\.js|\.\.\/\.\.\/shared\/(?:units|amount|username|errors)\.js|node:crypto)$/;
    expect(core.flatMap((file) => importsOf(file).filter((from) => !allowed.test(from)).map((from) => `${file} imports ${from}`)
      .filter((fault) => !/import type/.test(lineOf(fault))))).toEqual([]);
  });

  it('has a test beside each module that is more than a table of values', () => {
    const tested = (file: string): boolean => {
      const name = /([\w-]+)\.ts$/.exec(file)![1]!;
      return tests.some((test) => read(test).includes(`/${name}.js'`));
    };
    const reachable = new Set(core.filter(tested));
    for (const file of core) for (const from of reachable.has(file) ? importsOf(file) : []) {
      const target = core.find((other) => other.endsWith(from.replace(/^\.\//, '/').replace(/\.js$/, '.ts')));
      if (target) reachable.add(target);
    }
    expect(core.filter((file) => !reachable.has(file))).toEqual([]);
  });

  /** The statement behind a fault, to let pass what is a type only. */
  function lineOf(fault: string): string {
    const [file = '', from = ''] = fault.split(' imports ');
    return read(file).split('\n').find((line) => line.includes(`from '${from}'`)) ?? '';
  }

  it('knows no floating point where money or shares are', () => {
    expect(found(core, /\bparseFloat\b|\.toFixed\(|Math\.(?:round|floor|random)\(.*_?sats/)).toEqual([]);
  });
});

describe('the two daemons', () => {
  it('share nothing but shared/ and the database', () => {
    const importing = (folder: string, other: string) =>
      found(sources.filter((file) => file.startsWith(`${folder}/`)), new RegExp(`from '(?:\\.\\./)+${other}/`));
    expect([...importing('accounting', 'payments'), ...importing('payments', 'accounting')]).toEqual([]);
    expect([...importing('shared', 'accounting'), ...importing('shared', 'payments'), ...importing('shared', 'lab')]).toEqual([]);
    expect([...importing('accounting', 'lab'), ...importing('payments', 'lab')]).toEqual([]);
  });
});

describe('the schema', () => {
  const tablesOf = (engine: string): string[] => filesUnder([`sql/${engine}`], /^\d{3}_.*\.sql$/)
    .flatMap((file) => [...read(file).matchAll(/^CREATE [A-Z =]*?\b(?:TABLE|VIEW) (?:IF NOT EXISTS )?[`"]?(\w+)/gmi)].map(([, name]) => name!)).sort();

  it('is the same on both engines, file by file and table by table', () => {
    const files = (engine: string) => readdirSync(join(root, 'sql', engine)).filter((file) => /^\d{3}_/.test(file)).sort();
    expect(files('mysql')).toEqual(files('sqlite'));
    expect(tablesOf('sqlite').length).toBeGreaterThan(20);
    expect(tablesOf('mysql')).toEqual(tablesOf('sqlite'));
  });

  it('has no table that sql/README.md does not explain', () => {
    const explained = read('sql/README.md');
    expect(tablesOf('sqlite').filter((table) => !explained.includes(`\`${table}\``))).toEqual([]);
  });
});

describe('each defect D-1 … D-38 of the tool that this one replaces', () => {
  const readme = read('tests/README.md');
  const row = (number: number): string => readme.split('\n').find((line) => line.startsWith(`| D-${number} |`)) ?? '';
  const titles = tests.filter((file) => !file.endsWith('architecture.test.ts'))
    .flatMap((file) => [...read(file).matchAll(/(['"`])(?:(?!\1).)*\(D-\d[^)]*\)\1/g)].map(([title]) => ({ file, title })));
  const covers = (title: string, number: number): boolean => new RegExp(`\\bD-${number}\\b`).test(title);

  it.each(Array.from({ length: defects }, (_, index) => index + 1))('D-%i is in the title of a test or listed as open in tests/README.md', (number) => {
    const covering = titles.filter(({ title }) => covers(title, number)).map(({ file }) => file);
    expect(row(number), `tests/README.md has no row for D-${number}`).not.toBe('');
    if (row(number).includes('**open**')) expect(covering).toEqual([]);
    else expect(covering, `no test names D-${number}`).toContainEqual(expect.stringMatching(/./));
  });

  it('the files that tests/README.md names do name them', () => {
    for (let number = 1; number <= defects; number += 1) {
      for (const [, file] of row(number).matchAll(/`([\w/.-]+\.test\.ts)`/g)) {
        expect(titles.some((one) => one.file === file && covers(one.title, number)), `${file} does not name D-${number}`).toBe(true);
      }
    }
  });
});
