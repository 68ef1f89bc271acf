// Every failure of the outside is one of three kinds, and the kind alone decides what happens next:
//   refused  it certainly did not happen, and asking again will not help;
//   retry    it certainly did not happen, and may succeed later;
//   unknown  it may have happened: look before doing anything else.
// A broken invariant is a fourth thing: the program believes something wrong about money, so it stops.
// A bad configuration is a fifth: a person must change something before a start can succeed.

export type FailureKind = 'refused' | 'retry' | 'unknown';

/** A failure of node, database or disk. `message` is one sentence that tells an operator what to do. */
export class OutsideFailure extends Error {
  override readonly name = 'OutsideFailure';
  constructor(
    readonly kind: FailureKind,
    readonly where: 'node' | 'database' | 'files',
    message: string,
    /** The code of the outside (an RPC error code, a MariaDB errno, ENOSPC), for tests and logs. */
    readonly code: string | number | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The program's own belief is wrong. The daemon stops; a person looks. Exit status 1. */
export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken';
}

/** Bad usage or configuration: one sentence a fault, naming file, key, value and remedy. Exit status 2. */
export class ConfigurationFault extends Error {
  override readonly name = 'ConfigurationFault';
  constructor(readonly sentences: readonly string[], options?: ErrorOptions) {
    super(sentences.join('\n'), options);
  }
}

/** @throws InvariantBroken when the condition does not hold. */
export function invariant(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new InvariantBroken(sentence);
}
