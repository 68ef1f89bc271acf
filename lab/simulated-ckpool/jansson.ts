// JSON text in the form ckpool's library writes it: `": "` and `", "`, keys in the order given,
// integers of 64 bits, reals that always carry a point or an exponent, names as the bytes they are.

/** A floating point number and the significant digits it is written with. */
export interface Real {
  real: number;
  digits: number;
}
export type JanssonValue = string | bigint | boolean | Real;

/** Full precision, as for `bestshare`, `diff` and `sdiff`. */
export const real = (value: number, digits = 17): Real => ({ real: value, digits });

export function toJansson(entries: readonly (readonly [key: string, value: JanssonValue])[]): string {
  return `{${entries.map(([key, value]) => `${quoted(key)}: ${valueText(value)}`).join(', ')}}`;
}

function valueText(value: JanssonValue): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'object') return realText(value);
  return String(value);
}

function realText({ real: value, digits }: Real): string {
  const [mantissa = '', power = ''] = value.toExponential(digits - 1).split('e');
  const exponent = Number(power);
  // C's %g turns to exponents there; the library drops the plus and the zeros that C puts in front.
  if (value !== 0 && (exponent < -4 || exponent >= digits)) return `${withoutZeros(mantissa)}e${exponent}`;
  const text = significant(value, digits);
  return text.includes('.') ? text : `${text}.0`;
}

/** C's `%.<digits>g` for numbers that need no exponent: trailing zeros dropped. */
export function significant(value: number, digits: number): string {
  const text = value.toPrecision(digits);
  return text.includes('e') ? text : withoutZeros(text);
}

const withoutZeros = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);

const short_escapes: Record<string, string> = {
  '"': '\\"', '\\': '\\\\', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t',
};

/** Bytes of 0x80 and above pass as they are (they are UTF-8 already). */
function quoted(text: string): string {
  // eslint-disable-next-line no-control-regex -- control bytes are what has to be escaped
  return `"${text.replace(/["\\\u0000-\u001f]/g, (byte) =>
    short_escapes[byte] ?? `\\u${byte.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)}"`;
}
