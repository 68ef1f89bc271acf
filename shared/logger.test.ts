import { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogger, plainLine, type Logger, type LoggerOptions } from './logger.js';

function capture(options: Partial<LoggerOptions> = {}): { log: Logger; text: () => string } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { log: createLogger({ name: 'payments', level: 'info', format: 'line', stream, ...options }), text: () => chunks.join('') };
}

describe('a log line', () => {
  it('is one line: time, level, program, sentence, fields', () => {
    const line = plainLine('2026-11-20T09:00:00.000Z', 'info', 'payments', 'batch prepared', {
      txid: 'ab', amount_sats: 12n, outputs: 3, note: 'two words', missing: undefined, nothing: null,
    });
    expect(line).toBe(
      '2026-11-20T09:00:00.000Z info  payments  batch prepared txid=ab amount_sats=12 outputs=3 note="two words" nothing=null',
    );
  });

  it('goes to the stream, below the level not at all', () => {
    const { log, text } = capture();
    log.debug('not this');
    log.warn('this');
    expect(text()).toMatch(/^\S+Z warn {2}payments {2}this\n$/);
  });

  it('is JSON when asked for', () => {
    const { log, text } = capture({ format: 'json' });
    log.error('failed', { height: 7, reward: 5n, cause: new Error('no') });
    expect(JSON.parse(text())).toMatchObject({ level: 'error', name: 'payments', message: 'failed', height: 7, reward: '5', cause: 'no' });
  });

  it('shows no secret', () => {
    const { log, text } = capture();
    log.info('login', { password: 'hidden', wallet_passphrase: 'hidden', settings: { user: 'a', password: 'hidden' } });
    expect(text()).not.toContain('hidden');
    expect(text()).toContain('password=***');
  });

  it('fault 36: lets no miner end it, forge another or reach the terminal (D-31)', () => {
    for (const format of ['line', 'json'] as const) {
      fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (message, value) => {
        const { log, text } = capture({ format });
        log.info(message, { user: value, list: [value], [value]: 1 });
        expect(text()).toMatch(/^[ -~]+\n$/);
      }));
    }
  });

  it('never is what fails: circular objects, functions and symbols are named', () => {
    const { log, text } = capture();
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    log.info('odd', { circle, call: () => 1, mark: Symbol('x') });
    expect(text()).toContain('circle="[object Object]" call=function mark=symbol');
  });
});
