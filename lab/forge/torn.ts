// Solve lines as a full disk leaves them: cut in the middle, without a newline, and the next line glued
// to the half; or whole, but glued to the half of the line before.
import type { RecordedLogFile } from '../recorded-log.js';
import type { TrueSolve } from '../recordings.js';

export interface TornSolve {
  solve: TrueSolve;
  /** Where the solve line was cut; 'glued' means that it is whole behind the half of another line. */
  cut: 'before the height' | 'in the height' | 'in the name' | 'glued';
  /** True when the line no longer tells a height and a worker that are true. */
  lost: boolean;
}

/**
 * Which solves of the truth (by index) are torn, and how. They lie far from each other and from rotations.
 */
const plan: readonly (readonly [solve: number, cut: TornSolve['cut']])[] = [
  [1, 'before the height'],
  [3, 'in the height'],
  [6, 'glued'],
  [9, 'in the name'],
  [16, 'before the height'],
  [22, 'glued'],
  [26, 'in the height'],
  [33, 'before the height'],
  [37, 'glued'],
  [40, 'in the name'],
];

/** Changes the lines and returns what was done. */
export function tearSolves(files: RecordedLogFile[], solves: readonly TrueSolve[]): TornSolve[] {
  return plan.map(([index, cut]) => {
    const solve = solves[index];
    if (!solve) throw new RangeError(`the truth has no solve ${index}`);
    tear(files, solve, cut);
    return { solve, cut, lost: cut !== 'glued' };
  });
}

function tear(files: RecordedLogFile[], solve: TrueSolve, cut: TornSolve['cut']): void {
  const whole = `[${solve.time}] Solved and confirmed block ${solve.height} by ${solve.worker}`;
  for (const file of files) {
    const place = file.lines.indexOf(whole);
    if (place < 0) continue;
    if (cut === 'glued') glue(file, place - 1, Math.floor((file.lines[place - 1] ?? '').length / 2) + 8);
    else glue(file, place, kept(whole, solve, cut));
    return;
  }
  throw new RangeError(`no line: ${whole}`);
}

function kept(whole: string, solve: TrueSolve, cut: Exclude<TornSolve['cut'], 'glued'>): number {
  const height_at = whole.indexOf(` ${solve.height} by `) + 1;
  switch (cut) {
    case 'before the height': return whole.indexOf('confirmed') + 4;
    case 'in the height': return height_at + 2;
    case 'in the name': return whole.length - solve.worker.length + 6;
  }
}

/** The rest of the line is gone, its newline included. */
function glue(file: RecordedLogFile, place: number, kept_bytes: number): void {
  const [half = '', next = ''] = file.lines.slice(place, place + 2);
  file.lines.splice(place, 2, half.slice(0, kept_bytes) + next);
}
