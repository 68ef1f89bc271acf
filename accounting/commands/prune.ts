// `prune`: compresses or removes the share logs of settled rounds, as `sharelog_keep` says. The only command that
// changes anything of ckpool's, and never run by the daemon. What may go is core/share-retention.ts's to say. It
// reads the database and writes nothing there. Exit status 3 when the disk refuses; what was done until then stands.
import { systemClock } from '../../shared/clock.js';
import { printJson, printLines, printTable, type Action, type CommandContext } from '../../shared/command.js';
import { loadConfig, type Config } from '../../shared/config.js';
import { createProgress } from '../../shared/progress.js';
import { kept_because, retentionLimit, type KeptReason } from '../core/share-retention.js';
import { loadReadMarks, loadRetentionFacts } from '../edges/retention-reader.js';
import {
  carryOut, forecast, planPrune, plannedBytes, type PruneResult, type PruneSettings,
} from '../prune-share-logs.js';
import { withFacts } from './open.js';

export const prune: Action = async (context) => {
  const { sharelog_keep: action } = loadConfig(context.config_file, process.env);
  if (action === 'all') return sayNothingToDo(context);
  await withFacts(context, async (database, config) => {
    const share_logs_count = config.share_source !== 'counters';
    const facts = await loadRetentionFacts(database, { maturity: config.maturity, share_logs_count });
    const settings: PruneSettings = {
      limit: retentionLimit(facts),
      keep_days: config.sharelog_keep_days,
      now_ms: systemClock.now_ms(),
      share_logs_count,
      log_directory: config.log_directory,
      action,
      marksOf: (height) => loadReadMarks(database, height),
    };
    const dry_run = context.options['dryRun'] === true;
    const result = await pruneWithProgress(settings, dry_run);
    if (context.json) printJson(asJson(settings, dry_run, result));
    else printResult(config, settings, dry_run, result);
    if (result.stopped) throw result.stopped;
  });
};

function sayNothingToDo({ json, options }: CommandContext): void {
  if (!json) return printLines(['sharelog_keep is "all": share logs are kept as they are, nothing is to be done.']);
  printJson({
    sharelog_keep: 'all', dry_run: options['dryRun'] === true, below_height: null, heights: [],
    total: { files: 0, bytes: 0, freed_bytes: 0 }, temporary_files: 0, kept: {}, stopped: null,
  });
}

/** First every directory is looked at, then the bytes that go are worked through. */
async function pruneWithProgress(settings: PruneSettings, dry_run: boolean): Promise<PruneResult> {
  const looking = createProgress({ label: 'looking at share logs', measure: 'parts' });
  const acting = createProgress({ label: settings.action === 'compress' ? 'compressing' : 'removing' });
  try {
    const plan = await planPrune(settings, looking.report);
    looking.end();
    if (dry_run) return forecast(plan, settings.action);
    const total = plannedBytes(plan);
    acting.report(0, total);
    const result = await carryOut(plan, settings.action, { onBytes: (done) => acting.report(done, total) });
    acting.end(result.stopped ? 'stopped before all was done' : 'done');
    return result;
  } finally {
    looking.end();
    acting.end();
  }
}

interface Total {
  readonly files: number;
  readonly bytes: number;
  readonly freed_bytes: number | null;
}

function totalOf({ heights }: PruneResult, action: PruneSettings['action'], dry_run: boolean): Total {
  const add = (of: (height: PruneResult['heights'][number]) => number): number =>
    heights.reduce((total, height) => total + of(height), 0);
  return {
    files: add(({ files }) => files),
    bytes: add(({ bytes }) => bytes),
    freed_bytes: dry_run && action === 'compress' ? null : add(({ freed_bytes }) => freed_bytes ?? 0),
  };
}

function asJson({ action, limit }: PruneSettings, dry_run: boolean, result: PruneResult) {
  return {
    sharelog_keep: action,
    dry_run,
    below_height: limit?.below_height ?? null,
    heights: result.heights,
    total: totalOf(result, action, dry_run),
    temporary_files: result.temporary_files,
    kept: Object.fromEntries(result.kept),
    stopped: result.stopped?.message ?? null,
  };
}

function printResult(config: Config, settings: PruneSettings, dry_run: boolean, result: PruneResult): void {
  const { action, limit } = settings;
  if (result.heights.length > 0) {
    printTable(
      [
        { heading: 'height', align: 'right' },
        { heading: 'files', align: 'right' },
        { heading: 'bytes', align: 'right' },
        { heading: 'freed', align: 'right' },
        { heading: 'directory' },
      ],
      result.heights.map(({ height, files, bytes, freed_bytes, directory_removed }) =>
        [height, files, bytes, freed_bytes, directory_removed ? 'removed' : 'stays']),
    );
  }
  const { files, bytes, freed_bytes } = totalOf(result, action, dry_run);
  const done = `${action === 'compress' ? 'compressed' : 'removed'}`;
  printLines([
    limit === null
      ? 'No round is settled deep enough yet: every share log is needed.'
      : `Share logs below height ${limit.below_height} that were not changed for ${config.sharelog_keep_days} days:`,
    `${files} files of ${bytes} bytes ${dry_run ? `would be ${done}` : `${done}`}`
      + `${freed_bytes === null ? '' : `, ${freed_bytes} bytes ${dry_run ? 'would be freed' : 'freed'}`}`,
    ...(result.temporary_files > 0
      ? [`${result.temporary_files} temporary files of a prune that was killed ${dry_run ? 'would be ' : ''}removed`]
      : []),
    ...[...result.kept].map(([reason, times]) => keptLine(reason, times)),
  ]);
}

const keptLine = (reason: KeptReason, times: number): string => `${times} kept: ${kept_because[reason]}`;
