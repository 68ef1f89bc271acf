// Runs rows one after another, each in a directory of its own under one temporary directory. Whatever a row
// started is stopped before the next begins, also when it fails or the bench is told to stop; the temporary
// directory goes last. A row that fails ends the bench: a table with a hole would read as a measurement.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '../lab/random.js';
import { lineOf, type Bench, type Line, type RunnableRow } from './row.js';

export interface RunPlan {
  readonly rows: readonly RunnableRow[];
  readonly size_bytes: number;
  readonly users: number;
  readonly ledger_entries: number;
  readonly blocks: number;
  readonly seed: string;
  readonly stop: AbortSignal;
  readonly say: (text: string) => void;
}

export async function runRows(plan: RunPlan): Promise<readonly Line[]> {
  const directory = mkdtempSync(join(tmpdir(), 'pool-bench-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  // Should the process end by itself in the middle.
  process.once('exit', remove);
  try {
    const lines: Line[] = [];
    for (const row of plan.rows) lines.push(...(await runRow(row, plan, join(directory, row.name))));
    return lines;
  } finally {
    process.off('exit', remove);
    remove();
  }
}

async function runRow(row: RunnableRow, plan: RunPlan, directory: string): Promise<Line[]> {
  plan.stop.throwIfAborted();
  const started_ms = performance.now();
  const undone: (() => Promise<void> | void)[] = [];
  const say = (text: string): void => plan.say(`${row.name}: ${text}`);
  const bench: Bench = {
    directory,
    size_bytes: plan.size_bytes,
    users: plan.users,
    ledger_entries: plan.ledger_entries,
    blocks: plan.blocks,
    // Of the row's own, so that a row alone has the same input as among others.
    random: createRandom(`${plan.seed}/${row.name}`),
    stop: plan.stop,
    say,
    defer: (undo) => { undone.push(undo); },
  };
  mkdirSync(directory);
  try {
    const lines = (await row.run(bench)).map(lineOf);
    say(`done in ${Math.round((performance.now() - started_ms) / 1_000)} s`);
    return lines;
  } finally {
    for (const undo of undone.reverse()) await undo();
    rmSync(directory, { recursive: true, force: true });
  }
}
