// One run with one fault, or with one in each stage: from a copy of the servers as they were before the first of these
// stages, through the rest of the story, to a verdict. Nothing is left of it.
import { setTimeout as wait } from 'node:timers/promises';
import { labelOfLast } from './labels.js';
import { openPlace, type Place } from './place.js';
import { faultAt, nameOf, type FaultPoint } from './points.js';
import type { Ended } from './programs.js';
import { NoRest, playInterlude, playStage, playToTheEnd, stages, type Course } from './story.js';
import type { Templates } from './templates.js';
import { judge } from './verdict.js';

export interface Outcome {
  readonly name: string;
  /** False: the stage made fewer requests of that label this time, so the fault befell none. */
  readonly met: boolean;
  readonly violations: readonly string[];
  /** Where a daemon ended by itself with status 1 or 3 and a sentence, and was all right when it was started again. */
  readonly stops: readonly string[];
  readonly took_ms: number;
}

/** Longer than any limit of time of a daemon. */
const fault_limit_ms = 120_000;

/** @param points of different stages, in their order. */
export async function runPoints(templates: Templates, points: readonly FaultPoint[]): Promise<Outcome[]> {
  const began_ms = performance.now();
  const [first] = points;
  if (first === undefined) return [];
  const course: Course = { bad_ends: [] };
  const met = new Set<FaultPoint>();
  const stops = new Map<FaultPoint, string[]>();
  const place = await openPlace(templates.past, templates.before[first.stage]);
  const violations: string[] = [];
  try {
    for (const stage of stages.filter((one) => one >= first.stage)) {
      const point = points.find((one) => one.stage === stage);
      const ends_before = course.bad_ends.length;
      const over = point === undefined ? noFault : await arm(place, point, () => met.add(point));
      await playStage(place, course, stage);
      await over();
      if (point) stops.set(point, course.bad_ends.slice(ends_before).filter(({ killed }) => !killed).map(told));
      if (stage !== 3) await playInterlude(place, course, stage);
    }
    await playToTheEnd(place, course);
    violations.push(...await judge(place, templates.facts));
  } catch (failure) {
    if (!(failure instanceof NoRest)) throw failure;
    violations.push(failure.message, ...course.bad_ends.slice(-1).map(told));
  } finally {
    await place.close();
  }
  violations.push(...course.bad_ends.filter(isDefect).map(told));
  const took_ms = Math.round(performance.now() - began_ms);
  return points.map((point): Outcome => ({
    name: nameOf(point), met: met.has(point), violations, stops: stops.get(point) ?? [], took_ms,
  }));
}

const noFault = (): Promise<void> => Promise.resolve();

/** @returns what waits until the fault, if it was met, has run its course. */
async function arm(place: Place, point: FaultPoint, onMet: () => void): Promise<() => Promise<void>> {
  const proxy = place.proxies[point.server];
  const fault = faultAt(place, point);
  let over: Promise<void> | null = null;
  let seen_of_it = 0;
  proxy.countAnew();
  const isIt = (): boolean => {
    if (over !== null || labelOfLast(proxy.seen) !== point.request) return false;
    seen_of_it += 1;
    return seen_of_it === point.occurrence;
  };
  const disarm = proxy.meetAll(isIt, (passage) => {
    onMet();
    over = Promise.resolve(fault(passage));
    return over;
  });
  return async () => {
    disarm();
    await Promise.race([over ?? noFault(), wait(fault_limit_ms, undefined, { ref: false })]);
  };
}

/** systemd starts nobody again who says that the configuration is wrong; nothing here is. */
const isDefect = ({ killed, status, stderr }: Ended): boolean =>
  !killed && ((status !== 1 && status !== 3) || /should not have happened/i.test(stderr));

const told = ({ name, status, stderr }: Ended): string => `${name} ended with ${status}: ${stderr.trimEnd().split('\n').at(-1) ?? ''}`;
