// One run with one fault: from a copy of the servers as they were before its stage, through the rest of the story, to a
// verdict. Nothing is left of it, unless it went wrong.
import { setTimeout as wait } from 'node:timers/promises';
import { openPlace, type Place } from './place.js';
import { faultAt, nameOf, type FaultPoint } from './points.js';
import type { Ended } from './programs.js';
import { NoRest, playInterlude, playStage, playToTheEnd, stages, type Course } from './story.js';
import type { Templates } from './templates.js';
import { judge } from './verdict.js';

export interface Outcome {
  readonly name: string;
  readonly request: string;
  /** What the request was called this time; null: the stage made fewer requests, so the fault befell none. */
  readonly met: string | null;
  readonly violations: readonly string[];
  /** Where a daemon ended by itself with status 1 or 3 and a sentence, and was all right when it was started again. */
  readonly stops: readonly string[];
  readonly took_ms: number;
}

/** A late delivery is over by then. */
const settle_limit_ms = 90_000;

export async function runPoint(templates: Templates, point: FaultPoint): Promise<Outcome> {
  const began_ms = performance.now();
  const course: Course = { bad_ends: [] };
  const place = await openPlace(templates.past, templates.before[point.stage]);
  try {
    const proxy = place.proxies[point.server];
    let met: string | null = null;
    let over: Promise<unknown> = Promise.resolve();
    const fault = faultAt(place, point);
    over = proxy.meet(({ number }) => number === point.number, async (passage) => {
      met = passage.request.name;
      await fault(passage);
    });
    over.catch(() => undefined);
    const violations = await play(place, course, point, () => (met === null ? Promise.resolve() : over));
    violations.push(...await judge(place, templates.facts));
    const ends = course.bad_ends.filter(({ killed }) => !killed).map((end) => ({ ...end, told: `${end.name} ended with ${end.status}: ${lastLine(end.stderr)}` }));
    violations.push(...ends.filter(isDefect).map(({ told }) => told));
    return {
      name: nameOf(point), request: point.request, met, violations, took_ms: Math.round(performance.now() - began_ms),
      stops: ends.filter((end) => !isDefect(end)).map(({ told }) => told),
    };
  } finally {
    await place.close();
  }
}

/** @returns why it did not come to its end, if so. */
async function play(place: Place, course: Course, { stage: first }: FaultPoint, faultOver: () => Promise<unknown>): Promise<string[]> {
  try {
    for (const stage of stages.filter((one) => one >= first)) {
      await playStage(place, course, stage);
      if (stage !== 3) await playInterlude(place, course, stage);
    }
    await Promise.race([faultOver(), wait(settle_limit_ms, undefined, { ref: false })]);
    await playToTheEnd(place, course);
    return [];
  } catch (failure) {
    if (!(failure instanceof NoRest)) throw failure;
    return [`${failure.message}; last it said: ${lastLine(course.bad_ends.at(-1)?.stderr ?? '')}`];
  }
}

/** systemd starts nobody again who says that the configuration is wrong; nothing here is. */
const isDefect = ({ status, stderr }: Ended): boolean => (status !== 1 && status !== 3) || /should not have happened/i.test(stderr);

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? '';
