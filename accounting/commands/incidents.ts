// `incidents`: what an operator should know of: counters that fell, lines that were dropped, gaps in the log.
// Rows of a table that is only ever added to; nothing here needs an answer but disputes (`resolve`).
import { printJson, printTable, type Action } from '../../shared/command.js';
import { printable } from '../../shared/username.js';
import { latestIncidents } from '../edges/incident-reader.js';
import { withFacts } from './open.js';

const shown_max = 200;

export const incidents: Action = (context) => withFacts(context, async (database) => {
  const facts = (await latestIncidents(database, shown_max)).map((fact) => ({
    ...fact,
    user: fact.user === null ? null : printable(fact.user),
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
