// Plants one bug in the text of a source, and says when it cannot be planted: when its place is not found exactly
// once, when nothing changes, or when the result is no program. Values only.
import ts from 'typescript';
import type { Mutant } from './mutant.js';

export type Patched = { readonly text: string } | { readonly fault: string };

export function patch(mutant: Mutant, source: string): Patched {
  const { file, find, replacement } = mutant;
  const parts = source.split(find);
  if (parts.length !== 2) return { fault: `its place is found ${parts.length - 1} times in ${file}, not once` };
  if (find === replacement) return { fault: 'it changes nothing' };
  const text = parts.join(replacement);
  const fault = file.endsWith('.ts') ? syntaxFault(text, file) : null;
  return fault === null ? { text } : { fault };
}

const options: ts.CompilerOptions = {
  module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true,
};

function syntaxFault(text: string, file: string): string | null {
  const { diagnostics = [] } = ts.transpileModule(text, {
    fileName: file, reportDiagnostics: true, compilerOptions: options,
  });
  const [first] = diagnostics;
  return first ? `does not parse: ${ts.flattenDiagnosticMessageText(first.messageText, ' ')}` : null;
}

/** As the build would compile it, one file alone: imports keep their names, types are left out. */
export const compiled = (text: string, file: string): string =>
  ts.transpileModule(text, { fileName: file, compilerOptions: options }).outputText;
