// The first complete JSON value of ckpool.conf; what follows it is comment. ckpool reads the file the same
// way (jansson stops after the first value, and of a repeated key the last one counts, as with JSON.parse).
// The content is never quoted in a fault: it holds passwords.
import { ConfigurationFault } from '../errors.js';

const byte = {
  quote: 0x22,
  backslash: 0x5c,
  open: 0x7b,
  open_list: 0x5b,
  close: 0x7d,
  close_list: 0x5d,
} as const;

/** @throws ConfigurationFault when the file does not begin with one JSON object in UTF-8. */
export function firstJsonValue(bytes: Buffer, file: string): Record<string, unknown> {
  refuseByteOrderMark(bytes, file);
  const start = bytes.findIndex((one) => one !== 0x20 && one !== 0x09 && one !== 0x0a && one !== 0x0d);
  if (start < 0) throw new ConfigurationFault([`${file} is empty; it must hold ckpool's JSON object.`]);
  if (bytes[start] !== byte.open) {
    throw new ConfigurationFault([
      `${file}: the first character of the file must be {, the start of ckpool's JSON object; ` +
        `comments may only follow after its closing }.`,
    ]);
  }
  const end = endOfValue(bytes, start);
  const text = decode(bytes.subarray(0, end ?? bytes.length), file);
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    const where = placeOfFault(text);
    const what =
      where === null ? 'its closing } or a quotation mark is missing' : `it goes wrong at ${where}`;
    throw new ConfigurationFault([`${file} is not valid JSON: ${what}.`], { cause: (error as Error).name });
  }
}

/**
 * One past the bracket that closes the value; null when nothing closes it. Works on bytes: no byte of a
 * character beyond ASCII looks like a quotation mark, a backslash or a bracket in UTF-8.
 */
export function endOfValue(bytes: Uint8Array, start: number): number | null {
  let depth = 0;
  let in_string = false;
  for (let at = start; at < bytes.length; at += 1) {
    const one = bytes[at];
    if (in_string) {
      if (one === byte.backslash) at += 1;
      else if (one === byte.quote) in_string = false;
    } else if (one === byte.quote) in_string = true;
    else if (one === byte.open || one === byte.open_list) depth += 1;
    else if (one === byte.close || one === byte.close_list) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return null;
}

function refuseByteOrderMark(bytes: Buffer, file: string): void {
  const utf8 = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (!utf8 && !utf16) return;
  throw new ConfigurationFault([
    `${file} begins with a byte order mark, at which ckpool itself stops reading; `
    + 'save it as UTF-8 without BOM.',
  ]);
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new ConfigurationFault([`${file} is not UTF-8 text; save it as UTF-8 without BOM.`], {
      cause: error,
    });
  }
}

/**
 * JSON.parse does not always tell where a text goes wrong, and what it tells quotes the text. A text that is
 * right up to its end fails "at the end"; the shortest beginning that fails before its end names the place.
 */
function placeOfFault(text: string): string | null {
  if (failsAtItsEnd(text)) return null;
  let [good, bad] = [0, text.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (failsAtItsEnd(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  const lines = text.slice(0, bad).split('\n');
  // A line feed inside a string is itself the fault; it belongs to the line that it ends.
  if (lines.length > 1 && lines.at(-1) === '') lines.pop();
  return `line ${lines.length}, column ${Math.max(1, lines.at(-1)?.length ?? 1)}`;
}

function failsAtItsEnd(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    if (/^(?:Unexpected end|Unterminated string)/.test(message)) return true;
    return /in JSON at position (\d+)/.exec(message)?.[1] === String(text.length);
  }
}
