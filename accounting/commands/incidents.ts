// `incidents`: what an operator should know of: counters that fell, lines that were dropped, gaps in the log.
// Rows of a table that is only ever added to; nothing here needs an answer but disputes (`resolve`).
import { printJson, printTable, type Action } from '../../shared/command.js';
import { integer, smallInteger } from '../../shared/database/database.js';
import { nameFromBuffer, printable } from '../../shared/username.js';
import { withFacts } from './open.js';

const shown_max = 200;

export const incidents: Action = (context) => withFacts(context, async (database) => {
  const rows: Record<string, unknown>[] = await database
    .knex<Record<string, unknown>>('incidents')
    .leftJoin('users', 'users.id', 'incidents.user_id')
    .orderBy('incidents.id', 'desc')
    .limit(shown_max)
    .select(
      'incidents.id as id',
      'kind',
      'log_position',
      'users.name as name',
      'occurrences',
      'detail',
      'occurred_at',
    );
  const facts = rows.reverse().map((row) => ({
    id: smallInteger(row['id']),
    occurred_at: String(row['occurred_at']),
    kind: String(row['kind']),
    user: row['name'] === null ? null : printable(nameFromBuffer(row['name'] as Buffer)),
    occurrences: smallInteger(row['occurrences']),
    log_position: row['log_position'] === null ? null : integer(row['log_position']).toString(),
    detail: String(row['detail']),
  }));
  if (context.json) return printJson(facts);
  printTable(
    [
      { heading: 'at (UTC)' },
      { heading: 'kind' },
      { heading: 'user' },
      { heading: 'times', align: 'right' },
      { heading: 'detail' },
    ],
    facts.map((fact) => [fact.occurred_at, fact.kind, fact.user, fact.occurrences, fact.detail]),
  );
});
