// The rows of incidents: what an operator should know of. Statements inside a transaction that is fenced already,
// and never one of their own: an incident stands or falls with what it tells of. Only ever added to.
import type { Knex } from 'knex';
import { inBatches } from '../../shared/database/rows.js';
import type { LogPosition } from '../../shared/units.js';
import type { NewIncident } from '../core/stretch.js';
import { userIds } from './user-rows.js';

/** What share logs have to tell, beside what the log has. */
export type ShareIncidentKind =
  | 'share_source' | 'share_log_torn' | 'share_log_gap' | 'counters_differ';

export type IncidentRow = Omit<NewIncident, 'kind' | 'position'> & {
  readonly kind: NewIncident['kind'] | ShareIncidentKind;
  /** Null: it has no place in the log. */
  readonly position: LogPosition | null;
};

export async function writeIncidents(
  transaction: Knex.Transaction, incidents: readonly IncidentRow[], now: string,
): Promise<void> {
  const users = incidents.flatMap((incident) => (incident.user === null ? [] : [incident.user]));
  const ids = await userIds(transaction, users);
  for (const batch of inBatches(incidents)) {
    await transaction('incidents').insert(
      batch.map((incident) => ({
        kind: incident.kind,
        log_position: incident.position === null ? null : incident.position.toString(),
        user_id: incident.user === null ? null : (ids.get(incident.user) ?? null),
        occurrences: incident.occurrences,
        detail: incident.detail,
        occurred_at: now,
      })),
    );
  }
}
