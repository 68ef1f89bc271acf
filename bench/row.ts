// What is measured, and when a goal is met. A row prepares its input, measures ours beside its peer, and gives
// one or more lines of the table. Pure: the effects are in rows/.
import type { Random } from '../lab/random.js';

/** What a figure is held against: the ratio to the peer, or the figure itself. */
export interface Goal {
  readonly of: 'ratio' | 'value';
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
}

export interface Peer {
  readonly name: string;
  /** In the unit of the measurement. */
  readonly value: number;
}

export interface Measurement {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly peer: Peer | null;
  /** How many times the peer's speed ours has, its time ours takes, or its size ours is. */
  readonly ratio_as: 'speed' | 'time' | 'size';
  readonly goal: Goal | null;
}

/** One line of the table and of bench/results/latest.json. */
export interface Line {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly peer: string | null;
  readonly ratio: number | null;
  readonly goal: string | null;
  readonly met: boolean | null;
}

/** What a row is given. Everything it starts is handed to `defer`, which runs last first, failure or not. */
export interface Bench {
  /** Empty, the row's own, removed afterwards. */
  readonly directory: string;
  readonly size_bytes: number;
  readonly users: number;
  /** How long the history of a filled ledger is. */
  readonly ledger_entries: number;
  readonly blocks: number;
  readonly random: Random;
  readonly stop: AbortSignal;
  readonly say: (text: string) => void;
  readonly defer: (undo: () => Promise<void> | void) => void;
}

export interface Row<Input> {
  /** What --rows selects it by. */
  readonly name: string;
  prepare(bench: Bench): Promise<Input>;
  measure(input: Input, bench: Bench): Promise<readonly Measurement[]>;
}

export interface RunnableRow {
  readonly name: string;
  run(bench: Bench): Promise<readonly Measurement[]>;
}

export const runnable = <Input>(row: Row<Input>): RunnableRow => ({
  name: row.name,
  run: async (bench) => row.measure(await row.prepare(bench), bench),
});

/** Null without a peer. What is measured per second is a speed, anything else a time or a size. */
export function ratioOf({ value, peer, ratio_as, unit }: Measurement): number | null {
  if (peer === null) return null;
  const is_speed = unit.endsWith('/s');
  return is_speed === (ratio_as === 'speed') ? value / peer.value : peer.value / value;
}

/** Null where there is nothing to meet. A figure that is no number meets nothing. */
export function isMet(measurement: Measurement): boolean | null {
  const { goal, value } = measurement;
  if (goal === null) return null;
  const figure = goal.of === 'value' ? value : ratioOf(measurement);
  if (figure === null || !Number.isFinite(figure)) return false;
  return goal.bound === 'at least' ? figure >= goal.limit : figure <= goal.limit;
}

export function goalText({ goal, ratio_as, unit }: Measurement): string | null {
  if (goal === null) return null;
  if (goal.of === 'value') return `${goal.bound} ${goal.limit} ${unit}`;
  return `${goal.bound} ${goal.limit} x the ${ratio_as}`;
}

export function lineOf(measurement: Measurement): Line {
  const { name, value, unit, peer } = measurement;
  const ratio = ratioOf(measurement);
  return {
    name,
    value: significant(value),
    unit,
    peer: peer && `${peer.name}: ${significant(peer.value)} ${unit}`,
    ratio: ratio === null ? null : significant(ratio),
    goal: goalText(measurement),
    met: isMet(measurement),
  };
}

/** Four significant digits: a measurement on a shared machine has no more. */
export const significant = (value: number): number => Number(value.toPrecision(4));
