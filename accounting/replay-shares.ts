// Rebuilds the counts of blocks from the share logs as they lie on the disk, as far as they were read live, and
// compares them with the rows that were written. Order: the share logs that were read are looked up; every solving
// share is read once more at its place; the rounds are rebuilt from the last one back, so many at a time as fit into
// memory, each share log being read about once. What cannot be rebuilt any more (share logs that were pruned, work that
// only counters told) is no difference: it is said beside them. Writes nothing anywhere.
import type { Database } from '../shared/database/database.js';
import { printable, type NameBytes } from '../shared/username.js';
import {
  batchesFromTheEnd, placesOf, roundStretches, type NotRebuilt, type RoundStretch,
} from './core/round-stretches.js';
import { compareMoments, comparePlaces, type ShareMoment, type SharePlace } from './core/share-order.js';
import { addWorks, noWork, wholeShares, type Work } from './core/share-work.js';
import { storedShares } from './edges/replay-reader.js';
import { storedShareFacts, type StoredCut, type StoredShareFacts } from './edges/replay-share-reader.js';
import type { ShareLogs } from './edges/share-log-files.js';
import { tallyFiles } from './edges/share-log-search.js';
import type { ReadShareLog } from './edges/share-state.js';
import { later } from './read-shares.js';
import { checkSolvers } from './replay-solvers.js';

/** What is held in memory at a time. */
const usual_batch = { rows_max: 500_000, rounds_max: 256 };

export interface ShareReplayResult {
  /** Rounds that were rebuilt, and their rows. */
  readonly rounds: number;
  readonly rows: number;
  /** Solving shares that were found where they are said to be. */
  readonly solving_shares: number;
  /** One sentence for each row that differs; empty when live and replay agree. */
  readonly differences: readonly string[];
  /** What could not be compared, and why. */
  readonly notes: readonly string[];
}

type Round = RoundStretch<StoredCut>;

/** Null: share logs play no part in this database. @throws OutsideFailure 'files' */
export async function replayShares(
  database: Database, share_logs: ShareLogs, progress: (done: number, total: number) => void,
  { rows_max, rounds_max } = usual_batch,
): Promise<ShareReplayResult | null> {
  const facts = await storedShareFacts(database);
  if (!facts) return null;
  const files = await lookUp(share_logs, facts.files);
  const solvers = await checkSolvers(share_logs, facts.solvers);
  const rounds = roundStretches(facts.cuts, facts.counted_since, files.gone_last);
  const walk = beginWalk(facts);
  const batches = batchesFromTheEnd(rounds, rows_max, rounds_max);
  for (const [done, batch] of batches.entries()) {
    await walkBack(database, share_logs, files.present, walk, batch);
    progress(done + 1, batches.length + 1);
  }
  if (files.gone === 0) await checkBeginning(share_logs, files.present, walk);
  progress(batches.length + 1, batches.length + 1);
  return {
    rounds: walk.rounds, rows: walk.rows, solving_shares: solvers.found,
    differences: [...files.differences, ...solvers.differences, ...walk.differences],
    notes: [...notRebuilt(rounds, files.gone), ...solvers.notes, ...toldByCounters(walk)],
  };
}

interface FilesThere {
  readonly present: readonly ReadShareLog[];
  readonly gone: number;
  /** The latest share in those that are gone. */
  readonly gone_last: ShareMoment | null;
  readonly differences: readonly string[];
}

/** One that became shorter cannot be read as it was: it is as good as gone, but nobody may do that. */
async function lookUp(share_logs: ShareLogs, files: readonly ReadShareLog[]): Promise<FilesThere> {
  const present: ReadShareLog[] = [];
  const differences: string[] = [];
  let gone = 0;
  let gone_last: ShareMoment | null = null;
  for (const file of files) {
    if (file.offset === 0) continue;
    const found = await share_logs.file(file.height, file.workinfoid);
    if (found && found.size >= file.offset) {
      present.push(file);
      continue;
    }
    gone += 1;
    gone_last = later(gone_last, file.last);
    if (found) differences.push(`${found.path} ends after ${found.size} bytes, ${file.offset} were counted`);
  }
  return { present, gone, gone_last, differences };
}

/** Where the walk back over the rounds is, and what it has seen. */
interface Walk {
  readonly facts: StoredShareFacts;
  /** Everything behind this place is in `behind`; null: nothing is. */
  place: SharePlace | null;
  readonly behind: Map<NameBytes, Work>;
  /** By user, the count that the next row back must have. */
  readonly counts: Map<NameBytes, bigint>;
  rounds: number;
  rows: number;
  told_rounds: number;
  told: bigint;
  readonly differences: string[];
}

const beginWalk = (facts: StoredShareFacts): Walk => ({
  facts, place: null, behind: new Map(),
  counts: new Map([...facts.counts].map(([name, { snapshot_count }]) => [name, snapshot_count])),
  rounds: 0, rows: 0, told_rounds: 0, told: 0n, differences: [],
});

async function walkBack(
  database: Database, share_logs: ShareLogs, files: readonly ReadShareLog[], walk: Walk, batch: readonly Round[],
): Promise<void> {
  const places = placesOf(batch);
  const stretches = await readBetween(share_logs, files, places, walk.place);
  // The places come down one by one, each with the work between it and the next one up.
  let next = places.length - 1;
  const down = (to: SharePlace): Map<NameBytes, Work> => {
    const passed = new Map<NameBytes, Work>();
    for (; next >= 0 && comparePlaces(places[next]!, to) >= 0; next--) {
      if (walk.place !== null && comparePlaces(places[next]!, walk.place) >= 0) continue;
      for (const [name, work] of stretches[next]!) {
        walk.behind.set(name, addWorks(walk.behind.get(name) ?? noWork, work));
        passed.set(name, addWorks(passed.get(name) ?? noWork, work));
      }
      walk.place = places[next]!;
    }
    return passed;
  };
  for (const round of batch) {
    const rows = await storedShares(database, round.cut.snapshot_id);
    checkCounts(walk, round, rows);
    if (round.to) down(round.to);
    if (round.not_rebuilt !== null) continue;
    compareRound(walk, round, rows, round.from === 'nothing' ? allSoFar(walk) : expected(walk, down(round.from!)));
  }
}

/** By place, the work behind it up to the next one; behind the last one up to `upper`. */
async function readBetween(
  share_logs: ShareLogs, files: readonly ReadShareLog[], places: readonly SharePlace[], upper: SharePlace | null,
): Promise<ReadonlyMap<NameBytes, Work>[]> {
  const least = places[0];
  if (!least) return [];
  const cuts = upper && comparePlaces(upper, places.at(-1)!) > 0 ? [...places, upper] : places;
  const between = files.filter(({ first, last }) => last !== null && compareMoments(last, least) >= 0
    && (upper === null || compareMoments(first!, upper) <= 0));
  const tally = await tallyFiles(share_logs, between.map(untilCursor), cuts);
  return places.map((_, index) => tally.work(index + 1));
}

const untilCursor = ({ height, workinfoid, offset }: ReadShareLog) => ({ height, workinfoid, until: offset });

const logged = ({ facts }: Walk, name: NameBytes): Work => facts.counts.get(name)?.logged ?? noWork;
/** Rounded down; below nothing where work was passed over before it was counted. */
const whole = (work: bigint): bigint => (work > 0n ? wholeShares(work as Work) : 0n);

/** The walk stands where the round begins: what each user got in it. */
function expected(walk: Walk, passed: ReadonlyMap<NameBytes, Work>): Map<NameBytes, bigint> {
  const differences = new Map<NameBytes, bigint>();
  for (const [name, work] of passed) {
    const before = logged(walk, name) - (walk.behind.get(name) ?? noWork);
    const difference = whole(before + work) - whole(before);
    if (difference > 0n) differences.set(name, difference);
  }
  return differences;
}

/** The walk stands at the end of the first round. */
function allSoFar(walk: Walk): Map<NameBytes, bigint> {
  const differences = new Map<NameBytes, bigint>();
  for (const [name, count] of walk.facts.counts) {
    const difference = whole(count.logged - (walk.behind.get(name) ?? noWork));
    if (difference > 0n) differences.set(name, difference);
  }
  return differences;
}

type Rows = Awaited<ReturnType<typeof storedShares>>;

/** A user's counts rise from row to row by the differences, up to the count that he has now. */
function checkCounts(walk: Walk, { cut }: Round, rows: Rows): void {
  for (const [name, { share_count, difference }] of rows) {
    const count = walk.counts.get(name);
    if (count !== undefined && count !== share_count) {
      say(walk, cut, name, `count ${share_count}, the differences behind it leave ${count}`);
    }
    walk.counts.set(name, share_count - difference);
  }
}

function compareRound(walk: Walk, { cut }: Round, rows: Rows, rebuilt: ReadonlyMap<NameBytes, bigint>): void {
  walk.rounds += 1;
  walk.rows += rows.size;
  let told = 0n;
  if (cut.exact && !cut.at_solver) {
    walk.differences.push(`${nameOf(cut)}: exact, but its work does not end with its block's solving share`);
  }
  for (const name of new Set([...rows.keys(), ...rebuilt.keys()])) {
    const stored = rows.get(name)?.difference ?? 0n;
    const found = rebuilt.get(name) ?? 0n;
    if (stored > found && !cut.exact) told += stored - found;
    else if (stored !== found) {
      say(walk, cut, name, `difference ${stored === 0n ? 'none' : stored}, the share logs give ${found}`);
    }
  }
  if (told > 0n) walk.told_rounds += 1;
  walk.told += told;
}

function say(walk: Walk, cut: StoredCut, name: NameBytes, what: string): void {
  walk.differences.push(`${nameOf(cut)}, ${printable(name)}: ${what}`);
}

const nameOf = ({ snapshot_id, height }: StoredCut): string =>
  (height === null ? `snapshot ${snapshot_id}` : `snapshot ${snapshot_id}, height ${height}`);

/** What is left before the first round that was rebuilt must be what the share logs hold before it. */
async function checkBeginning(
  share_logs: ShareLogs, files: readonly ReadShareLog[], walk: Walk,
): Promise<void> {
  const { place } = walk;
  const early = files.filter(({ first }) => first !== null && (!place || compareMoments(first, place) <= 0));
  const work = (await tallyFiles(share_logs, early.map(untilCursor), place ? [place] : [])).work(0);
  for (const name of new Set([...walk.facts.counts.keys(), ...work.keys()])) {
    // Where counters told a part, share logs may have been passed over.
    if (walk.facts.counts.get(name)?.counters_told) continue;
    const counted = logged(walk, name) - (walk.behind.get(name) ?? noWork);
    const held = work.get(name) ?? noWork;
    if (counted === held) continue;
    walk.differences.push(`${printable(name)}: ${shareText(walk, name, counted)} were counted from the share logs, `
      + `they hold ${shareText(walk, name, held)}`);
  }
}

/** With everything behind the place. */
function shareText(walk: Walk, name: NameBytes, work: bigint): string {
  const total = work + (walk.behind.get(name) ?? noWork);
  const fraction = (total % per_share).toString().padStart(18, '0').replace(/0+$/, '');
  return `${total / per_share}${fraction === '' ? '' : `.${fraction}`} shares`;
}
const per_share = 10n ** 18n;

const because: Readonly<Record<NotRebuilt, (gone: number) => string>> = {
  gone: (gone) => `share logs that they were counted from are gone (${gone} in all)`,
  passed_over: () => 'they were decided before share logs were last turned to',
  no_place: () => 'they begin or end where everything was taken that there was (a baseline, or share logs not read)',
};

function notRebuilt(rounds: readonly Round[], gone: number): string[] {
  return (Object.keys(because) as NotRebuilt[]).flatMap((reason) => {
    const count = rounds.filter((round) => round.not_rebuilt === reason).length;
    return count === 0 ? [] : [`${count} round(s) cannot be rebuilt from share logs: ${because[reason](gone)}`];
  });
}

const toldByCounters = ({ told_rounds, told }: Walk): string[] => (told_rounds === 0 ? []
  : [`${told_rounds} round(s) hold ${told} shares that only ckpool's counters told: no share log can show them`]);
