// The port for log lines, and its one adapter: winston on stderr, because stdout belongs to a command's
// answer. One event is one line of printable ASCII, whatever a miner put into a name; a field whose name
// speaks of a secret is shown as ***. POOL_LOG_LEVEL (error, warn, info, debug) and POOL_LOG_FORMAT (json)
// choose level and form.
import type { Writable } from 'node:stream';
import { loadWinston } from './packages.js';

export type Fields = Record<string, unknown>;
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

export interface LoggerOptions {
  /** Which program speaks: accounting, payments. */
  readonly name: string;
  readonly level?: LogLevel;
  readonly format?: 'line' | 'json';
  /** stderr unless a test says otherwise. */
  readonly stream?: Writable;
}

const secret = /pass|secret|credential|cookie|authorization|private_?key/i;
export const log_levels: readonly LogLevel[] = ['error', 'warn', 'info', 'debug'];

export function createLogger(options: LoggerOptions): Logger {
  const level = options.level ?? levelFromEnvironment();
  const form = options.format ?? (process.env['POOL_LOG_FORMAT'] === 'json' ? 'json' : 'line');
  const winston = lazily(() => openWinston(options.stream ?? process.stderr, level));
  const write = (at: LogLevel, message: string, fields: Fields = {}) => {
    if (log_levels.indexOf(at) > log_levels.indexOf(level)) return;
    const time = new Date().toISOString();
    const toLine = form === 'json' ? jsonLine : plainLine;
    winston().log(at, toLine(time, at, options.name, message, fields));
  };
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
  };
}

/** On a terminal a line that is being rewritten (progress.ts) may stand where a log line is to go. */
export const clear_line = '\r\x1b[K';

/** For code that must be quiet: tests, and commands whose answer says it all. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export function levelFromEnvironment(): LogLevel {
  const given = process.env['POOL_LOG_LEVEL']?.toLowerCase();
  return log_levels.find((level) => level === given) ?? 'info';
}

/** `2026-11-20T09:00:00.000Z info  payments  batch prepared txid=… outputs=3` */
export function plainLine(
  time: string,
  level: LogLevel,
  name: string,
  message: string,
  fields: Fields,
): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${escaped(key)}=${quoted(shownField(key, value))}`);
  return `${time} ${level.padEnd(5)} ${name}  ${escaped(message)}${pairs.join('')}`;
}

function jsonLine(time: string, level: LogLevel, name: string, message: string, fields: Fields): string {
  const shown = Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, shownField(key, value)]),
  );
  const text = JSON.stringify({ ...shown, time, level, name, message });
  return text.replace(/[^ -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A field as text, number, boolean or null; objects as JSON, errors as their sentence. */
function shownField(key: string, value: unknown): string | number | boolean | null | undefined {
  if (secret.test(key)) return '***';
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return value.message;
  if (typeof value === 'object' && value !== null) return objectText(value);
  if (typeof value === 'function' || typeof value === 'symbol') return typeof value;
  return value as string | number | boolean | null | undefined;
}

/** A log line must never be what fails: circular values and the like are named, not thrown. */
function objectText(value: object): string {
  try {
    return JSON.stringify(value, (key, part: unknown) => {
      if (key !== '' && secret.test(key)) return '***';
      return typeof part === 'bigint' ? part.toString() : part;
    });
  } catch {
    return Object.prototype.toString.call(value);
  }
}

const quoted = (value: unknown): string => {
  const text = escaped(String(value));
  return /^[^\s"=]+$/.test(text) ? text : `"${text.replaceAll('"', '\\"')}"`;
};

/** Control bytes, escape codes, line feeds and anything beyond ASCII: `\n` becomes `\x0a`. */
function escaped(text: string): string {
  return text.replace(/[^ -~]/g, (one) => {
    const code = one.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

function openWinston(stream: Writable, level: LogLevel) {
  const winston = loadWinston();
  const before = (stream as Writable & { isTTY?: boolean }).isTTY === true ? clear_line : '';
  return winston.createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.printf((info) => before + String(info.message)),
    transports: [new winston.transports.Stream({ stream, eol: '\n' })],
  });
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
