// Failures of the disk, as the program knows them: one sentence with the path, the key and the remedy.
import { OutsideFailure } from '../../shared/errors.js';

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** Nothing was changed by a failed read: it is refused where a person must act, else worth another try. */
export function filesFailure(error: unknown, path: string, key: 'logfile' | 'logdir'): OutsideFailure {
  if (error instanceof OutsideFailure) return error;
  const code = codeOf(error) || String(error);
  const cause = { cause: error };
  if (code === 'EACCES' || code === 'EPERM') {
    return new OutsideFailure(
      'refused',
      'files',
      `${path} (key "${key}") may not be read by this user: `
      + `give its group read access to ckpool's log directory.`,
      code,
      cause,
    );
  }
  if (code === 'EMFILE' || code === 'ENFILE') {
    return new OutsideFailure(
      'retry',
      'files',
      `${path} could not be opened because too many files are open: raise LimitNOFILE of the service.`,
      code,
      cause,
    );
  }
  return new OutsideFailure('retry', 'files',
    `${path} (key "${key}") could not be read (${code}): look at the disk it is on.`, code, cause);
}
