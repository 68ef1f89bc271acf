import { expect, test } from 'vitest';
import { splitStatements } from './statements.js';

const cases: [string, string, string[]][] = [
  ['nothing', '  -- only a comment\n', []],
  ['two statements, the last without an end', 'SELECT 1;\nSELECT 2', ['SELECT 1', 'SELECT 2']],
  ['a semicolon in text', "INSERT INTO a VALUES ('x;''y;');SELECT 1;", ["INSERT INTO a VALUES ('x;''y;')", 'SELECT 1']],
  ['a semicolon in a name', 'SELECT "a;b", `c;d`;', ['SELECT "a;b", `c;d`']],
  ['a semicolon and a quote in comments', "-- it's; one\nSELECT /* it's; two */ 1; -- three;", ['SELECT   1']],
  ['the body of a trigger', 'CREATE TRIGGER t BEFORE UPDATE ON a BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 3; END;\nSELECT 4;',
    ['CREATE TRIGGER t BEFORE UPDATE ON a BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 3; END', 'SELECT 4']],
  ['a CASE outside a trigger', 'SELECT CASE WHEN 1 THEN 2 END; SELECT 3;', ['SELECT CASE WHEN 1 THEN 2 END', 'SELECT 3']],
];

test.each(cases)('%s', (_, text, expected) => {
  expect(splitStatements(text)).toEqual(expected);
});

test('a schema with a hundred thousand comments is cut at once', () => {
  const began = process.cpuUsage();
  expect(splitStatements(`${'-- a word\n'.repeat(100_000)}SELECT 1;`)).toEqual(['SELECT 1']);
  const { user, system } = process.cpuUsage(began);
  expect((user + system) / 1000).toBeLessThan(2_000);
});
