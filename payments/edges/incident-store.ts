// Where payments waits for a person. An incident is raised once for its kind and subject; what the operator
// said of it stays said, so that the same thing does not ask again. Nothing here decides what stops paying:
// whoever raises it does, and planning asks `payingStopped`.
import type { Knex } from 'knex';
import { smallInteger } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';

export interface NewIncident {
  /** Snake case, such as `block_lost`. At most 64 characters. */
  readonly kind: string;
  /** What it is about: a block hash, a batch id, a txid. At most 128 characters. */
  readonly subject: string;
  readonly stops_paying: boolean;
  /** What is known, in sentences for the operator. */
  readonly detail: string;
  /** `timeText(clock.now_ms())` */
  readonly raised_at: string;
}

export interface Incident extends NewIncident {
  readonly id: number;
  readonly state: 'open' | 'resolved';
  readonly resolution: string | null;
}

/** @returns 'raised' when it is new, else the state in which it stands; an existing one is left as it is. */
export async function raiseIncident(
  transaction: Knex.Transaction, incident: NewIncident,
): Promise<'raised' | 'open' | 'resolved'> {
  const { kind, subject, stops_paying, detail, raised_at } = incident;
  const known = await incidentAbout(transaction, kind, subject);
  if (known) return known.state;
  await transaction('payment_incidents')
    .insert({ kind, subject, state: 'open', stops_paying: stops_paying ? 1 : 0, detail, raised_at });
  return 'raised';
}

/** @throws InvariantBroken when it is not open (any more). */
export async function resolveIncident(
  transaction: Knex.Transaction, id: number, resolution: string, resolved_at: string,
): Promise<void> {
  const changed = await transaction('payment_incidents').where({ id, state: 'open' })
    .update({ state: 'resolved', resolution, resolved_at });
  invariant(changed === 1, `Incident ${id} is not open, so it cannot be resolved.`);
}

export async function openIncidents(knex: Knex): Promise<Incident[]> {
  const rows = await knex('payment_incidents').where({ state: 'open' }).orderBy('id') as IncidentRow[];
  return rows.map(incidentOfRow);
}

/** Open incidents that forbid planning new payouts. */
export async function payingStopped(knex: Knex): Promise<Incident[]> {
  return (await openIncidents(knex)).filter((incident) => incident.stops_paying);
}

export async function incidentById(knex: Knex, id: number): Promise<Incident | null> {
  const row = await knex('payment_incidents').where({ id }).first() as IncidentRow | undefined;
  return row ? incidentOfRow(row) : null;
}

export async function incidentAbout(knex: Knex, kind: string, subject: string): Promise<Incident | null> {
  const row = await knex('payment_incidents').where({ kind, subject }).first() as IncidentRow | undefined;
  return row ? incidentOfRow(row) : null;
}

/** Subjects of a kind that were raised before, open or not. */
export async function incidentSubjects(knex: Knex, kind: string): Promise<Set<string>> {
  const rows = await knex('payment_incidents').where({ kind }).select<{ subject: unknown }[]>('subject');
  return new Set(rows.map(({ subject }) => String(subject)));
}

/** Subjects of a kind on which an operator's word is recorded. */
export async function resolvedSubjects(knex: Knex, kind: string): Promise<Set<string>> {
  const rows = await knex('payment_incidents')
    .where({ kind, state: 'resolved' })
    .select<{ subject: unknown }[]>('subject');
  return new Set(rows.map(({ subject }) => String(subject)));
}

/** What was said in the resolved incidents of a kind. */
export async function resolvedDetails(knex: Knex, kind: string): Promise<string[]> {
  const rows = await knex('payment_incidents')
    .where({ kind, state: 'resolved' })
    .select<{ detail: unknown }[]>('detail');
  return rows.map(({ detail }) => String(detail));
}

type IncidentRow = Record<keyof Incident, unknown>;

const incidentOfRow = (row: IncidentRow): Incident => ({
  id: smallInteger(row.id),
  kind: String(row.kind),
  subject: String(row.subject),
  state: row.state as Incident['state'],
  stops_paying: smallInteger(row.stops_paying) === 1,
  detail: String(row.detail),
  raised_at: String(row.raised_at),
  resolution: row.resolution as string | null,
});
