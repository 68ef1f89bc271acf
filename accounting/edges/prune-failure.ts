// Failures of changing ckpool's log directory, as sentences for whoever called `prune`. In each of them the share
// log is still there, whole.
import { OutsideFailure } from '../../shared/errors.js';
import { codeOf } from './log-failure.js';

export function pruneFailure(error: unknown, path: string): OutsideFailure {
  if (error instanceof OutsideFailure) return error;
  const code = codeOf(error) || String(error);
  const failure = (kind: 'refused' | 'retry', sentence: string) =>
    new OutsideFailure(kind, 'files', sentence, code, { cause: error });
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return failure('refused', `${path} may not be changed by this user: run prune as the user that ckpool runs `
        + 'as, or give this user write permission in the log directory (key "logdir").');
    case 'EROFS':
      return failure('refused', `${path} is on a file system that is mounted read-only: `
        + 'run prune where the log directory (key "logdir") may be written to.');
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return failure('retry', `There is no room left to compress ${path}: it stays as it was; free some space and `
        + 'run prune again.');
    default:
      return failure('retry', `${path} could not be changed (${code}): look at the disk it is on.`);
  }
}
