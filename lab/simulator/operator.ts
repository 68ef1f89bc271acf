// The operator of a simulated pool: reads the incidents that are open and says the word that the daemon offers, by the
// same request rows that the commands insert.
import { choicesFor } from '../../payments/paying/choices.js';
import type { World } from './world.js';

interface Incident {
  readonly id: bigint;
  readonly kind: string;
  readonly subject: string;
}

/**
 * After a copy was restored, what was paid since is booked, as docs/operating.md says. A spend by hand is the
 * operator's own, who knows of it; the two do not occur in one simulation, because nobody could tell them apart.
 */
const aboutForeignSpend = ({ swarm }: World): 'book' | 'resume' => (swarm.world_faults.has('restore') ? 'book' : 'resume');

/** Asks for one choice on each open incident of payments, and decides every dispute of accounting. */
export function resolveWhatIsOpen(world: World): void {
  const { database: { raw }, random, timeline } = world;
  const ask = (daemon: string, action: string, asked: unknown) => {
    const at = new Date(timeline.now_ms()).toISOString().slice(0, 23).replace('T', ' ');
    raw.prepare('INSERT INTO operator_requests (daemon, action, arguments, requested_by, requested_at) VALUES (?, ?, ?, ?, ?)')
      .run(daemon, action, JSON.stringify(asked), 'operator', at);
    world.trace(`operator     ${daemon} ${action} ${JSON.stringify(asked)}`);
  };
  const incidents = raw.prepare("SELECT id, kind, subject FROM payment_incidents WHERE state = 'open' ORDER BY id")
    .all() as Incident[];
  for (const incident of incidents) {
    if (incident.kind === 'disputed_counts') continue; // It closes itself.
    const choice = incident.kind === 'foreign_spend' ? aboutForeignSpend(world) : random.pick(choicesFor(incident)).choice;
    ask('payments', 'resolve', { incident_id: Number(incident.id), choice });
  }
  const disputes = raw.prepare("SELECT id FROM snapshots WHERE dispute = 'open' ORDER BY id").all() as { id: bigint }[];
  for (const { id } of disputes) ask('accounting', 'resolve', { snapshot: Number(id), choice: random.pick(['taken', 'dropped']) });
}
