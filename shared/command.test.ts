import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addCommand, createProgram, runAction, runProgram, type Action, type CommandContext } from './command.js';
import { ConfigurationFault, InvariantBroken, OutsideFailure } from './errors.js';
import { jsonText, plainTable } from './print.js';

let out = '';
let err = '';
beforeEach(() => {
  [out, err, process.exitCode] = ['', '', undefined];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  process.stdout.removeAllListeners('error');
  process.stderr.removeAllListeners('error');
  process.exitCode = undefined;
});

let loaded: string[] = [];
async function call(line: string, action: Action = async () => undefined): Promise<CommandContext & { name: string }> {
  loaded = [];
  let seen: (CommandContext & { name: string }) | undefined;
  const program = createProgram('obtc-test', 'A program');
  const plan = (usage: string, is_default = false) =>
    addCommand(program, {
      usage,
      description: `what ${usage} does`,
      options: is_default ? [['--once', 'run until idle']] : [],
      examples: [`${usage} --json`],
      is_default,
      load: async () => {
        loaded.push(usage);
        return async (context) => {
          seen = { ...context, name: usage };
          return action(context);
        };
      },
    });
  plan('run', true);
  plan('blocks');
  plan('snapshot <block>');
  await runProgram(program, ['node', 'obtc-test', ...line.split(' ').filter(Boolean)]);
  return seen ?? { name: '', config_file: '', json: false, arguments: [], options: {} };
}

describe('the command line', () => {
  it.each<[string, Partial<CommandContext> & { name: string }]>([
    ['', { name: 'run', config_file: './ckpool.conf', json: false }],
    ['--once', { name: 'run', options: { once: true } }],
    ['-c X --once', { name: 'run', config_file: 'X', options: { once: true } }],
    ['run --once -c X', { name: 'run', config_file: 'X', options: { once: true } }],
    ['-c X blocks --json', { name: 'blocks', config_file: 'X', json: true }],
    ['blocks --json -c X', { name: 'blocks', config_file: 'X', json: true }],
    ['--json blocks --config=X', { name: 'blocks', config_file: 'X', json: true }],
    ['snapshot 159 --json', { name: 'snapshot <block>', json: true, arguments: ['159'] }],
  ])('understands "%s"', async (line, expected) => {
    expect(await call(line)).toMatchObject(expected);
    expect(loaded).toEqual([expected.name]);
    expect(process.exitCode ?? 0).toBe(0);
  });

  it.each([
    ['blokcs', /no command "blokcs"; did you mean blocks\?/],
    ['frobnicate', /no command "frobnicate"; see obtc-test --help/],
    ['--nonsense', /unknown option '--nonsense'/],
    ['blocks --nonsense', /unknown option '--nonsense'/],
    ['snapshot', /missing required argument 'block'/],
    ['blocks extra', /too many arguments/],
    ['-c', /argument missing/],
  ])('answers "%s" with one sentence and status 2', async (line, expected) => {
    await call(line);
    expect(err).toMatch(expected);
    expect(err.trim().split('\n')).toHaveLength(1);
    expect([process.exitCode, out, loaded]).toEqual([2, '', []]);
  });

  it('prints help with examples, and the version, with status 0', async () => {
    await call('blocks --help');
    expect(out).toMatch(/Examples:\n {2}obtc-test blocks --json/);
    expect(out).toContain('--config <file>');
    await call('--version');
    expect(out).toMatch(/\d+\.\d+\.\d+\n$/);
    expect(process.exitCode ?? 0).toBe(0);
  });
});

describe('the exit status', () => {
  it.each<[string, unknown, number, RegExp]>([
    ['a faulty configuration', new ConfigurationFault(['one fault.', 'two faults.']), 2, /^one fault\.\ntwo faults\.\n$/],
    ['a broken invariant', new InvariantBroken('The ledger is off.'), 1, /^The ledger is off\.\n$/],
    ['the node out of reach', new OutsideFailure('retry', 'node', 'Start the node.'), 3, /^Start the node\.\n$/],
    ['a lost lease', Object.assign(new Error('Another one runs.'), { name: 'LeaseLost' }), 1, /^Another one runs\.\n$/],
    ['a defect', new TypeError('x is not\na function'), 1, /^This should .*TypeError: x is not\\x0aa function .*DEBUG|debug/],
    ['something thrown', 'text', 1, /text/],
  ])('tells %s', async (_, failure, status, sentence) => {
    await runAction(async () => {
      throw failure;
    });
    expect(process.exitCode).toBe(status);
    expect(err).toMatch(sentence);
    expect(err).not.toMatch(/\n\s+at /);
  });

  it('is 1 when a command says that a check failed', async () => {
    await call('blocks', async () => 1);
    expect([process.exitCode, err]).toEqual([1, '']);
  });

  it('comes with a stack only under POOL_LOG_LEVEL=debug', async () => {
    vi.stubEnv('POOL_LOG_LEVEL', 'debug');
    await call('blocks', () => Promise.reject(new TypeError('x')));
    vi.unstubAllEnvs();
    expect(err).toMatch(/\n\s+at /);
  });
});

describe('answers', () => {
  it('as JSON keep big integers exact and hold ASCII only', () => {
    const text = jsonText({ shares: 2n ** 70n, name: 'é\u009b\u2028' });
    expect(text).toMatch(/^[\n -~]+$/);
    expect(JSON.parse(text)).toEqual({ shares: '1180591620717411303424', name: 'é\u009b\u2028' });
  });

  it('as plain columns line up, numbers to the right', () => {
    const columns = [{ heading: 'height', align: 'right' }, { heading: 'user' }, { heading: 'shares', align: 'right' }] as const;
    expect(plainTable(columns, [['7', 'alice', '12'], ['1234567', 'b', '3']])).toBe(
      ' height  user   shares\n      7  alice      12\n1234567  b           3\n',
    );
  });
});
