// Many rows of whole numbers and fixed words in one statement, written as text: with placeholders the driver and the
// query builder together take about as long over a row as the database does. Anything else but a whole number,
// a lower-case word of ours and NULL is refused, so that no byte from outside can become SQL here.
import type { Knex } from 'knex';

/** About 200 kB of text: far below what any server takes at once, and beyond it nothing gets faster. */
const rows_per_statement = 5_000;

export type PlainValue = bigint | number | string | null;

/** In the order given. @throws RangeError for a value that is no whole number and no lower-case word. */
export async function insertRows(
  knex: Knex, table: string, columns: readonly string[], rows: readonly (readonly PlainValue[])[],
): Promise<void> {
  for (const name of [table, ...columns]) requireWord(name);
  const head = `INSERT INTO ${table} (${columns.join(', ')}) VALUES `;
  for (let start = 0; start < rows.length; start += rows_per_statement) {
    const texts = rows.slice(start, start + rows_per_statement).map((row) => `(${row.map(literal).join()})`);
    await knex.raw(head + texts.join());
  }
}

function literal(value: PlainValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'string') return `'${requireWord(value)}'`;
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new RangeError(`${value} is no whole number`);
  return value.toString();
}

function requireWord(text: string): string {
  if (!/^[a-z_]+$/.test(text)) throw new RangeError(`${JSON.stringify(text)} is no plain lower-case word`);
  return text;
}
