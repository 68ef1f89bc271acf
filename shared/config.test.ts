import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig, type Config } from './config.js';
import { known_names } from './config/schema.js';
import { ConfigurationFault } from './errors.js';

const directory = mkdtempSync(join(tmpdir(), 'obtc-config-'));
afterAll(() => rmSync(directory, { recursive: true }));
const file = join(directory, 'ckpool.conf');

const ckpool = {
  btcd: [{ url: '127.0.0.1:8332', auth: 'alice', pass: 'node-secret', notify: true }],
  btcaddress: 'bcrt1qpool',
  mindiff: 1,
};
type Json = Record<string, unknown>;
const withParser = (parser: Json): string => JSON.stringify({ ...ckpool, parser });

function load(content: string | Uint8Array, env: NodeJS.ProcessEnv = {}): Config {
  writeFileSync(file, content);
  chmodSync(file, 0o640);
  return loadConfig(file, env);
}

function faultsOf(content: string | Uint8Array, env: NodeJS.ProcessEnv = {}): readonly string[] {
  try {
    load(content, env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationFault);
    return (error as ConfigurationFault).sentences;
  }
  throw new Error('no fault');
}

describe("ckpool's own file", () => {
  it('needs no section of ours: everything has a default', () => {
    expect(load(JSON.stringify(ckpool))).toEqual({
      file,
      directory,
      pool_address: 'bcrt1qpool',
      donation_address: null,
      node: { url: 'http://127.0.0.1:8332', user: 'alice', password: 'node-secret' },
      payments_node: { url: 'http://127.0.0.1:8332', user: 'alice', password: 'node-secret' },
      log_directory: join(directory, 'logs'),
      log_file: join(directory, 'logs/ckpool.log'),
      database: { engine: 'sqlite', file: join(directory, 'pool_base.sqlite') },
      payments_database: { engine: 'sqlite', file: join(directory, 'pool_base.sqlite') },
      maturity: 100,
      check_mature_period_ms: 120_000,
      check_logs_period_ms: 20_000,
      scheme: 'prop',
      pool_fee_ppm: 0n,
      min_payout_sats: 100_000n,
      network_fee_from: 'miners',
      max_fee_rate: 100_000n,
      fallback_fee_rate: 1_000n,
      max_outputs_per_transaction: 500,
      payout_confirmations: 6,
      wallet: null,
      wallet_passphrase: null,
      scan_from_height: null,
      share_source: 'auto',
      sharelog_keep: 'all',
      sharelog_keep_days: 30,
      warnings: [],
    });
  });

  it('is read up to the end of its first value; brackets in strings end nothing', () => {
    const text = JSON.stringify({ ...ckpool, btcsig: '/}"\\}{/' });
    expect(load(`\n ${text}\nComments } { " from here on`).pool_address).toBe('bcrt1qpool');
    expect(load(Buffer.concat([Buffer.from(text), Buffer.from([0x0a, 0xff, 0xfe, 0x00])])).maturity).toBe(100);
  });

  it('gives a repeated key its last value, as ckpool does', () => {
    const text = JSON.stringify(ckpool).replace('"btcaddress"', '"btcaddress":"first","btcaddress"');
    expect(load(text).pool_address).toBe('bcrt1qpool');
  });

  it('accepts the section of the replaced tool unchanged', () => {
    const sql = { auth: 'root', pass: '', host: 'localhost' };
    const config = load(withParser({ sql, maturity: 50, checkmature_period: 60, checklogs_period: 5 }));
    expect(config).toMatchObject({ maturity: 50, check_mature_period_ms: 60_000, check_logs_period_ms: 5_000 });
    expect(config.database).toEqual({
      engine: 'mysql', host: 'localhost', port: 3306, socket_path: null, user: 'root', password: '', database: 'pool_base',
    });
  });

  it('accepts the sample, which names every key of ours and nothing else', () => {
    const sample = readFileSync(new URL('../ckpool.conf', import.meta.url), 'utf8')
      .replace(/the address that your pool mines to|an address for donations/g, 'bcrt1qpool');
    expect(load(sample)).toMatchObject({ warnings: [], payments_database: { user: 'pool_payments' } });
    const names = Object.values(known_names).flat();
    expect(names.filter((name) => !sample.includes(name))).toEqual([]);
  });

  it('is frozen throughout', () => {
    const config = load(withParser({ sql: { auth: 'a' } }));
    expect(() => Object.assign(config.database, { host: 'other' })).toThrow(TypeError);
    expect(() => Object.assign(config, { maturity: 1 })).toThrow(TypeError);
  });
});

describe('values', () => {
  it.each<[Json, Partial<Config>]>([
    [{ pool_fee_percent: 1 }, { pool_fee_ppm: 10_000n }],
    [{ pool_fee_percent: 0.29 }, { pool_fee_ppm: 2_900n }],
    [{ pool_fee_percent: '0.0001' }, { pool_fee_ppm: 1n }],
    [{ pool_fee_percent: 100 }, { pool_fee_ppm: 1_000_000n }],
    [{ min_payout: '0.00000001' }, { min_payout_sats: 1n as Config['min_payout_sats'] }],
    [{ min_payout: '2' }, { min_payout_sats: 200_000_000n as Config['min_payout_sats'] }],
    [{ max_fee_rate: null }, { max_fee_rate: null }],
    [{ network_fee: 'pool' }, { network_fee_from: 'pool' }],
    [{ checklogs_period: 0.5 }, { check_logs_period_ms: 500 }],
    [{ wallet: 'pool' }, { wallet: 'pool' }],
    [{ logfile: 'logs/other.log' }, { log_file: join(directory, 'logs/other.log') }],
    [{ logfile: '/var/log/ckpool/a.log' }, { log_file: '/var/log/ckpool/a.log' }],
    [{ scan_from_height: 0 }, { scan_from_height: 0 as Config['scan_from_height'] & number }],
    [{ share_source: 'counters' }, { share_source: 'counters' }],
    [{ share_source: 'sharelog' }, { share_source: 'sharelog', sharelog_keep: 'all' }],
    [{ sharelog_keep: 'compress', sharelog_keep_days: 1 }, { sharelog_keep: 'compress', sharelog_keep_days: 1 }],
    [{ sharelog_keep: 'remove' }, { sharelog_keep: 'remove', sharelog_keep_days: 30 }],
    [{ sql: { file: 'data/pool.sqlite' } }, { database: { engine: 'sqlite', file: join(directory, 'data/pool.sqlite') } }],
  ])('%j', (parser, expected) => {
    expect(load(withParser(parser))).toMatchObject(expected);
  });

  // Not refused: a payout is above the threshold *and* above dust, so that a low threshold pays as
  // soon as the network takes it, and no address needs a rule of its own here: payments/core/payout-plan.test.ts.
  it('fault 41: a threshold below dust is allowed: dust is never paid all the same', () => {
    expect(load(withParser({ min_payout: '0.00000001' })).min_payout_sats).toBe(1n);
  });

  it('lays what payments has of its own over the common logins', () => {
    const sql = { auth: 'a', pass: 'p', host: 'db', port: 3307, database: 'pool' };
    const payments = { sql: { auth: 'b', pass: 'q' }, btcd: { auth: 'payer', pass: 'r' } };
    const config = load(withParser({ sql, payments }));
    expect(config.database).toMatchObject({ user: 'a', password: 'p', host: 'db', port: 3307 });
    expect(config.payments_database).toEqual({ ...config.database, user: 'b', password: 'q' });
    expect(config.payments_node).toEqual({ url: 'http://127.0.0.1:8332', user: 'payer', password: 'r' });
  });

  it.each([
    ['127.0.0.1:8332', 'http://127.0.0.1:8332'],
    ['http://node:8332/', 'http://node:8332'],
    ['https://node:8332', 'https://node:8332'],
    ['[::1]:8332', 'http://[::1]:8332'],
  ])('takes %s as the address of the node', (url, expected) => {
    expect(load(JSON.stringify({ ...ckpool, btcd: [{ ...ckpool.btcd[0], url }] })).node.url).toBe(expected);
  });
});

describe('fault 41: faults are sentences with file, key, value and rule', () => {
  it.each<[string, Json, string | RegExp]>([
    ['an unknown key', { maturty: 5 }, `${file}: parser.maturty is not a known key; did you mean maturity?`],
    ['an unknown key far from all', { colour: 1 }, `${file}: parser.colour is not a known key; remove it.`],
    ['an unknown key in sql', { sql: { auth: 'a', passs: 'hidden' } }, /parser\.sql\.passs is not .*mean pass\?$/],
    ['an unknown key in payments', { payments: { sqll: {} } }, /parser\.payments\.sqll is not .*mean sql\?$/],
    ['an unknown key of payments.btcd', { payments: { btcd: { uri: 'x' } } }, /payments\.btcd\.uri .*mean url\?$/],
    ['text for a number', { maturity: '100' }, /parser\.maturity is "100"; it must be a whole number .*without quotes/],
    ['a fraction for a count', { maturity: 1.5 }, /parser\.maturity is 1\.5;/],
    ['no maturity', { maturity: 0 }, /parser\.maturity is 0;/],
    ['a number for an amount', { min_payout: 0.001 }, /min_payout is 0\.001; .* in quotes, such as "0\.001"/],
    ['nothing as threshold', { min_payout: '0' }, /min_payout is "0"; .*above 0/],
    ['a negative amount', { min_payout: '-1' }, /min_payout is "-1";/],
    ['nine decimals', { min_payout: '0.000000001' }, /at most 8 decimals/],
    ['more than there is', { min_payout: '21000001' }, /min_payout/],
    ['five decimals of a per cent', { pool_fee_percent: 0.00001 }, /pool_fee_percent is 0\.00001; .*4 decimals/],
    ['more than all', { pool_fee_percent: 100.1 }, /from 0 to 100/],
    ['a fee of 101 per cent', { pool_fee_percent: 101 }, /pool_fee_percent is 101; .*from 0 to 100/],
    ['a negative fee', { pool_fee_percent: -1 }, /pool_fee_percent is -1;/],
    ['a negative maturity', { maturity: -100 }, /parser\.maturity is -100;/],
    ['a negative period', { checklogs_period: -1 }, /checklogs_period is -1;/],
    ['a negative cap', { max_fee_rate: '-0.001' }, /max_fee_rate is "-0\.001";/],
    ['a list for a number', { maturity: [100] }, /parser\.maturity is/],
    ['null for a number', { maturity: null }, /parser\.maturity is null;/],
    ['another scheme', { scheme: 'pplns' }, /parser\.scheme is "pplns"; it must be "prop"/],
    ['another payer', { network_fee: 'miner' }, /network_fee is "miner"; it must be "miners" or "pool"/],
    ['2001 outputs', { max_outputs_per_transaction: 2001 }, /from 1 to 2000/],
    ['no confirmations', { payout_confirmations: 0 }, /payout_confirmations is 0;/],
    ['another source', { share_source: 'sharelogs' }, /share_source is "sharelogs"; it must be "auto", "counters" or "sharelog"/],
    ['a misspelt source', { share_sourse: 'auto' }, /parser\.share_sourse is not .*mean share_source\?$/],
    ['another way of keeping', { sharelog_keep: 'delete' }, /sharelog_keep is "delete"; it must be "all", "compress" or "remove"/],
    ['no day kept', { sharelog_keep_days: 0 }, /sharelog_keep_days is 0; .*days from 1 to 36500/],
    ['half a day', { sharelog_keep_days: 0.5 }, /sharelog_keep_days is 0\.5;/],
    ['days in quotes', { sharelog_keep_days: '30' }, /sharelog_keep_days is "30"; .*without quotes/],
    ['misspelt days', { sharelog_keep_day: 3 }, /parser\.sharelog_keep_day is not .*mean sharelog_keep_days\?$/],
    ['a sql login missing, for none is taken by itself (D-32)', { sql: { host: 'db' } }, /parser\.sql\.auth is missing/],
    ['a fee that never fits', { max_fee_rate: '0.00000001' }, /fallback_fee_rate is above parser\.max_fee_rate/],
    ['payments in a database of its own', { payments: { sql: { auth: 'x' } } }, /would not share a database/],
    ['a name that is no name', { sql: { auth: 'a', database: 'a`b' } }, /parser\.sql\.database is "a`b";/],
    ['text for sql', { sql: 'root:hidden@localhost' }, /parser\.sql is a string; it must be a JSON object/],
    ['an escape code', { wallet: '\u001b[2J' }, /parser\.wallet is "\\u001b\[2J";/],
  ])('%s', (_, parser, expected) => {
    const sentences = faultsOf(withParser(parser));
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toMatch(expected);
    expect(sentences[0]).toContain(`${file}: `);
    expect(sentences[0]).not.toContain('hidden');
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ['an empty file', ' \n', /is empty/],
    ['a comment first', '# pool\n{}', /first character/],
    ['a byte order mark', '\ufeff{}', /byte order mark/],
    ['UTF-16', Buffer.from('\ufeff{}', 'utf16le'), /byte order mark/],
    ['Latin-1', Buffer.from('{"a":"\xe9"}', 'latin1'), /not UTF-8/],
    ['an open end', '{"btcd": [', /closing \} or a quotation mark is missing/],
    ['a comma too many', '{\n"a": 1,\n}', /goes wrong at line 3, column 1/],
    ['a comment inside', '{\n"a": 1, // one\n"b": 2}', /goes wrong at line 2, column 9/],
    ['a password without quotes', '{"pass": s3cr3t}', /goes wrong at line 1, column 10\./],
    ['no quotation mark', '{"a : 1,\n"b": 2}', /goes wrong at line 1, column 8\./],
  ])('%s', (_, content, expected) => {
    const sentences = faultsOf(content);
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toMatch(expected);
    expect(sentences[0]).not.toContain('s3cr3t');
  });

  it('tells all of them at once', () => {
    const sentences = faultsOf(JSON.stringify({ btcd: [{ url: 'a b', auth: 7 }], parser: { maturity: 'x', colour: 1, sql: {} } }));
    for (const key of ['btcd[0].url', 'btcd[0].auth', 'btcd[0].pass', 'btcaddress', 'maturity', 'colour', 'parser.sql.auth']) {
      expect(sentences.filter((one) => one.includes(key))).toHaveLength(1);
    }
  });

  it('names the remedy when the file is missing or a directory', () => {
    expect(() => loadConfig(join(directory, 'none.conf'), {})).toThrow(/none\.conf does not exist; name .* -c FILE/);
    expect(() => loadConfig(directory, {})).toThrow(/is a directory/);
  });

  it('never throws anything else, whatever the file holds, and never shows a password', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.double(), fc.constant(null), fc.jsonValue());
    const keys = fc.constantFrom('sql', 'payments', 'btcd', 'maturity', 'pass', '__proto__', 'toString', 'min_payout');
    const parser = fc.dictionary(fc.oneof(keys, fc.string()), fc.oneof(value, fc.dictionary(keys, value)));
    const document = fc.record({ btcd: fc.oneof(value, fc.array(fc.dictionary(keys, value))), parser: fc.oneof(parser, value) });
    const anything = fc.oneof(
      fc.string(),
      fc.uint8Array(),
      fc.json(),
      document.map((one) => JSON.stringify({ ...ckpool, ...one })),
      fc.tuple(fc.nat(120), fc.string()).map(([at, noise]) => withParser({}).slice(0, at) + noise),
    );
    fc.assert(
      fc.property(anything, (content) => {
        try {
          load(content);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigurationFault);
          const { message } = error as Error;
          expect(message).not.toContain('node-secret');
          // eslint-disable-next-line no-control-regex -- control bytes are what must not be there.
          expect(message).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('secrets', () => {
  const sql = { auth: 'a', pass: 'from-file' };

  it('come from the environment, then from systemd, then from the file', () => {
    const credentials = join(directory, 'credentials');
    mkdirSync(credentials, { recursive: true });
    writeFileSync(join(credentials, 'pool_sql_pass'), 'from-systemd\n');
    const text = withParser({ sql });
    const password = (env: NodeJS.ProcessEnv) => {
      const { database } = load(text, env);
      return database.engine === 'mysql' ? database.password : null;
    };
    expect(password({})).toBe('from-file');
    expect(password({ CREDENTIALS_DIRECTORY: credentials })).toBe('from-systemd');
    expect(password({ CREDENTIALS_DIRECTORY: credentials, POOL_SQL_PASS: 'from-env' })).toBe('from-env');
    expect(load(text, { POOL_WALLET_PASSPHRASE: 'w' }).wallet_passphrase).toBe('w');
  });

  it('need not stand in the file at all', () => {
    const text = JSON.stringify({ ...ckpool, btcd: [{ url: 'n:1', auth: 'a' }] });
    expect(load(text, { POOL_RPC_PASS: 'r' }).node.password).toBe('r');
    expect(faultsOf(text)).toEqual([`${file}: btcd[0].pass is missing; set it, or give the node's RPC password in POOL_RPC_PASS.`]);
  });

  it('in a credential that cannot be read are a fault, not an empty password', () => {
    mkdirSync(join(directory, 'broken/pool_rpc_pass'), { recursive: true });
    const [sentence] = faultsOf(withParser({}), { CREDENTIALS_DIRECTORY: join(directory, 'broken') });
    expect(sentence).toMatch(/credential .*pool_rpc_pass cannot be read \(EISDIR\)/);
  });

  // Not refused: the file is ckpool's own, which runs with it as it is and often made it so: a refusal would
  // keep the pool from being accounted for what ckpool itself does. It is said at each start and by `check`.
  it('fault 41: in a file that everybody may read earn a warning, not a refusal', () => {
    load(withParser({}));
    chmodSync(file, 0o644);
    expect(loadConfig(file, {}).warnings).toEqual([expect.stringContaining('chmod 640')]);
  });

  it('are never shown, not even one that is wrong (D-32)', () => {
    expect(faultsOf(withParser({ sql: { auth: 'a', pass: 12345 } }))[0]).toMatch(/parser\.sql\.pass is \*\*\*;/);
    const login_in_url = { ...ckpool, btcd: [{ url: 'http://u:hidden@n:1', auth: 'a', pass: 'p' }] };
    expect(faultsOf(JSON.stringify(login_in_url)).join()).not.toContain('hidden');
  });
});

it('warns about a misspelt "parser", which would mean defaults throughout', () => {
  expect(load(JSON.stringify({ ...ckpool, Parser: {} })).warnings[0]).toMatch(/no "parser" section, but a key "Parser"/);
  expect(load(withParser({ sql: { file: 'a', host: 'b' } })).warnings[0]).toMatch(/parser\.sql\.host count for nothing/);
});
