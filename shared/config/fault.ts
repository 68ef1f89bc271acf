// A broken rule as one sentence: file, key, value, rule. What may be a secret is shown as ***, and the
// value of an unknown key or of a misplaced object is not shown at all (it may be a password whose key was
// misspelt).
import type { z } from 'zod';
import { nearestName } from './nearest-name.js';
import { known_names } from './schema.js';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

export function faultSentences(file: string, document: unknown, issues: readonly Issue[]): string[] {
  const sentences = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => unknownKey(file, issue.path, key))
      : [brokenRule(file, document, issue)],
  );
  return [...new Set(sentences)];
}

function brokenRule(file: string, document: unknown, issue: Issue): string {
  const key = keyPath(issue.path);
  const value = valueAt(document, issue.path);
  if (value === undefined) return `${file}: ${key} is missing; it must be ${issue.message}.`;
  return `${file}: ${key} is ${shownAt(issue.path, value)}; it must be ${issue.message}.`;
}

function unknownKey(file: string, path: Path, key: string): string {
  const place = keyPath(path);
  const nearest = nearestName(key, known_names[place] ?? []);
  const remedy = nearest === null ? 'remove it.' : `did you mean ${nearest}?`;
  return `${file}: ${place}.${shown(key).slice(1, -1)} is not a known key; ${remedy}`;
}

/** ckpool ignores unknown keys, so a misspelt "parser" would silently mean defaults throughout. */
export function misspeltParser(file: string, document: Record<string, unknown>): string[] {
  if ('parser' in document) return [];
  const likely = Object.keys(document).find((key) => nearestName(key, ['parser']) !== null);
  return likely === undefined
    ? []
    : [`${file} has no "parser" section, but a key ${shown(likely)}: is that it?`];
}

/** ["btcd", 0, "url"] is `btcd[0].url`. */
function keyPath(path: Path): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

function valueAt(document: unknown, path: Path): unknown {
  let value = document;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

function shownAt(path: Path, value: unknown): string {
  const name = path.at(-1);
  if (name === 'pass' || name === 'url') return typeof value === 'string' ? '"***"' : '***';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const holds_secrets =
    typeof name === 'number' || ['btcd', 'sql', 'payments', 'parser'].includes(String(name));
  return holds_secrets && value !== null ? `a ${typeof value}` : shown(value);
}

/** JSON in printable ASCII, at most 80 characters of it. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value;
  const printable = text.replace(/[^ -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return printable.length <= 80 ? printable : `${printable.slice(0, 76)}…${printable.slice(-1)}`;
}
