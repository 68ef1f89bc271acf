// No fault of docs/faults.md is without a test: the table there and the titles `fault NN: …` are compared, both ways.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const rows_from = 1;
const rows_to = 42;
const folders = ['accounting', 'payments', 'shared', 'lab', 'tests'];

const table = readFileSync(join(root, 'docs/faults.md'), 'utf8').split('\n').flatMap((line) => {
  const [, number, fault, happens, tests] = /^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$/.exec(line) ?? [];
  return number === undefined ? [] : [{ number: Number(number), fault, happens, tests: [...tests!.matchAll(/`([^`]+)`/g)].map(([, file]) => file!) }];
});

const titled = folders.flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts')).map((file) => `${folder}/${file}`))
  .flatMap((file) => [...readFileSync(join(root, file), 'utf8').matchAll(/\(\s*['"`]fault (\d+): \S/g)].map(([, number]) => ({ file, number: Number(number) })));

const filesOf = (number: number): string[] => [...new Set(titled.filter((title) => title.number === number).map(({ file }) => file))].sort();

it('the table has each row once, in order', () => {
  const wanted = Array.from({ length: rows_to - rows_from + 1 }, (_, index) => rows_from + index);
  expect(table.map(({ number }) => number).filter((number) => number >= rows_from && number <= rows_to)).toEqual(wanted);
  expect(table.filter(({ number }) => number < 1 || number > 42)).toEqual([]);
});

it.each(table)('row $number ($fault) names exactly the files whose tests carry its number', ({ number, tests }) => {
  expect(tests.length).toBeGreaterThan(0);
  expect([...tests].sort()).toEqual(filesOf(number));
});

it('no title carries a number that the table does not have', () => {
  expect(titled.filter(({ number }) => number > 42 || number < 1)).toEqual([]);
});
