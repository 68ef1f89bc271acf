// The form of a line: what is left when every name, number, hash and address is replaced by its kind.
// Two lines of one shape differ only in values. Real numbers and integers are different kinds, because
// a reader of JSON may care.
const stamp = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]/;

/** @param names user and worker names that may occur, one character a byte. */
export function lineShape(line: string, names: readonly string[]): string {
  const longest_first = [...names].sort((one, other) => other.length - one.length);
  const named = longest_first.reduce(
    (text, name) => text.replaceAll(name, '<name>'),
    line.replace(stamp, '<stamp>'),
  );
  return named
    .replace(/\S+\/main\.pid/, '<path>')
    .replace(/\b[0-9a-f]{64}\b/g, '<hash>')
    .replace(/\b\d+\.\d+\.\d+\.\d+(:\d+)?/g, '<address>')
    .replace(/("hashrate\w+": )"\d+(?:\.\d+)?[KMGTPE]?"/g, '$1<rate>')
    .replace(/("(?:enonce1|nonce2|nonce|ntime)": )"[0-9a-f]+"/g, '$1<hex>')
    .replace(/("createdate": )"\d+,\d+"/, '$1<date>')
    .replace(/("agent": )"[^"]*"/, '$1<agent>')
    .replace(/-?\b\d+\.\d+(?:e[+-]?\d+)?\b/g, '<real>')
    .replace(/(?<![\w<])\d+(?=[^\w>]|$)/g, '<integer>');
}
