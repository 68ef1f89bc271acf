// A process that dies at a chosen commit: for tests of what a crash leaves behind. Nothing is mocked: the database is
// the real one until then, and afterwards every transaction of the dead process fails.
import type { Database } from '../shared/database/database.js';

export class KilledHere extends Error {
  constructor() { super('killed here'); }
}

/** Dies at its n-th commit (from 1): `before` leaves nothing of it, `after` all of it. */
export function dyingAt(database: Database, fatal: number, when: 'before' | 'after'): Database {
  let commits = 0;
  let dead = false;
  return {
    ...database,
    knex: database.knex,
    transaction: async (work) => {
      if (dead) throw new KilledHere();
      commits += 1;
      if (commits !== fatal) return database.transaction(work);
      dead = true;
      if (when === 'after') await database.transaction(work);
      throw new KilledHere();
    },
  };
}
