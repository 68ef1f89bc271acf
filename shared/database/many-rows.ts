// A long INSERT at the speed of the engine: one statement of many rows, its values as text. Only whole numbers, NULL,
// bytes and plain words of ours can be values, and bytes are written as hex digits, so that there is nothing to escape
// and nothing to get wrong. For a handful of rows, and for any other value, use knex.
import type { Knex } from 'knex';

/** A lower-case word of ours, such as the name of an account. Text as such is no value: it might come from outside. */
export interface Word {
  readonly word: string;
}

/** Buffer: a name or other bytes. */
export type Value = bigint | number | null | Buffer | Word;

export interface Insertion {
  readonly table: string;
  readonly columns: readonly string[];
  /** What becomes of a row whose key is there already; an error unless this is given. */
  readonly present?: { readonly key: string; readonly update: readonly string[] | 'nothing' };
}

/** Below what any server takes in one packet by default, and enough that more in one statement is no faster. */
const statement_length_max = 512 * 1024;

/** In order, inside a transaction. Names of tables and columns are the caller's own words, never data. */
export async function insertRows(
  transaction: Knex.Transaction, { table, columns, present }: Insertion, rows: Iterable<readonly Value[]>,
): Promise<void> {
  const is_sqlite = (transaction.client as Knex.Client).dialect === 'sqlite3';
  const ignores = present?.update === 'nothing' && !is_sqlite;
  const head = `INSERT ${ignores ? 'IGNORE ' : ''}INTO ${table} (${columns.join(', ')}) VALUES `;
  const tail = present === undefined ? '' : is_sqlite ? onConflict(present) : onDuplicate(present);
  let text = '';
  for (const row of rows) {
    text += text === '' ? `${head}(` : ',(';
    for (let column = 0; column < columns.length; column += 1) {
      text += column === 0 ? literal(row[column]) : `,${literal(row[column])}`;
    }
    text += ')';
    if (text.length < statement_length_max) continue;
    await transaction.raw(text + tail);
    text = '';
  }
  if (text !== '') await transaction.raw(text + tail);
}

/** The places of these keys in rising order, so that the engine adds rows at its end. */
export const inOrderOf = (keys: readonly number[]): Uint32Array =>
  Uint32Array.from(keys, (_, index) => index).sort((one, other) => keys[one]! - keys[other]!);

/** One row at a time: a hundred thousand at once would be more memory than all else. */
export function* rowsOfEach<Item>(
  items: Iterable<Item>, rowOf: (item: Item) => readonly Value[] | null,
): Generator<readonly Value[]> {
  for (const item of items) {
    const row = rowOf(item);
    if (row !== null) yield row;
  }
}

const onDuplicate = ({ update }: NonNullable<Insertion['present']>): string => (update === 'nothing' ? ''
  : ` ON DUPLICATE KEY UPDATE ${update.map((column) => `${column} = VALUES(${column})`).join(', ')}`);

const onConflict = ({ key, update }: NonNullable<Insertion['present']>): string => ` ON CONFLICT (${key}) DO ${
  update === 'nothing' ? 'NOTHING' : `UPDATE SET ${update.map((column) => `${column} = excluded.${column}`).join(', ')}`}`;

/** @throws RangeError for what has no such text. */
export function literal(value: Value | undefined): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (value === null) return 'NULL';
  if (Buffer.isBuffer(value)) return `X'${value.toString('hex')}'`;
  if (typeof value === 'object' && typeof value.word === 'string' && /^[a-z_]+$/.test(value.word)) return `'${value.word}'`;
  throw new RangeError(`no whole number, plain word, bytes or NULL: ${typeof value}`);
}
