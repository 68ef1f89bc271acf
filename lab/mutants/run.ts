// Plants each bug in turn and asks its catchers. In order: every bug must fit its place and compile; every catcher
// must pass on the sources as they are, or its word is worth nothing; then each bug alone in a copy of the tree, as
// many at a time as there are copies. The copies are removed however it ends.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { catcherName, type Catcher, type Mutant } from './mutant.js';
import { patch } from './patch.js';
import { runCatcher, type Verdict } from './run-catcher.js';
import { copyTree, type Tree } from './tree.js';
import { typeFaults } from './types.js';

export interface Result {
  readonly mutant: Mutant;
  /** survived: every catcher passed with the bug in place. broken: nothing was proved, one way or the other. */
  readonly outcome: 'caught' | 'survived' | 'broken';
  /** The test or seed that caught it, or why it is broken. */
  readonly by: string;
  readonly seconds: number;
}

export interface RunOptions {
  readonly root: string;
  /** A folder of the compiled program, for catchers that run it; null: there is none. */
  readonly built: string | null;
  /** How many at a time. */
  readonly jobs: number;
  readonly stop: AbortSignal;
  readonly say: (text: string) => void;
  /** False: what a compiler says of the bugs is not asked, which takes some seconds. */
  readonly check_types?: boolean;
}

export async function runMutants(mutants: readonly Mutant[], options: RunOptions): Promise<Result[]> {
  const { root, built, jobs, stop, say } = options;
  const planted = plantAll(mutants, root, options.check_types !== false);
  const trees = Array.from({ length: jobs }, () => copyTree(root, built));
  try {
    const catchers = new Map(mutants.flatMap((mutant) => mutant.catchers).map((one) => [catcherName(one), one]));
    say(`${catchers.size} catchers without a bug`);
    const sound = new Map<string, Verdict>();
    await inParallel([...catchers], trees, stop, async ([name, catcher], tree) => {
      sound.set(name, await runCatcher(catcher, tree, stop));
    });
    const results: Result[] = [];
    await inParallel(planted, trees, stop, async (one, tree) => {
      const result = await tryMutant(one, sound, tree, stop);
      results.push(result);
      say(`${results.length}/${mutants.length} ${result.outcome} ${result.mutant.name}: ${result.by}`);
    });
    return results;
  } finally {
    for (const tree of trees) tree.remove();
  }
}

interface Planted {
  readonly mutant: Mutant;
  readonly text: string;
  readonly fault: string | null;
}

export function plantAll(mutants: readonly Mutant[], root: string, check_types: boolean): Planted[] {
  const planted = mutants.map((mutant) => {
    const patched = patch(mutant, readFileSync(join(root, mutant.file), 'utf8'));
    return 'fault' in patched ? { mutant, text: '', fault: patched.fault } : { mutant, text: patched.text, fault: null };
  });
  if (!check_types) return planted;
  const sources = planted.filter(({ mutant, fault }) => fault === null && mutant.file.endsWith('.ts'));
  const faults = typeFaults(root, sources.map(({ mutant, text }) => ({ file: mutant.file, text })));
  const faultOf = new Map(sources.map(({ mutant }, index) => [mutant, faults[index] ?? null]));
  return planted.map((one) => ({ ...one, fault: one.fault ?? faultOf.get(one.mutant) ?? null }));
}

async function tryMutant(
  { mutant, text, fault }: Planted, sound: ReadonlyMap<string, Verdict>, tree: Tree, stop: AbortSignal,
): Promise<Result> {
  if (fault !== null) return { mutant, outcome: 'broken', by: fault, seconds: 0 };
  const unsound = mutant.catchers.find((one) => sound.get(catcherName(one))?.outcome !== 'passed');
  if (unsound) return { mutant, outcome: 'broken', by: `without the bug: ${saidBy(sound.get(catcherName(unsound)))}`, seconds: 0 };
  const started_ms = performance.now();
  const seconds = (): number => (performance.now() - started_ms) / 1000;
  tree.plant(mutant, text);
  try {
    const asked: Catcher[] = [];
    for (const catcher of mutant.catchers) {
      const verdict = await runCatcher(catcher, tree, stop);
      if (verdict.outcome === 'caught') return { mutant, outcome: 'caught', by: verdict.by, seconds: seconds() };
      if (verdict.outcome === 'broken') return { mutant, outcome: 'broken', by: verdict.why, seconds: seconds() };
      asked.push(catcher);
    }
    return { mutant, outcome: 'survived', by: asked.map(catcherName).join('; '), seconds: seconds() };
  } finally {
    tree.restore(mutant);
  }
}

function saidBy(verdict: Verdict | undefined): string {
  if (verdict === undefined) return 'its catcher was not run';
  if (verdict.outcome === 'passed') return 'its catcher passes';
  return verdict.outcome === 'caught' ? `"${verdict.by}" fails` : verdict.why;
}

/** Each item once, one at a time in each tree. */
async function inParallel<Item>(
  items: readonly Item[], trees: readonly Tree[], stop: AbortSignal,
  work: (item: Item, tree: Tree) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  await Promise.all(trees.map(async (tree) => {
    for (const item of queue) {
      if (stop.aborted) return;
      await work(item, tree);
    }
  }));
}
