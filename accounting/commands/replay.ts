// `replay <logdir>`: rebuilds the facts from the log, and the counts from the share logs where they are read, and
// compares them with the database, row by row.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../shared/clock.js';
import { exit_status, printJson, printLines, type Action } from '../../shared/command.js';
import { ConfigurationFault } from '../../shared/errors.js';
import { createProgress } from '../../shared/progress.js';
import { openLogFiles } from '../edges/log-files.js';
import { loadLogState } from '../edges/log-state.js';
import { openShareLogs } from '../edges/share-log-files.js';
import { replayShares, type ShareReplayResult } from '../replay-shares.js';
import { replayLog } from '../replay.js';
import { withFacts } from './open.js';

const lines_shown_max = 50;

export const replay: Action = (context) => withFacts(context, async (database, config) => {
  const directory = path.resolve(context.arguments[0] ?? config.log_directory);
  if (!existsSync(directory)) {
    throw new ConfigurationFault([
      `There is no directory ${JSON.stringify(directory)} to replay: name the directory of ckpool's logs.`,
    ]);
  }
  const log_file = path.join(directory, path.basename(config.log_file));
  const log_files = openLogFiles({ log_file, quiet_ms: 0, once: true, clock: systemClock });
  const share_logs = openShareLogs({ log_directory: directory, clock: systemClock });
  const progress = createProgress({ label: 'replaying' });
  const share_progress = createProgress({ label: 'replaying share logs', measure: 'parts' });
  try {
    const { cursors } = await loadLogState(database);
    const result = await replayLog(database, cursors, log_files, (done, total) => {
      progress.report(Number(done), Number(total));
    });
    progress.end();
    const shares = await replayShares(database, share_logs, share_progress.report);
    share_progress.end();
    const differences = [...result.differences, ...(shares?.differences ?? [])];
    const ok = differences.length === 0;
    const outcome = ok ? 'live and replay agree' : `${differences.length} differ`;
    if (context.json) printJson({ ok, ...result, differences, share_logs: shares });
    else {
      printLines(differences.slice(0, lines_shown_max));
      printLines(shareSentences(shares));
      printLines([`${result.snapshots} snapshots, ${result.rows} rows: ${outcome}`]);
    }
    return ok ? exit_status.done : exit_status.failed;
  } finally {
    progress.end();
    share_progress.end();
    share_logs.close();
    await log_files.close();
  }
});

function shareSentences(shares: ShareReplayResult | null): string[] {
  if (!shares) return [];
  return [
    ...shares.notes,
    `share logs: ${shares.rounds} rounds rebuilt, ${shares.rows} rows, ${shares.solving_shares} solving shares found`,
  ];
}
