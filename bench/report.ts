// The answer: one table on stdout (or one JSON document) and the same lines in bench/results/latest.json.
// Of the machine it says what figures depend on, and neither its name nor a path of it.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { plainTable, type Column } from '../shared/print.js';
import type { Line } from './row.js';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gib: number;
  readonly node: string;
}

export interface Report {
  readonly machine: Machine;
  readonly rows: readonly Line[];
}

export function thisMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
  };
}

const columns: readonly Column[] = [
  { heading: 'what' },
  { heading: 'value', align: 'right' },
  { heading: 'unit' },
  { heading: 'peer' },
  { heading: 'ratio', align: 'right' },
  { heading: 'goal' },
  { heading: 'met' },
];

export function tableText({ machine, rows }: Report): string {
  const { cpu, cores, memory_gib, node } = machine;
  const cells = rows.map(({ name, value, unit, peer, ratio, goal, met }) => [
    name, String(value), unit, peer ?? '-', ratio === null ? '-' : String(ratio), goal ?? '-', metText(met),
  ]);
  return `${cpu}, ${cores} cores, ${memory_gib} GiB, Node.js ${node}\n\n${plainTable(columns, cells)}`;
}

const metText = (met: boolean | null): string => (met === null ? '-' : met ? 'yes' : 'NO');

/** Whole or not at all: a bench that dies leaves the results of the one before. */
export function writeReport(file: string, report: Report): void {
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.new`;
  writeFileSync(fresh, `${JSON.stringify(report, null, 2)}\n`);
  renameSync(fresh, file);
}
