// From a piece of the log and a reading of the user files to what is to be written: new counts, snapshots,
// anchors and incidents. Pure: the same lines and readings give the same rows, live or hours later.
//
// The order inside: (1) the lines about each user are judged against the reading, (2) lines are walked in
// log order, counts rise, each block line takes a snapshot of the users that changed, (3) at the end of the
// stretch the reading itself is applied.
import { shares, type BlockHash, type BlockHeight, type LogPosition, type Shares } from '../../shared/units.js';
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

export type StretchLine =
  | { readonly kind: 'shares'; readonly position: LogPosition; readonly user: NameBytes; readonly counter: Shares }
  | { readonly kind: 'block'; readonly position: LogPosition; readonly height: BlockHeight; readonly finder: NameBytes; readonly logged_at: string }
  | { readonly kind: 'tip'; readonly position: LogPosition; readonly hash: BlockHash; readonly logged_at: string }
  | { readonly kind: 'login'; readonly position: LogPosition }
  | { readonly kind: 'notice'; readonly position: LogPosition };

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

export interface NewSnapshot {
  readonly position: LogPosition;
  readonly height: BlockHeight;
  readonly finder: NameBytes;
  readonly logged_at: string;
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
  readonly incidents: readonly NewIncident[];
}

export function applyStretch(state: StretchState, input: StretchInput): StretchOutcome {
  const walk = new Walk(state, input);
  const verdicts = judge(state, input);
  input.lines.forEach((line, index) => walk.line(line, verdicts.get(index)));
  if (input.reading_position !== null) walk.applyReadings(input.reading_position);
  return walk.outcome();
}

/** Verdicts by index of the line, for the lines that carry a counter. */
function judge(state: StretchState, input: StretchInput): Map<number, Verdict> {
  const byUser = new Map<NameBytes, number[]>();
  input.lines.forEach((line, index) => {
    if (line.kind !== 'shares') return;
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

/** The walk over the lines: the one place where counts change. Lives for one call of applyStretch. */
class Walk {
  private readonly changed = new Map<NameBytes, UserCount>();
  private readonly risen: Set<NameBytes>;
  private readonly snapshots: NewSnapshot[] = [];
  private readonly anchors: NewAnchor[] = [];
  private readonly incidents = new Map<string, NewIncident>();
  private login_seen: boolean;
  private notice_seen: boolean;

  constructor(private readonly state: StretchState, private readonly input: StretchInput) {
    this.risen = new Set(state.risen);
    this.login_seen = state.login_seen;
    this.notice_seen = state.notice_seen;
  }

  line(line: StretchLine, verdict: Verdict | undefined): void {
    switch (line.kind) {
      case 'login':
        this.login_seen = true;
        return;
      case 'notice':
        this.notice_seen = true;
        return;
      case 'tip':
        this.notice_seen = true;
        this.anchors.push({
          hash: line.hash, position: line.position, logged_at: line.logged_at, before_login: !this.login_seen,
        });
        return;
      case 'shares':
        this.login_seen = true;
        this.notice_seen = true;
        if (verdict) this.counterLine(line.position, line.user, line.counter, verdict);
        return;
      case 'block':
        this.login_seen = true;
        this.takeSnapshot(line);
    }
  }

  private counterLine(position: LogPosition, user: NameBytes, counter: Shares, verdict: Verdict): void {
    if (verdict.verdict === 'rise') return this.rise(user, counter, verdict.disputed);
    if (verdict.verdict === 'fall') return this.fall(position, user, counter);
    if (verdict.why === 'unreadable_file') {
      return this.incident('user_file_unreadable', position, user, 'its file could not be read; the line is not counted, the next good reading of the file is');
    }
    const reasons = {
      above_file: 'a line says more than the user\'s file does',
      below_count: 'a line says less than was counted, though the file did not fall',
      no_file: 'a line names a user without a file',
    };
    this.incident('line_dropped', position, user, `${reasons[verdict.why]}; not counted (log lines can be forged)`);
  }

  private rise(user: NameBytes, counter: Shares, disputed: boolean): void {
    const known = this.user(user) ?? newUser(user);
    if (counter === known.counter) return;
    const by = counter - known.counter;
    this.set({
      ...known,
      counter,
      ledger_count: shares(known.ledger_count + by),
      disputed_count: disputed ? shares(known.disputed_count + by) : known.disputed_count,
    });
    this.risen.add(user);
  }

  private fall(position: LogPosition, user: NameBytes, counter: Shares): void {
    const known = this.user(user) ?? newUser(user);
    this.incident('counter_fell', position, user, `counter fell from ${known.counter} to ${counter}; nothing is added, counting goes on from there`);
    this.set({ ...known, counter });
  }

  private user(name: NameBytes): UserCount | undefined {
    return this.changed.get(name) ?? this.state.users.get(name);
  }

  private set(user: UserCount): void {
    this.changed.set(user.name, user);
  }

  private takeSnapshot(line: Extract<StretchLine, { kind: 'block' }>): void {
    const rows: SnapshotRow[] = [];
    for (const name of this.risen) {
      const user = this.user(name)!;
      rows.push({
        user: name,
        share_count: user.ledger_count,
        difference: shares(user.ledger_count - user.snapshot_count),
        disputed_difference: user.disputed_count,
      });
      this.set({ ...user, snapshot_count: user.ledger_count, disputed_count: noShares });
    }
    this.risen.clear();
    const { position, height, finder, logged_at } = line;
    const quality = this.notice_seen || this.input.sampled ? 'minute' : 'late';
    this.snapshots.push({ position, height, finder, logged_at, quality, rows });
    // Log level 5 prints lines before each block line that level 4 does not.
    this.notice_seen = false;
  }

  applyReadings(position: LogPosition): void {
    for (const [user, reading] of this.input.readings) {
      if (!('counter' in reading)) continue;
      const known = this.user(user)?.counter ?? noShares;
      if (reading.counter < known) this.fall(position, user, reading.counter);
      else this.rise(user, reading.counter, false);
    }
  }

  /** One incident for each kind, known user and reason of a commit: a flood of forged lines stays one row. */
  private incident(kind: IncidentKind, position: LogPosition, named: NameBytes, detail: string): void {
    const user = this.user(named) ? named : null;
    const key = `${kind}/${kind === 'line_dropped' ? detail : ''}/${user ?? ''}`;
    const earlier = this.incidents.get(key);
    const occurrences = (earlier?.occurrences ?? 0) + 1;
    this.incidents.set(key, { kind, position: earlier?.position ?? position, user, occurrences, detail });
  }

  outcome(): StretchOutcome {
    return {
      changed: [...this.changed.values()],
      risen: this.risen,
      login_seen: this.login_seen,
      notice_seen: this.notice_seen,
      snapshots: this.snapshots,
      anchors: this.anchors,
      incidents: [...this.incidents.values()],
    };
  }
}

const newUser = (name: NameBytes): UserCount => ({
  id: null, name, counter: noShares, ledger_count: noShares, snapshot_count: noShares, disputed_count: noShares,
});
