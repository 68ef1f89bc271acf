// `npm test`: installs what is missing, then lint, types, build and every test, and ends with one line
// `N passed, N failed`. Works on a fresh clone, so it uses nothing but Node itself. What is given after
// `npm test --` goes to vitest. Under CI=true a skipped test is a failed one.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDebianPackages } from './debian-packages.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = (name) => join(root, 'node_modules', name);
let stopped = false;
// The children get the terminal's signal as well; this process waits for them and goes last.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { stopped = true; });

if (Number(process.versions.node.split('.')[0]) < 20) {
  finish(0, 1, `Node.js 20 or newer is needed, found ${process.versions.node}.`);
}
if (await run('packages', 'sh', [join(root, 'lab/setup/setup.sh'), 'packages']) !== 0) {
  finish(0, 1, 'The npm packages could not be installed.');
}
const missing = await installDebianPackages();
if (missing !== null) finish(0, 1, missing);

const failed_checks = [];
await check('lint', [bin('eslint/bin/eslint.js'), '.']);
await check('types', [bin('typescript/bin/tsc'), '--noEmit', '-p', 'tsconfig.json']);
await check('build', [join(root, 'lab/setup/build.mjs')]);
const tests = await runTests(process.argv.slice(2));

const skipped_count = process.env.CI === 'true' ? tests.skipped : 0;
if (skipped_count > 0) console.log(`${skipped_count} skipped: under CI=true no test may be skipped.`);
if (failed_checks.length > 0) console.log(`failed beside the tests: ${failed_checks.join(', ')}`);
finish(tests.passed, tests.failed + failed_checks.length + skipped_count);

async function check(name, parameters) {
  if (await run(name, process.execPath, parameters) !== 0) failed_checks.push(name);
}

async function runTests(parameters) {
  // Three database nodes under load take their time: `npm run test:cluster` runs that project.
  const chosen = parameters.some((word) => word.startsWith('--project')) ? parameters : ['--project', '!cluster', ...parameters];
  const directory = mkdtempSync(join(tmpdir(), 'obtc-test-'));
  const report = join(directory, 'report.json');
  try {
    const status = await run('tests', process.execPath, [
      bin('vitest/vitest.mjs'), 'run', '--reporter=default', '--reporter=json',
      `--outputFile.json=${report}`, ...chosen,
    ]);
    return countTests(report, status);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A file that fails to load holds no tests, and an error between tests is nobody's: both count as one. */
function countTests(report, status) {
  let result;
  try {
    result = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const broken_files = result.testResults.filter((file) => file.status === 'failed'
    && !file.assertionResults.some((test) => test.status === 'failed')).length;
  const failed = result.numFailedTests + broken_files;
  return {
    passed: result.numPassedTests,
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: result.numPendingTests + result.numTodoTests,
  };
}

function run(name, command, parameters) {
  if (stopped) return Promise.resolve(130);
  console.log(`\n== ${name}`);
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', () => resolve(127));
    child.on('close', (status) => resolve(status ?? 1));
  });
}

function finish(passed, failed, sentence) {
  if (sentence) console.log(sentence);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(stopped ? 130 : failed > 0 || passed === 0 ? 1 : 0);
}
