// From a piece of the log and a reading of the user files to what is to be written: new counts, snapshots,
// anchors and incidents. Pure: the same lines and readings give the same rows, live or hours later.
//
// The order inside: (1) the lines about each user are judged against the reading, (2) lines are walked in
// log order, counts rise, each block line takes a snapshot of the users that changed, (3) at the end of the
// stretch the reading itself is applied.
import { invariant } from '../../shared/errors.js';
import {
  shares, type BlockHash, type BlockHeight, type LogPosition, type Shares,
} from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { judgeLines, noShares, type Reading, type Verdict } from './counter-lines.js';

/** What is known of a user between two moves. `id` is null until the row exists. */
export interface UserCount {
  readonly id: number | null;
  readonly name: NameBytes;
  /** ckpool's own counter as last accepted. */
  readonly counter: Shares;
  /** The sum of the counter's rises: never falls. */
  readonly ledger_count: Shares;
  /** ledger_count in the latest snapshot. */
  readonly snapshot_count: Shares;
  /** The part of the rise since then that rests on a file that fell. */
  readonly disputed_count: Shares;
}

interface BlockLine {
  readonly height: BlockHeight;
  readonly finder: NameBytes;
  readonly logged_at: string;
}

export type StretchLine = { readonly position: LogPosition } & (
  /** `believed`: it was judged when it was read (counter-fold.ts). */
  | { readonly kind: 'shares'; readonly user: NameBytes; readonly counter: Shares; readonly believed?: true }
  | ({ readonly kind: 'block' } & BlockLine)
  | { readonly kind: 'tip'; readonly hash: BlockHash; readonly logged_at: string }
  | { readonly kind: 'login' | 'notice' }
);

export interface StretchState {
  readonly users: ReadonlyMap<NameBytes, UserCount>;
  /** Users whose ledger count rose since the latest snapshot. */
  readonly risen: ReadonlySet<NameBytes>;
  readonly login_seen: boolean;
  readonly notice_seen: boolean;
}

export interface StretchInput {
  readonly lines: readonly StretchLine[];
  /** For each user named in the lines, and for any other whose file was read. */
  readonly readings: ReadonlyMap<NameBytes, Reading>;
  /** Where the reading applies; null when this piece ends before the stretch does. */
  readonly reading_position: LogPosition | null;
  /** All user files were read no more than two minutes before this stretch was noted. */
  readonly sampled: boolean;
}

export interface SnapshotRow {
  readonly user: NameBytes;
  readonly share_count: Shares;
  readonly difference: Shares;
  readonly disputed_difference: Shares;
}

export interface NewSnapshot extends BlockLine {
  readonly position: LogPosition;
  readonly quality: 'minute' | 'late';
  readonly rows: readonly SnapshotRow[];
}

export interface NewAnchor {
  readonly hash: BlockHash;
  readonly position: LogPosition;
  readonly logged_at: string;
  readonly before_login: boolean;
}

export type IncidentKind = 'line_dropped' | 'counter_fell' | 'user_file_unreadable' | 'log_gap';

export interface NewIncident {
  readonly kind: IncidentKind;
  readonly position: LogPosition;
  readonly user: NameBytes | null;
  readonly occurrences: number;
  readonly detail: string;
}

export interface StretchOutcome {
  /** Users whose row is new or changed: to be laid over the state's users once it is committed. */
  readonly changed: readonly UserCount[];
  readonly risen: ReadonlySet<NameBytes>;
  readonly login_seen: boolean;
  readonly notice_seen: boolean;
  readonly snapshots: readonly NewSnapshot[];
  readonly anchors: readonly NewAnchor[];
  /** How much of the rises of this stretch is disputed, by user. */
  readonly disputed: ReadonlyMap<NameBytes, bigint>;
  readonly incidents: readonly NewIncident[];
}

export function applyStretch(state: StretchState, input: StretchInput): StretchOutcome {
  const walk = beginWalk(state, input.sampled);
  const verdicts = judge(state, input);
  input.lines.forEach((line, index) => takeLine(walk, line, verdicts.get(index)));
  if (input.reading_position !== null) applyReadings(walk, input.readings, input.reading_position);
  const { risen, login_seen, notice_seen, snapshots, anchors, disputed } = walk;
  return {
    changed: [...walk.changed.values()],
    risen, login_seen, notice_seen, snapshots, anchors, disputed,
    incidents: [...walk.incidents.values()],
  };
}

/** Verdicts by index of the line, for the lines that carry a counter. */
function judge(state: StretchState, input: StretchInput): Map<number, Verdict> {
  const byUser = new Map<NameBytes, number[]>();
  input.lines.forEach((line, index) => {
    if (line.kind !== 'shares' || line.believed) return;
    const indices = byUser.get(line.user);
    if (indices) indices.push(index);
    else byUser.set(line.user, [index]);
  });
  const verdicts = new Map<number, Verdict>();
  for (const [user, indices] of byUser) {
    const values = indices.map((index) => (input.lines[index] as { counter: Shares }).counter);
    const counter = state.users.get(user)?.counter ?? noShares;
    const reading = input.readings.get(user) ?? { absent: true };
    judgeLines(counter, values, reading).forEach((verdict, at) => verdicts.set(indices[at]!, verdict));
  }
  return verdicts;
}

/** How far the walk over the lines has come: what they changed so far. Lives for one call of applyStretch. */
interface Walk {
  /** The users as they were before the first line. */
  readonly before: ReadonlyMap<NameBytes, UserCount>;
  readonly sampled: boolean;
  /** Copies of its own, which it changes. */
  readonly changed: Map<NameBytes, OwnCount>;
  readonly risen: Set<NameBytes>;
  readonly snapshots: NewSnapshot[];
  readonly anchors: NewAnchor[];
  readonly disputed: Map<NameBytes, bigint>;
  readonly incidents: Map<string, NewIncident>;
  login_seen: boolean;
  notice_seen: boolean;
}

const beginWalk = ({ users, risen, login_seen, notice_seen }: StretchState, sampled: boolean): Walk => ({
  before: users, sampled, changed: new Map(), risen: new Set(risen), snapshots: [], anchors: [],
  disputed: new Map(), incidents: new Map(), login_seen, notice_seen,
});

function takeLine(walk: Walk, line: StretchLine, verdict: Verdict | undefined): void {
  switch (line.kind) {
    case 'login':
      walk.login_seen = true;
      return;
    case 'notice':
      walk.notice_seen = true;
      return;
    case 'tip': {
      const { hash, position, logged_at } = line;
      walk.notice_seen = true;
      walk.anchors.push({ hash, position, logged_at, before_login: !walk.login_seen });
      return;
    }
    case 'shares':
      walk.login_seen = true;
      walk.notice_seen = true;
      if (line.believed) rise(walk, line.user, line.counter, false);
      else if (verdict) takeCounter(walk, line, verdict);
      return;
    case 'block':
      walk.login_seen = true;
      takeSnapshot(walk, line);
  }
}

const dropped_because = {
  above_file: 'a line says more than the user\'s file does',
  below_count: 'a line says less than was counted, though the file did not fall',
  no_file: 'a line names a user without a file',
};

function takeCounter(walk: Walk, line: Extract<StretchLine, { kind: 'shares' }>, verdict: Verdict): void {
  const { position, user, counter } = line;
  if (verdict.verdict === 'rise') return rise(walk, user, counter, verdict.disputed);
  if (verdict.verdict === 'fall') return fall(walk, position, user, counter);
  if (verdict.why === 'unreadable_file') {
    return noteIncident(walk, 'user_file_unreadable', position, user,
      'its file could not be read; the line is not counted, the next good reading of the file is');
  }
  noteIncident(walk, 'line_dropped', position, user,
    `${dropped_because[verdict.why]}; not counted (log lines can be forged)`);
}

type OwnCount = { -readonly [Key in keyof UserCount]: UserCount[Key] };

const userOf = (walk: Walk, name: NameBytes): UserCount | undefined =>
  walk.changed.get(name) ?? walk.before.get(name);

function ownUser(walk: Walk, name: NameBytes): OwnCount {
  let own = walk.changed.get(name);
  if (!own) walk.changed.set(name, own = { ...(walk.before.get(name) ?? newUser(name)) });
  return own;
}

function rise(walk: Walk, name: NameBytes, counter: Shares, disputed: boolean): void {
  let user = walk.changed.get(name);
  if (!user) {
    // Seldom does a line say nothing new: then there is nothing to copy.
    const known = walk.before.get(name) ?? newUser(name);
    if (counter === known.counter) return;
    walk.changed.set(name, user = { ...known });
  }
  if (counter === user.counter) return;
  const by = counter - user.counter;
  invariant(by > 0n, `a count was to rise from ${user.counter} to ${counter}`);
  user.counter = counter;
  user.ledger_count = shares(user.ledger_count + by);
  walk.risen.add(name);
  if (!disputed) return;
  user.disputed_count = shares(user.disputed_count + by);
  walk.disputed.set(name, (walk.disputed.get(name) ?? 0n) + by);
}

function fall(walk: Walk, position: LogPosition, name: NameBytes, counter: Shares): void {
  const user = ownUser(walk, name);
  noteIncident(walk, 'counter_fell', position, name,
    `counter fell from ${user.counter} to ${counter}; nothing is added, counting goes on from there`);
  user.counter = counter;
}

function takeSnapshot(walk: Walk, line: BlockLine & { position: LogPosition }): void {
  const rows: SnapshotRow[] = [];
  for (const name of walk.risen) {
    const user = ownUser(walk, name);
    rows.push({
      user: name,
      share_count: user.ledger_count,
      difference: shares(user.ledger_count - user.snapshot_count),
      disputed_difference: user.disputed_count,
    });
    user.snapshot_count = user.ledger_count;
    user.disputed_count = noShares;
  }
  walk.risen.clear();
  const { position, height, finder, logged_at } = line;
  const quality = walk.notice_seen || walk.sampled ? 'minute' : 'late';
  walk.snapshots.push({ position, height, finder, logged_at, quality, rows });
  // Log level 5 prints lines before each block line that level 4 does not.
  walk.notice_seen = false;
}

function applyReadings(walk: Walk, readings: StretchInput['readings'], position: LogPosition): void {
  for (const [user, reading] of readings) {
    if (!('counter' in reading)) continue;
    const known = userOf(walk, user)?.counter ?? noShares;
    if (reading.counter < known) fall(walk, position, user, reading.counter);
    else rise(walk, user, reading.counter, false);
  }
}

/** One incident for each kind, known user and reason of a commit: a flood of forged lines stays one row. */
function noteIncident(
  walk: Walk, kind: IncidentKind, position: LogPosition, named: NameBytes, detail: string,
): void {
  const user = userOf(walk, named) ? named : null;
  const key = `${kind}/${kind === 'line_dropped' ? detail : ''}/${user ?? ''}`;
  const earlier = walk.incidents.get(key);
  const occurrences = (earlier?.occurrences ?? 0) + 1;
  walk.incidents.set(key, { kind, position: earlier?.position ?? position, user, occurrences, detail });
}

const newUser = (name: NameBytes): UserCount => ({
  id: null, name, counter: noShares,
  ledger_count: noShares, snapshot_count: noShares, disputed_count: noShares,
});
