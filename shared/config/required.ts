// What a single key's rule cannot say: keys that are needed only where another is there or absent. Works on
// the document as it stands, so that these faults are told together with all others.
import type { Secrets } from './secrets.js';

type Document = Record<string, unknown>;

export function missingTogether(file: string, document: Document, secrets: Secrets): string[] {
  const faults: string[] = [];
  const node = part(part(document, 'btcd'), 0);
  if (isObject(node) && secrets.rpc_password === null && part(node, 'pass') === undefined) {
    faults.push(
      `${file}: btcd[0].pass is missing; set it, or give the node's RPC password in POOL_RPC_PASS.`,
    );
  }
  const sql = part(part(document, 'parser'), 'sql');
  if (isObject(sql) && part(sql, 'file') === undefined && part(sql, 'auth') === undefined) {
    faults.push(
      `${file}: parser.sql.auth is missing; it must be the login of the database ` +
        `(or name an SQLite file in parser.sql.file).`,
    );
  }
  return faults;
}

/** Does the file itself hold a password that is not empty? */
export function holdsPasswords(document: Document): boolean {
  const parser = part(document, 'parser');
  const payments = part(parser, 'payments');
  const holders = [
    part(part(document, 'btcd'), 0),
    part(parser, 'sql'),
    part(payments, 'sql'),
    part(payments, 'btcd'),
  ];
  return holders.some((holder) => Boolean(part(holder, 'pass')));
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function part(value: unknown, key: string | number): unknown {
  if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string | number, unknown>)[key];
}
