// Rows of a statement written as text: the engines hand them over in different wrappings.
import type { Knex } from 'knex';

/** Works inside and outside a transaction. The caller vouches for the shape of a row. */
export async function rowsOf<Row>(knex: Knex, sql: string, bindings: readonly Knex.RawBinding[] = []): Promise<Row[]> {
  const answer: unknown = await knex.raw(sql, [...bindings]);
  const [first] = answer as [unknown];
  // mysql2 answers [rows, fields], SQLite the rows.
  return (Array.isArray(first) ? first : answer) as Row[];
}
