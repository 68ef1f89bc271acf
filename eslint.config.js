// The rules that carry the architecture: core/ is pure, the daemons do not import each other, and no
// floating point comes near money or shares.
import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

const effectfulModules = [
  'node:fs', 'node:fs/promises', 'node:net', 'node:http', 'node:https', 'node:child_process',
  'node:os', 'node:process', 'node:timers', 'node:timers/promises', 'fs', 'knex', 'mysql2',
  'better-sqlite3', 'bitcoin-core', 'tail', 'winston', 'commander',
];
const floats = [
  { selector: "CallExpression[callee.name='parseFloat']", message: 'No floating point near money or shares.' },
  { selector: "CallExpression[callee.property.name='toFixed']", message: 'No floating point near money or shares.' },
  { selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']", message: 'core/ has no randomness.' },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'core/ has no clock.' },
];

export default tseslint.config(
  { ignores: ['dist/**', 'dist.*/**', 'node_modules/**', 'coverage/**'] },
  eslint.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js', 'lab/setup/*.mjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['accounting/core/**/*.ts', 'payments/core/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': ['error', {
        paths: effectfulModules,
        patterns: [
          { group: ['**/edges/**', '**/database/**', '**/daemon.js', '**/logger.js', '**/lab/**'], message: 'core/ takes values and returns values.' },
        ],
      }],
      'no-restricted-globals': ['error', 'process', 'setTimeout', 'setInterval', 'fetch', 'performance'],
      'no-restricted-properties': ['error', { object: 'Date', property: 'now', message: 'core/ has no clock.' }],
      'no-restricted-syntax': ['error', ...floats],
    },
  },
  {
    files: ['accounting/**/*.ts'],
    ignores: ['accounting/core/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: ['**/payments/**'], message: 'The daemons share only shared/ and the database.' }] }] },
  },
  {
    files: ['payments/**/*.ts'],
    ignores: ['payments/core/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: ['**/accounting/**'], message: 'The daemons share only shared/ and the database.' }] }] },
  },
  {
    files: ['shared/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: ['**/accounting/**', '**/payments/**', '**/lab/**'], message: 'shared/ knows neither daemon.' }] }] },
  },
  { files: ['**/*.mjs', '**/*.js'], ...tseslint.configs.disableTypeChecked },
  {
    files: ['lab/setup/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly', setTimeout: 'readonly', clearTimeout: 'readonly', setInterval: 'readonly', clearInterval: 'readonly' } },
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.test.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      'no-restricted-imports': 'off',
    },
  },
);
