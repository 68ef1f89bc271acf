// Ten thousand share logs that grow at once, as after days at one height: how long from the appended lines to all
// of them read and committed, beside `cat` of the same files; and what a look costs that finds nothing new,
// beside a bare stat of each file. The daemon's own steps, in this process, on SQLite.
import { execFile } from 'node:child_process';
import { appendFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openAccounting, type AccountingRun } from '../../lab/accounting.js';
import type { Database } from '../../shared/database/database.js';
import type { Bench, Measurement, Row } from '../row.js';
import { createShareLines, line_bytes_max, workInfo, writeShareLog, type ShareLines } from '../share-lines.js';
import { committedTo, countedWork, createSharePool, openMigrated } from '../share-pool.js';
import { median, sideBySide } from '../side-by-side.js';

const files_total = 10_000;
const repetitions = 7;
const run = promisify(execFile);

interface Input {
  readonly share_directory: string;
  readonly lines: ShareLines;
  readonly database: Database;
  readonly accounting: AccountingRun;
}

export const shareFiles: Row<Input> = {
  name: 'share-files',
  async prepare({ directory, users, random, say, defer }) {
    const pool = await createSharePool(directory);
    defer(() => pool.close());
    say(`${files_total} share logs`);
    const lines = createShareLines(users, random);
    for (let counter = 1; counter <= files_total; counter += 1) {
      lines.setWork(workInfo(counter));
      writeShareLog(join(pool.share_directory, `${workInfo(counter)}.sharelog`), lines, 1_500);
    }
    const database = await openMigrated({ engine: 'sqlite', file: join(directory, 'pool.sqlite') });
    defer(() => database.close());
    const accounting = await openAccounting(pool.place(database));
    defer(() => accounting.close());
    await accounting.untilIdle();
    return { share_directory: pool.share_directory, lines, database, accounting };
  },
  async measure(input, bench) {
    await requireAllCounted(input);
    return [...(await growth(input, bench)), await look(input, bench)];
  },
};

async function growth(input: Input, { say, stop }: Bench): Promise<Measurement[]> {
  say('one line more in each of them, then read and committed');
  const ours: number[] = [];
  const cat: number[] = [];
  for (let round = 0; round <= repetitions; round += 1) {
    stop.throwIfAborted();
    appendToAll(input);
    const cat_seconds = await seconds(() => run('sh', ['-c', `cat ${input.share_directory}/* >/dev/null`]));
    const our_seconds = await seconds(() => input.accounting.untilIdle());
    await requireAllCounted(input);
    if (round === 0) continue;
    cat.push(cat_seconds);
    ours.push(our_seconds);
  }
  return [{
    name: `${files_total} share logs grown at once`,
    value: median(ours), unit: 's',
    peer: { name: 'cat of them', value: median(cat) },
    ratio_as: 'time',
    goal: { of: 'value', bound: 'at most', limit: 1 },
  }];
}

/** Nothing new: what each look costs. */
async function look({ accounting, share_directory }: Input, { say, stop }: Bench): Promise<Measurement> {
  say('a look that finds nothing new');
  const { ours, stat } = await sideBySide({
    ours: async () => { await accounting.untilIdle(); return files_total; },
    stat: async () => statAll(share_directory),
  }, repetitions, stop);
  return {
    name: `a look at ${files_total} share logs`,
    value: ours.median_seconds * 1_000, unit: 'ms',
    peer: { name: 'a bare stat of each', value: stat.median_seconds * 1_000 },
    ratio_as: 'time',
    goal: { of: 'ratio', bound: 'at most', limit: 2 },
  };
}

function statAll(directory: string): number {
  let files = 0;
  for (const name of readdirSync(directory)) if (statSync(join(directory, name)).size > 0) files += 1;
  return files;
}

function appendToAll({ share_directory, lines }: Input): void {
  const line = Buffer.allocUnsafe(line_bytes_max);
  for (let counter = 1; counter <= files_total; counter += 1) {
    lines.setWork(workInfo(counter));
    const end = lines.next(line, 0);
    appendFileSync(join(share_directory, `${workInfo(counter)}.sharelog`), line.subarray(0, end));
  }
}

async function requireAllCounted({ share_directory, lines, database }: Input): Promise<void> {
  const committed = await committedTo(database);
  for (const name of readdirSync(share_directory)) {
    const size = statSync(join(share_directory, name)).size;
    if (committed.get(name.slice(0, 16)) !== size) throw new Error(`${name} was not read to its end`);
  }
  const work = await countedWork(database);
  if (work !== lines.accepted_work) throw new Error(`counted ${work} and not ${lines.accepted_work}`);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started_ms = performance.now();
  await work();
  return (performance.now() - started_ms) / 1_000;
}
