// A command's answer on stdout: one JSON document, or a table. On a terminal the table has lines; in a pipe
// it is plain columns, for grep and awk. No byte beyond printable ASCII gets through, whoever chose it.
import { loadTable } from './packages.js';

export interface Column {
  readonly heading: string;
  /** Numbers stand to the right. */
  readonly align?: 'left' | 'right';
}

export type Cell = string | number | bigint | boolean | null | undefined;

/** Big integers become decimal strings; other characters than ASCII become JSON escapes. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(
    value,
    (_, part: unknown) => (typeof part === 'bigint' ? part.toString() : part),
    2,
  );
  return text.replace(/[^\n -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${jsonText(value)}\n`);
}

export function printLines(lines: Iterable<string>): void {
  for (const line of lines) process.stdout.write(`${printableCell(line)}\n`);
}

export function printTable(columns: readonly Column[], rows: readonly (readonly Cell[])[]): void {
  const texts = rows.map((row) => columns.map((_, index) => printableCell(row[index])));
  process.stdout.write(process.stdout.isTTY ? linedTable(columns, texts) : plainTable(columns, texts));
}

function linedTable(columns: readonly Column[], rows: readonly string[][]): string {
  const Table = loadTable();
  const table = new Table({
    head: columns.map((column) => column.heading),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows);
  return `${table.toString()}\n`;
}

export function plainTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const headings = columns.map((column) => column.heading);
  const widths = columns.map((_, index) =>
    Math.max(...[headings, ...rows].map((row) => row[index]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return columns[index]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [headings, ...rows].map((cells) => `${line(cells)}\n`).join('');
}

/** Nothing is `-`; control bytes and the like are shown as their codes. */
function printableCell(value: Cell): string {
  if (value === null || value === undefined) return '-';
  return String(value).replace(/[^ -~]/g, (one) => {
    const code = one.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
