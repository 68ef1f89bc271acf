// Bootstrap: the files of a hundred thousand users read by the daemon's own reader, names listed and counters taken
// out, beside `cat` of the same files by xargs, which only reads them. The sum of all counters must be right.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readAllUsers } from '../../accounting/edges/users-directory.js';
import { userName, userText } from '../counter-pool.js';
import type { Row } from '../row.js';
import { sideBySide } from '../side-by-side.js';
import { manyUsers } from './snapshot-many.js';

const repetitions = 3;
const run = promisify(execFile);

interface Input {
  readonly users_directory: string;
  readonly users: number;
  readonly shares_total: bigint;
}

export const usersDirectory: Row<Input> = {
  name: 'users-directory',
  async prepare(bench) {
    const users = manyUsers(bench);
    bench.say(`${users} files of users/`);
    const users_directory = join(bench.directory, 'users');
    mkdirSync(users_directory);
    const second = Math.floor(Date.now() / 1_000);
    let shares_total = 0n;
    for (let user = 0; user < users; user += 1) {
      const shares = BigInt(bench.random.integer(0, 1_000_000) * 64);
      shares_total += shares;
      writeFileSync(join(users_directory, userName(user)), `${userText(shares, second, bench.random)}\n`);
    }
    return { users_directory, users, shares_total };
  },
  async measure({ users_directory, users, shares_total }, { stop }) {
    const { ours, cat } = await sideBySide({
      ours: async () => {
        const readings = await readAllUsers(users_directory);
        let sum = 0n;
        for (const reading of readings.values()) if ('counter' in reading) sum += reading.counter;
        if (sum !== shares_total) throw new Error(`the sum is ${sum} and not ${shares_total}: no speed counts`);
        return readings.size;
      },
      cat: async () => {
        await run('sh', ['-c', "printf '%s\\0' * | xargs -0 cat >/dev/null"], { cwd: users_directory });
        return users;
      },
    }, repetitions, stop);
    if (ours.result !== users) throw new Error(`${ours.result} files were read and not ${users}`);
    return [{
      name: `${users} files of users/ read`,
      value: ours.median_seconds * 1_000, unit: 'ms',
      peer: { name: 'cat of them by xargs', value: cat.median_seconds * 1_000 },
      ratio_as: 'time',
      goal: { of: 'ratio', bound: 'at most', limit: 2 },
    }];
  },
};
