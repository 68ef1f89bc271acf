// What may go wrong in one simulation, and how often. Each seed draws a subset of the kinds of fault and gives each
// a weight of its own (swarm testing): a run with everything on at once finds less than many runs that differ. The
// weather is asked at each port call; `clear` ends it.
import type { Random } from '../random.js';
import type { CallFate } from './node-port.js';
import type { CommitFate, DriverFault } from './database.js';
import type { NodeMethod } from '../simulated-node/faults.js';

/** Fault kinds drawn at port calls. Those of the world around are the acts of acts.ts. */
export const port_faults = ['kill', 'database_errors', 'commit_answers', 'node_errors', 'late_requests'] as const;
export type PortFault = (typeof port_faults)[number];

export interface Weather {
  readonly on: ReadonlySet<PortFault>;
  commit(): CommitFate;
  statement(): DriverFault | null;
  call(method: NodeMethod): CallFate;
  /** How long a call takes. */
  database_ms(): number;
  node_ms(): number;
  clear(): void;
}

const driver_faults: readonly DriverFault[] = ['lock_wait', 'deadlock', 'busy', 'disk_full', 'connection_lost'];
const silences: readonly CallFate[] = ['connection_refused', 'warming_up', 'request_lost', 'answer_lost'];

export function createWeather(random: Random, on: ReadonlySet<PortFault>): Weather {
  const often = Object.fromEntries(port_faults.map((kind) => [kind, on.has(kind) ? random.pick([0.003, 0.01, 0.04]) : 0]));
  const slow = random.chance(0.2);
  let clear = false;
  const strikes = (kind: PortFault): boolean => !clear && random.chance(often[kind] ?? 0);
  return {
    on,
    commit() {
      if (strikes('kill')) return random.pick(['killed_before', 'killed_after']);
      return strikes('commit_answers') ? random.pick(['lost_before', 'lost_after']) : 'done';
    },
    statement: () => (strikes('database_errors') ? random.pick(driver_faults) : null),
    call(method) {
      if (method === 'broadcast') {
        if (strikes('kill')) return random.pick(['killed_before', 'killed_after']);
        if (strikes('late_requests')) return 'late';
        if (!clear && on.has('node_errors') && random.chance(0.2)) return random.pick(silences);
      }
      return strikes('node_errors') ? random.pick(silences) : 'done';
    },
    database_ms: () => random.integer(0, 2),
    node_ms: () => random.integer(0, slow ? 200 : 4),
    clear: () => { clear = true; },
  };
}
