// Cuts the text of a schema file into statements. Knows comments, quoted text and the bodies of triggers
// (BEGIN … END, with CASE … END inside), because a semicolon in one of these ends nothing.

const token = /--[^\n]*|\/\*[^]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|[A-Za-z_]\w*|[^]/g;

/** Statements in order, each without its semicolon; comments between statements are left out. */
export function splitStatements(text: string): string[] {
  const statements: string[] = [];
  let current = '';
  let words: string[] = [];
  let depth = 0;
  for (const [part] of text.matchAll(token)) {
    if (part.startsWith('--') || part.startsWith('/*')) {
      current += ' ';
      continue;
    }
    if (part === ';' && depth === 0) {
      if (current.trim() !== '') statements.push(current.trim());
      current = '';
      words = [];
      continue;
    }
    current += part;
    if (words.length < 2 && /^\w/.test(part)) words.push(part.toUpperCase());
    if (words[0] === 'CREATE' && words[1] === 'TRIGGER') depth += depthChange(part);
  }
  if (current.trim() !== '') statements.push(current.trim());
  return statements;
}

function depthChange(word: string): number {
  if (/^(?:BEGIN|CASE)$/i.test(word)) return 1;
  return /^END$/i.test(word) ? -1 : 0;
}
