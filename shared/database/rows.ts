// Rows on their way out and in: those of a statement written as text, which the engines hand over in
// different wrappings, and those of a long INSERT, of which no engine takes any number at once.
import type { Knex } from 'knex';

/** Works inside and outside a transaction. The caller vouches for the shape of a row. */
export async function rowsOf<Row>(
  knex: Knex,
  sql: string,
  bindings: readonly Knex.RawBinding[] = [],
): Promise<Row[]> {
  const answer: unknown = await knex.raw(sql, [...bindings]);
  const [first] = answer as [unknown];
  // mysql2 answers [rows, fields], SQLite the rows.
  return (Array.isArray(first) ? first : answer) as Row[];
}

const rows_per_statement = 500;

/** The rows in order, as many at a time as go into one statement on either engine. */
export function* inBatches<T>(items: readonly T[], most = rows_per_statement): Generator<T[]> {
  for (let start = 0; start < items.length; start += most) yield items.slice(start, start + most);
}
