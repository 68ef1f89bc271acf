// `resolve [incident] [choice]`: where payments waits for a person. Without a choice it prints what is known,
// the choices and what each does, and changes nothing. With one it asks the daemon, or acts as the daemon
// would where none runs; a choice that could pay somebody twice is refused there, not here.
import { exit_status, printJson, printLines, type Action } from '../../shared/command.js';
import { ConfigurationFault } from '../../shared/errors.js';
import type { PaymentsContext } from '../context.js';
import { incidentById, openIncidents, type Incident } from '../edges/incident-store.js';
import { batchById } from '../edges/batch-store.js';
import { readSent } from '../paying/broadcast.js';
import { choicesFor, type Choice } from '../paying/choices.js';
import { heldBatchOf } from '../paying/hold.js';
import { confirmationOf, obstacleOf, rivalThatPaysUsers } from '../paying/sightings.js';
import { withPayments } from './open.js';

export const resolve: Action = (command) => withPayments(command, async (context) => {
  const [id, choice] = command.arguments;
  const incidents =
    id === undefined ? await openIncidents(context.database.knex) : [await incidentNamed(context, id)];
  const [incident] = incidents;
  if (choice === undefined || incident === undefined) {
    const reports = await Promise.all(incidents.map((one) => incidentReport(context, one)));
    if (command.json) return printJson(reports);
    return printLines(reports.length === 0 ? ['No incident is open.'] : reports.flatMap(incidentText));
  }
  if (!choicesFor(incident).some((one) => one.choice === choice)) {
    throw new ConfigurationFault([
      `Incident ${incident.id} has no choice ${JSON.stringify(choice)}; `
        + `it has ${choiceNames(incident)}.`,
    ]);
  }
  // With them comes most of the daemon: loaded only where something is asked.
  const { payoutRequests } = await import('../paying/requests.js');
  const { askPayments } = await import('./ask.js');
  const outcome = await askPayments(context, {
    action: 'resolve', arguments: { incident_id: incident.id, choice }, handlers: payoutRequests,
  });
  if (command.json) printJson(outcome);
  else printLines([`${outcome.outcome}: ${outcome.detail}`]);
  return outcome.outcome === 'done' ? exit_status.done : exit_status.failed;
});

async function incidentNamed({ database }: PaymentsContext, id: string): Promise<Incident> {
  const incident = /^\d{1,9}$/.test(id) ? await incidentById(database.knex, Number(id)) : null;
  if (incident) return incident;
  throw new ConfigurationFault([
    `There is no incident ${JSON.stringify(id)}; \`obtc-payments resolve\` lists the open ones.`,
  ]);
}

const choiceNames = (incident: Incident): string =>
  choicesFor(incident).map(({ choice }) => choice).join(', ');

export interface IncidentReport extends Incident {
  /** How a held transaction stands at this moment; null for other incidents. */
  readonly now: string | null;
  readonly choices: readonly Choice[];
}

export async function incidentReport(context: PaymentsContext, incident: Incident): Promise<IncidentReport> {
  if (incident.state === 'resolved') return { ...incident, now: null, choices: [] };
  return { ...incident, now: await howItStands(context, incident), choices: choicesFor(incident) };
}

async function howItStands(context: PaymentsContext, incident: Incident): Promise<string | null> {
  const batch_id = heldBatchOf(incident);
  const batch = batch_id === null ? null : await batchById(context.database.knex, batch_id);
  if (batch?.state !== 'held') return null;
  const { stored, outputs } = await readSent(context, batch);
  const confirmed = await confirmationOf(context, stored, outputs);
  if (confirmed) return `its transaction ${stored.txid} is in block ${confirmed.height}: retry follows it`;
  const obstacle = await obstacleOf(context, stored);
  if (obstacle === null) {
    return `its transaction ${stored.txid} is in no block and could still confirm: release would be refused`;
  }
  if (!obstacle.dead) return `${obstacle.sentence} That is not buried deep enough yet: release would be refused.`;
  const rival = await rivalThatPaysUsers(context, stored);
  const prospect = rival
    ? `It is dead, but ${rival.txid} pays users of the batch from its coins: release would be refused, book is for that.`
    : 'It is dead: release is possible.';
  return `${obstacle.sentence} ${prospect}`;
}

function incidentText(
  { id, kind, subject, raised_at, stops_paying, detail, state, resolution, now, choices }: IncidentReport,
): string[] {
  const heading =
    `incident ${id}: ${kind}, ${subject}, since ${raised_at} UTC, `
    + `${state}${stops_paying && state === 'open' ? '; it stops paying' : ''}`;
  if (state === 'resolved') return [heading, `  ${detail}`, `  resolved: ${resolution ?? ''}`];
  return [
    heading, `  ${detail}`, ...(now === null ? [] : [`  now: ${now}`]),
    ...choices.map(({ choice, does }) => `  resolve ${id} ${choice}: ${does}`),
  ];
}
