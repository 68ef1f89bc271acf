// Whether a source still fits the others once a bug is planted in it: what a compiler would refuse is no bug that
// could ever run. One service holds the whole program; only the changed files are checked anew.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export interface Content {
  readonly file: string;
  readonly text: string;
}

/** The first thing that the compiler says against each of these contents of a file; null when there is none. */
export function typeFaults(root: string, contents: readonly Content[]): (string | null)[] {
  const service = createService(root);
  const faults = new Array<string | null>(contents.length).fill(null);
  // As many files at a time as differ: most of the work is to put the program together.
  for (const round of rounds(contents)) {
    for (const index of round) service.set(contents[index]!.file, contents[index]!.text);
    for (const index of round) faults[index] = service.faultIn(contents[index]!.file);
    for (const index of round) service.set(contents[index]!.file, null);
  }
  return faults;
}

/** Indexes, no file twice in one round. */
function rounds(contents: readonly Content[]): number[][] {
  const found: number[][] = [];
  const seen = new Map<string, number>();
  contents.forEach(({ file }, index) => {
    const round = seen.get(file) ?? 0;
    seen.set(file, round + 1);
    (found[round] ??= []).push(index);
  });
  return found;
}

function createService(root: string) {
  const read = ts.readConfigFile(join(root, 'tsconfig.build.json'), (path) => ts.sys.readFile(path));
  const { fileNames, options } = ts.parseJsonConfigFileContent(read.config, ts.sys, root);
  const changed = new Map<string, string>();
  const versions = new Map<string, number>();
  const host: ts.LanguageServiceHost = {
    getCompilationSettings: () => ({ ...options, noEmit: true, noUnusedLocals: false, noUnusedParameters: false }),
    getScriptFileNames: () => fileNames,
    getScriptVersion: (path) => String(versions.get(path) ?? 0),
    getScriptSnapshot: (path) => {
      if (!ts.sys.fileExists(path)) return undefined;
      return ts.ScriptSnapshot.fromString(changed.get(path) ?? readFileSync(path, 'utf8'));
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
    fileExists: (path) => ts.sys.fileExists(path),
    readFile: (path) => ts.sys.readFile(path),
    readDirectory: (path, extensions) => ts.sys.readDirectory(path, extensions),
    directoryExists: (path) => ts.sys.directoryExists(path),
    getDirectories: (path) => ts.sys.getDirectories(path),
  };
  const service = ts.createLanguageService(host);

  return {
    /** null: as it is on disk. */
    set(file: string, text: string | null): void {
      const path = join(root, file);
      if (text === null) changed.delete(path);
      else changed.set(path, text);
      versions.set(path, (versions.get(path) ?? 0) + 1);
    },
    faultIn(file: string): string | null {
      const [first] = service.getSemanticDiagnostics(join(root, file));
      return first ? `does not compile: ${ts.flattenDiagnosticMessageText(first.messageText, ' ')}` : null;
    },
  };
}
