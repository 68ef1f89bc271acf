// What `prune` does. First it looks at everything and says what may go (planPrune): reads only, and all that a dry run
// does. Then it acts file by file, lowest height first (carryOut); each file is safe by itself, so that a crash or a
// full disk leaves what was done done and the rest as it was. It changes no table and needs no lease: ckpool's
// share logs are no part of the database, and the daemon reads a .gz as it reads the plain file.
import type { OutsideFailure } from '../shared/errors.js';
import { keptBecause, type KeptReason, type ReadMark, type RetentionSettings } from './core/share-retention.js';
import { compressShareLog, type OpenTarget } from './edges/share-log-compress.js';
import { contentOf, namedLength } from './edges/share-log-content.js';
import {
  lookInto, prunableHeights, removeEmptyDirectory, unlink, unlinkUnchanged, type HeightDirectory,
  type PrunableShareLog, type SeenFile,
} from './edges/share-log-prune.js';

export interface PruneSettings extends RetentionSettings {
  readonly log_directory: string;
  readonly action: 'compress' | 'remove';
  /** How far the share logs of a height were read. */
  marksOf(height: number): Promise<ReadonlyMap<string, ReadMark>>;
}

export interface PlannedHeight {
  readonly directory: HeightDirectory;
  readonly share_logs: readonly PrunableShareLog[];
}

export interface PrunePlan {
  /** Ascending; those with nothing to do are left out. */
  readonly heights: readonly PlannedHeight[];
  readonly leftovers: readonly string[];
  readonly kept: ReadonlyMap<KeptReason, number>;
}

/** Changes nothing. `onHeight` is told how many of how many directories were looked at. */
export async function planPrune(
  settings: PruneSettings, onHeight: (done: number, total: number) => void = () => undefined,
): Promise<PrunePlan> {
  const heights: PlannedHeight[] = [];
  const leftovers: string[] = [];
  const kept = new Map<KeptReason, number>();
  const all = prunableHeights(settings.log_directory);
  for (const [done, height] of all.entries()) {
    const directory = lookInto(settings.log_directory, height, settings.now_ms);
    const settled = settings.limit !== null && height < settings.limit.below_height;
    const marks = settled ? await settings.marksOf(height) : new Map<string, ReadMark>();
    const share_logs: PrunableShareLog[] = [];
    for (const file of directory.share_logs) {
      const reason = await whyKept(file, marks.get(file.workinfoid) ?? null, settings);
      if (reason === null) share_logs.push(file);
      else count(kept, reason);
    }
    count(kept, 'foreign', directory.foreign);
    leftovers.push(...directory.leftovers);
    const empty = settings.action === 'remove' && settled && isEmpty(directory);
    if (share_logs.length > 0 || empty) heights.push({ directory, share_logs });
    onHeight(done + 1, all.length);
  }
  return { heights, leftovers, kept };
}

const isEmpty = ({ share_logs, foreign }: HeightDirectory): boolean => share_logs.length === 0 && foreign === 0;

async function whyKept(
  file: PrunableShareLog, mark: ReadMark | null, settings: PruneSettings,
): Promise<KeptReason | null> {
  if (settings.action === 'compress' && file.plain === null) return 'compressed';
  const changed_ms = Math.max(...[file.plain, file.compressed].map((one) => one?.changed_ms ?? 0));
  const reason = keptBecause({ height: file.height, changed_ms, mark }, settings);
  if (reason !== null || mark === null) return reason;
  return settings.share_logs_count && !(await isReadToTheEnd(file, mark)) ? 'not_read' : null;
}

/** Up to a last line that never got its end. Most files need not be opened for that. */
async function isReadToTheEnd(file: PrunableShareLog, mark: ReadMark): Promise<boolean> {
  const { plain, compressed } = file;
  if (plain?.bytes === mark.offset) return true;
  if (!plain && compressed && mark.offset > 0 && namedLength(compressed) === mark.offset) return true;
  const content = await contentOf((plain ?? compressed!).path, plain === null);
  return content !== null && mark.offset >= content.lines_end && mark.offset <= content.bytes;
}

export interface PrunedHeight {
  readonly height: number;
  readonly files: number;
  /** On the disk, before. */
  readonly bytes: number;
  /** null: not known before it is done. */
  readonly freed_bytes: number | null;
  readonly directory_removed: boolean;
}

export interface PruneResult {
  readonly heights: readonly PrunedHeight[];
  readonly temporary_files: number;
  readonly kept: ReadonlyMap<KeptReason, number>;
  /** What ended it before all was done. */
  readonly stopped: OutsideFailure | null;
}

/** What would be done. */
export function forecast({ heights, leftovers, kept }: PrunePlan, action: PruneSettings['action']): PruneResult {
  return {
    heights: heights.map(({ directory, share_logs }) => ({
      height: directory.height,
      files: share_logs.length,
      bytes: sum(share_logs.map(bytesOf)),
      freed_bytes: action === 'remove' ? sum(share_logs.map(bytesOf)) : null,
      directory_removed: action === 'remove' && share_logs.length === directory.share_logs.length
        && directory.foreign === 0,
    })),
    temporary_files: leftovers.length, kept, stopped: null,
  };
}

export interface CarryOutOptions {
  /** Told how many bytes of the planned ones are behind. */
  onBytes?(done: number): void;
  /** See compressShareLog. */
  readonly openTarget?: OpenTarget;
}

/** Failures of the disk are part of the result, because what was done before them is worth knowing. */
export async function carryOut(
  plan: PrunePlan, action: PruneSettings['action'], options: CarryOutOptions = {},
): Promise<PruneResult> {
  const heights: PrunedHeight[] = [];
  const kept = new Map(plan.kept);
  let temporary_files = 0;
  let done_bytes = 0;
  let height: { -readonly [key in keyof PrunedHeight]: PrunedHeight[key] } | null = null;
  const result = (stopped: OutsideFailure | null): PruneResult => {
    if (height && (height.files > 0 || height.directory_removed)) heights.push(height);
    return { heights, temporary_files, kept, stopped };
  };
  try {
    for (const leftover of plan.leftovers) {
      unlink(leftover);
      temporary_files += 1;
    }
    for (const { directory, share_logs } of plan.heights) {
      height = { height: directory.height, files: 0, bytes: 0, freed_bytes: 0, directory_removed: false };
      for (const file of share_logs) {
        const outcome = action === 'remove' ? removeShareLog(file) : await compress(file, options.openTarget);
        if ('kept' in outcome) count(kept, outcome.kept);
        else {
          height.files += 1;
          height.bytes += bytesOf(file);
          height.freed_bytes! += outcome.freed_bytes;
        }
        done_bytes += bytesOf(file);
        options.onBytes?.(done_bytes);
      }
      if (action === 'remove') height.directory_removed = removeEmptyDirectory(directory.path);
      if (height.files > 0 || height.directory_removed) heights.push(height);
      height = null;
    }
    return result(null);
  } catch (failure) {
    if (!isOutside(failure)) throw failure;
    return result(failure);
  }
}

type Done = { readonly freed_bytes: number } | { readonly kept: KeptReason };

/** The compressed copy goes first: a crash between the two leaves the file that ckpool wrote. */
function removeShareLog(file: PrunableShareLog): Done {
  let freed_bytes = 0;
  for (const part of [file.compressed, file.plain]) {
    if (part === null) continue;
    if (!unlinkUnchanged(part)) return { kept: 'changed' };
    freed_bytes += part.bytes;
  }
  return { freed_bytes };
}

const compress = async (file: PrunableShareLog, openTarget?: OpenTarget): Promise<Done> =>
  (hasPlain(file) ? compressShareLog(file, openTarget) : { kept: 'compressed' });

const hasPlain = (file: PrunableShareLog): file is PrunableShareLog & { readonly plain: SeenFile } =>
  file.plain !== null;

export const plannedBytes = ({ heights }: PrunePlan): number =>
  sum(heights.flatMap(({ share_logs }) => share_logs.map(bytesOf)));

const bytesOf = ({ plain, compressed }: PrunableShareLog): number => (plain?.bytes ?? 0) + (compressed?.bytes ?? 0);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

function count(kept: Map<KeptReason, number>, reason: KeptReason, times = 1): void {
  if (times > 0) kept.set(reason, (kept.get(reason) ?? 0) + times);
}

const isOutside = (failure: unknown): failure is OutsideFailure =>
  failure instanceof Error && failure.name === 'OutsideFailure';
