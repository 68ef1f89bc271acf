// The exhaustive tier as a command: a row for each story, and what was found.
import { exhaust, type ExhaustiveResult } from './exhaustive.js';
import { scenarios } from './scenarios.js';

export async function runExhaustive({ everyPair, json }: { everyPair: number; json?: boolean }): Promise<number> {
  const started_ms = performance.now();
  const rows: ExhaustiveResult[] = [];
  let tellings = 0;
  const timer = setInterval(() => process.stderr.write(`${tellings} tellings\n`), 10_000);
  for (const scenario of scenarios) {
    const row = await exhaust(scenario, { every_pair: everyPair, onTelling: () => { tellings += 1; } });
    rows.push(row);
    if (!json) say(`${String(row.effects).padStart(3)} effects ${String(row.points).padStart(4)} points ${String(row.pairs).padStart(6)} pairs  ${row.scenario}`);
    for (const violation of row.violations) process.stderr.write(`${row.scenario}: ${violation}\n`);
  }
  clearInterval(timer);
  const seconds = Math.round((performance.now() - started_ms) / 1000);
  const failed = rows.reduce((sum, { violations }) => sum + violations.length, 0);
  if (json) say(JSON.stringify({ rows, seconds }));
  else say(`${tellings} tellings in ${seconds} s, ${failed} violations`);
  return failed === 0 ? 0 : 1;
}

const say = (text: string): boolean => process.stdout.write(`${text}\n`);
