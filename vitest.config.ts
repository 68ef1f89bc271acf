// The projects: `core` (pure, milliseconds), `edges` (real files, databases and nodes, one at a time per file),
// `scenarios` (both daemons as processes), `cluster` (the same on three Galera nodes). `npm test` runs all but
// `cluster`, which takes minutes of its own: `npm run test:cluster`.
import { defineConfig } from 'vitest/config';

const everywhere = ['accounting', 'payments', 'shared', 'lab', 'tests', 'bench'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'core',
          include: ['accounting/core/**/*.test.ts', 'payments/core/**/*.test.ts', 'shared/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'edges',
          include: everywhere.map((folder) => `${folder}/**/*.test.ts`),
          exclude: ['accounting/core/**', 'payments/core/**', 'shared/*.test.ts', 'tests/**', 'node_modules/**', 'dist/**'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'scenarios',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/cluster/**'],
          testTimeout: 600_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['tests/cluster/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
