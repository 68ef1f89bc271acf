// What a planted bug is: a change of one place in the sources that a maintainer could make in good faith, what it
// would do to whom, and which tests must notice. The table is data; nothing of it is in production code, and no
// source is changed where it stands (tree.ts makes a copy).

/** What may notice it. One of them is enough; they are asked in the order given. */
export type Catcher =
  | {
      readonly kind: 'tests';
      /** Test files, from the root of the tree. */
      readonly files: readonly string[];
      /** Only tests whose whole title (with its `describe`s) matches this pattern. */
      readonly title?: string;
    }
  | {
      /** The seeded simulator, compiled with the bug: it must end with exit status 1. */
      readonly kind: 'simulate';
      readonly seeds: number;
      readonly seed?: number;
    };

export interface Mutant {
  readonly name: string;
  /** One sentence: what it would do, and to whom. */
  readonly harm: string;
  readonly file: string;
  /** Must stand in the file exactly once: a bug that can no longer be planted is an error, not a success. */
  readonly find: string;
  readonly replacement: string;
  readonly catchers: readonly Catcher[];
}

export const tests = (file: string, title?: string): Catcher =>
  ({ kind: 'tests', files: [file], ...(title === undefined ? {} : { title }) });

/** Of tests that run on both engines, those on SQLite: they need no server. */
export const onSqlite = (file: string, title = ''): Catcher => tests(file, `on SQLite.*${title}`);

/** Two runs of one catcher are the same run. */
export const catcherName = (catcher: Catcher): string =>
  catcher.kind === 'simulate'
    ? `simulator, ${catcher.seeds} seeds${catcher.seed === undefined ? '' : ` from ${catcher.seed}`}`
    : `${catcher.files.join(' ')}${catcher.title === undefined ? '' : ` (${catcher.title})`}`;
