// The fault points: each request of each stage with each fault that can befall it, in an order that never changes.
// A point has a name, such as `2/rpc/sendrawtransaction.1/cut-after`, and by its name alone a run can be repeated.
import { createRandom } from '../random.js';
import { cutAfter, cutBefore, deliveredLate, heldUntilGivenUp, insteadOf, rightAfter, type Fault } from '../fault-proxy.js';
import type { Place, ServerName } from './place.js';
import { stages, type Stage } from './story.js';
import type { Templates } from './templates.js';

export const fault_names = [
  'cut-before', 'cut-after', 'late', 'held', 'daemon-killed-before', 'daemon-killed-after', 'server-killed-before', 'server-killed-after',
] as const;
export type FaultName = (typeof fault_names)[number];

export interface FaultPoint {
  readonly stage: Stage;
  readonly server: ServerName;
  /** Its label. */
  readonly request: string;
  /** Which of the stage's requests of that label, from 1. */
  readonly occurrence: number;
  readonly fault: FaultName;
}

export const nameOf = ({ stage, server, request, occurrence, fault }: FaultPoint): string =>
  `${stage}/${server}/${request}.${occurrence}/${fault}`;

/** Later than a daemon needs to ask again, sooner than it gives up. */
const late_ms = 3_000;

/** What happens to the request there. */
export function faultAt(place: Place, { server, fault }: FaultPoint): Fault {
  const killDaemon = (): Promise<void> => place.programs.kill();
  const killServer = (): Promise<void> => place.killServer(server);
  const faults: Readonly<Record<FaultName, Fault>> = {
    'cut-before': cutBefore,
    'cut-after': cutAfter,
    'late': deliveredLate(late_ms),
    'held': heldUntilGivenUp(late_ms),
    'daemon-killed-before': insteadOf(killDaemon),
    'daemon-killed-after': rightAfter(killDaemon),
    'server-killed-before': insteadOf(killServer),
    'server-killed-after': rightAfter(killServer),
  };
  return faults[fault];
}

export function allPoints(requests: Templates['requests']): FaultPoint[] {
  return stages.flatMap((stage) => (['mysql', 'rpc'] as const).flatMap((server) => {
    const labels = requests[stage][server];
    return labels.flatMap((request, index) => {
      const occurrence = labels.slice(0, index + 1).filter((label) => label === request).length;
      return fault_names.map((fault) => ({ stage, server, request, occurrence, fault }));
    });
  }));
}

/**
 * So many of them, the same for the same seed. Every kind of request (by stage and name) takes its turn before one has a
 * second, with one fault after the other, so that a small sample has a little of everything.
 */
export function samplePoints(points: readonly FaultPoint[], count: number, seed: string): FaultPoint[] {
  const random = createRandom(seed);
  const shuffled = points.map((point) => ({ point, at: random.fraction() })).sort((a, b) => a.at - b.at).map(({ point }) => point);
  const taken_of_kind = new Map<string, number>();
  const taken_of_fault = new Map<FaultName, number>();
  const chosen: FaultPoint[] = [];
  const left = new Set(shuffled);
  while (chosen.length < count && left.size > 0) {
    const weight = (point: FaultPoint): number =>
      1_000 * (taken_of_kind.get(kindOf(point)) ?? 0) + (taken_of_fault.get(point.fault) ?? 0);
    const next = [...left].reduce((best, point) => (weight(point) < weight(best) ? point : best));
    left.delete(next);
    chosen.push(next);
    taken_of_kind.set(kindOf(next), (taken_of_kind.get(kindOf(next)) ?? 0) + 1);
    taken_of_fault.set(next.fault, (taken_of_fault.get(next.fault) ?? 0) + 1);
  }
  return chosen;
}

const kindOf = ({ stage, request }: FaultPoint): string => `${stage} ${request}`;
