// Ports to which nothing happens: for what looks at a simulated pool from outside.
import type { DatabaseFaults } from './database.js';

export const nothing_happens: DatabaseFaults = {
  connecting: async () => undefined,
  statement: () => null,
  commit: () => 'done',
  kill: () => undefined,
};
