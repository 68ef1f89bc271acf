// What a wrong set-up looks like to the operator, over both command lines as processes: the exit status, one
// sentence for each fault on stderr that names the file, the key and the remedy, nothing on stdout, no stack
// trace and no secret. Each case starts from a set-up that works, and spoils one thing.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startMariadb, type PrivateMariadb } from '../lab/mariadb.js';
import { serveRecordedChain, type RecordedNode } from '../lab/recorded-node.js';
import { unpackRecording, type Recording } from '../lab/recordings.js';
import { accountingBlocks } from './json-shapes.js';
import { ask, buildPrograms, run, startDaemon, until, type Answer, type ProgramName, type RunOptions } from './programs.js';

const rpc_secret = 'rpc-secret-4711';
const sql_secret = 'sql-secret-4711';
/** Of Bitcoin's main network: valid text, but no address of the regtest node. */
const foreign_address = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4';

type Settings = Record<string, unknown> & { btcd: Record<string, unknown>[]; parser: Record<string, unknown> };

let node: RecordedNode;
let busy: Recording;
let directory: string;
let config_file: string;
let pool_address: string;

beforeAll(async () => {
  buildPrograms();
  busy = await unpackRecording('busy');
  node = await serveRecordedChain(busy.chain_directory);
  pool_address = /"btcaddress" : "(\w+)"/.exec(readFileSync(busy.configuration, 'utf8'))![1]!;
});
afterAll(async () => {
  await node.close();
  await busy.remove();
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bad-input-'));
  config_file = join(directory, 'ckpool.conf');
  mkdirSync(join(directory, 'logs', 'users'), { recursive: true });
  writeFileSync(join(directory, 'logs', 'ckpool.log'), '[2026-11-20 09:00:00.000] ckpool generator starting\n');
  configure(() => undefined);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function configure(spoil: (settings: Settings) => void): void {
  const settings: Settings = {
    btcd: [{ url: node.url, auth: node.user, pass: node.password }],
    btcaddress: pool_address, logdir: 'logs', parser: {},
  };
  spoil(settings);
  writeFileSync(config_file, JSON.stringify(settings), { mode: 0o600 });
}

const once_words = ['run', '--once'] as const;
const start = (name: ProgramName, words: readonly string[] = once_words, options: RunOptions = {}): Promise<Answer> =>
  run(name, [...words, '-c', config_file], options);

/** The lines that are sentences; what a daemon logs before it ends begins with a time and is no fault. */
const sentencesOf = ({ stderr }: Answer): string[] => stderr.split('\n').filter((line) => line !== '' && !/^(?:\{|\d{4}-|\[?\d\d)/.test(line));

function expectRefusal(answer: Answer, status: number, sentences: readonly RegExp[]): void {
  const told = sentencesOf(answer);
  expect({ status: answer.status, told }).toEqual({ status, told: sentences.map((words) => expect.stringMatching(words)) });
  for (const sentence of told) expect(sentence).toMatch(/[.?]$|--help$/);
  expect(answer.stdout).toBe('');
  expect(answer.stderr).not.toMatch(/^\s+at .*[(:]\d+/m);
  expect(answer.stderr).not.toContain(rpc_secret);
  expect(answer.stderr).not.toContain(sql_secret);
  expect(answer.stderr).not.toContain(node.password);
}

const both: readonly ProgramName[] = ['accounting', 'payments'];

describe.each(both)('fault 41: a configuration that %s cannot use ends it with status 2', (name) => {
  const cases: readonly [title: string, spoil: () => void, ...sentences: RegExp[]][] = [
    ['is missing', () => rmSync(config_file), /ckpool\.conf does not exist; name ckpool's configuration with -c FILE/],
    ['is a directory', () => { rmSync(config_file); mkdirSync(config_file); }, /ckpool\.conf is a directory; name the file itself/],
    ['is empty', () => writeFileSync(config_file, ''), /ckpool\.conf/],
    ['is cut off', () => writeFileSync(config_file, readFileSync(config_file).subarray(0, 60)), /ckpool\.conf/],
    ['has a comma too many', () => writeFileSync(config_file, '{"btcd": [],,}'), /ckpool\.conf.*line 1/],
    ['has an unknown key in parser', () => configure(({ parser }) => { parser['maturty'] = 5; }),
      /ckpool\.conf: parser\.maturty is not a known key; did you mean maturity\?/],
    ['has an unknown key in parser.sql', () => configure(({ parser }) => { parser['sql'] = { auth: 'x', passs: sql_secret }; }),
      /parser\.sql\.passs is not a known key; did you mean pass\?/],
    ['has a word where a number belongs', () => configure(({ parser }) => { parser['maturity'] = '100'; }),
      /parser\.maturity is "100"; it must be a whole number of blocks.*without quotes/],
    ['has an amount that is a number', () => configure(({ parser }) => { parser['min_payout'] = 0.001; }),
      /parser\.min_payout is 0\.001; it must be an amount in coin.*in quotes/],
    ['has a password of the wrong type', () => configure(({ btcd }) => { btcd[0]!['pass'] = { secret: rpc_secret }; }),
      /btcd\[0\]\.pass is \*\*\*; it must be text in quotes/],
    ['has a login in the address of the node', () => configure(({ btcd }) => { btcd[0]!['url'] = `http://pool:${rpc_secret}@127.0.0.1:8332`; }),
      /btcd\[0\]\.url is "\*\*\*"; it must be host:port/],
    ['names no address', () => configure((settings) => { delete settings['btcaddress']; }), /btcaddress is missing; it must be the pool's address/],
    ['has two faults, and tells both at once', () => configure(({ parser }) => { parser['maturity'] = -1; parser['scheme'] = 'pplns'; }),
      /parser\.maturity is -1/, /parser\.scheme is "pplns"/],
  ];
  it.each(cases)('which %s (D-32)', async (_, spoil, ...sentences) => {
    spoil();
    expectRefusal(await start(name), 2, sentences);
  });
});

describe.each(both)('a command line that %s does not know ends it with status 2', (name) => {
  it.each([
    ['an unknown command', ['blokcs'], /did you mean blocks|unknown command|blokcs/],
    ['an unknown option', ['blocks', '--jsn'], /unknown option '--jsn'/],
    ['an option without its value', ['blocks', '-c'], /argument missing/],
    [name === 'accounting' ? 'a block that is none' : 'a payout that is none', name === 'accounting' ? ['snapshot', 'x;y'] : ['payout', 'x;y'], /x;y/],
    ['an argument that is missing', name === 'accounting' ? ['snapshot'] : ['payout'], /missing required argument/],
  ] as const)('%s', async (_, words, sentence) => {
    await start('accounting');
    const answer = words.at(-1) === '-c' ? await run(name, words) : await start(name, words);
    expectRefusal(answer, 2, [sentence]);
  });
});

describe('a node that is not the pool\'s', () => {
  it.each(both)('refuses the login of %s: told at once, with the key, and without the password (D-32, D-35)', async (name) => {
    await start('accounting');
    configure(({ btcd }) => { btcd[0]!['pass'] = rpc_secret; });
    const began_ms = performance.now();
    expectRefusal(await start(name), 3, [/ckpool\.conf: .*the node at 127\.0\.0\.1:\d+ answers HTTP 401; it refuses the login; correct btcd\.auth and btcd\.pass/]);
    expect(performance.now() - began_ms).toBeLessThan(10_000);
  });

  it.each([
    ['of another network', foreign_address],
    ['that is no address', 'not-an-address'],
  ])('gets a btcaddress %s: both daemons name the key and end with status 2', async (_, address) => {
    configure((settings) => { settings['btcaddress'] = address; });
    for (const name of both) expectRefusal(await start(name), 2, [new RegExp(`ckpool\\.conf: btcaddress "${address}" is no address of the node's chain.*: correct it, or point btcd\\[0\\]\\.url`)]);
  });

  it('is down: --once gives up after about 30 s with status 3, and has recorded the log (D-19, D-35)', async () => {
    configure(({ btcd }) => { btcd[0]!['url'] = '127.0.0.1:9'; });
    const began_ms = performance.now();
    expectRefusal(await start('accounting'), 3, [/no node can be reached at 127\.0\.0\.1:9 \(ECONNREFUSED\); start bitcoind or correct btcd\.url\./]);
    expect(performance.now() - began_ms).toBeGreaterThan(20_000);
    expect(performance.now() - began_ms).toBeLessThan(45_000);
  });
});

describe('a database that cannot be used', () => {
  let mariadb: PrivateMariadb;
  beforeAll(async () => {
    mariadb = await startMariadb();
    await mariadb.createDatabase('pool_base');
  });
  afterAll(() => mariadb.stop());

  it.each(both)('refuses the login of %s: status 2, and the sentence names sql.auth (D-32, D-35)', async (name) => {
    configure(({ parser }) => { parser['sql'] = { auth: 'nobody', pass: sql_secret, socket: mariadb.socket_path }; });
    expectRefusal(await start(name), 2, [/ckpool\.conf: .*sql\.auth and sql\.pass/]);
  });

  it('does not exist: payments names sql.database, and accounting creates it where its login may', async () => {
    configure(({ parser }) => { parser['sql'] = { auth: 'root', pass: '', socket: mariadb.socket_path, database: 'elsewhere' }; });
    expectRefusal(await start('payments'), 2, [/ckpool\.conf: .*sql\.database/]);
    expect((await start('accounting')).status).toBe(0);
  });

  it('has no tables yet: payments says which command makes them', async () => {
    configure(({ parser }) => { parser['sql'] = { auth: 'root', pass: '', socket: mariadb.socket_path }; });
    expectRefusal(await start('payments'), 2, [/obtc-accounting migrate/]);
  });

  it.each(both)('is down: a command of %s says so at once with status 3; it is not an empty answer (D-35)', async (name) => {
    configure(({ parser }) => { parser['sql'] = { auth: 'root', pass: '', socket: join(directory, 'no-socket') }; });
    expectRefusal(await start(name, ['blocks', '--json']), 3, [/The database cannot be reached: start it, or check sql\.host, sql\.port and sql\.socket/]);
  });

  it.each(both)('is no database but some other file: %s leaves it alone and names sql.file', async (name) => {
    const file = join(directory, 'notes.txt');
    writeFileSync(file, 'my notes, not a database, and long enough to be looked at\n'.repeat(40));
    configure(({ parser }) => { parser['sql'] = { file }; });
    expectRefusal(await start(name), 2, [/sql\.file is not a SQLite database/]);
    expect(readFileSync(file, 'utf8')).toMatch(/^my notes/);
  });

  it.each(both)('stands in a directory that is not there: %s names sql.file', async (name) => {
    configure(({ parser }) => { parser['sql'] = { file: 'nowhere/pool.sqlite' }; });
    expectRefusal(await start(name), 2, [/sql\.file/]);
  });
});

describe('a log that cannot be read', () => {
  it('whose directory is missing: accounting names logdir and ends with status 2', async () => {
    configure((settings) => { settings['logdir'] = 'elsewhere'; });
    expectRefusal(await start('accounting'), 2, [/ckpool\.conf: logdir ".*elsewhere" does not exist: set it to ckpool's log directory\./]);
  });

  it('which is missing in its directory: accounting names it and the key, and ends with status 2', async () => {
    rmSync(join(directory, 'logs', 'ckpool.log'));
    expectRefusal(await start('accounting'), 2, [/ckpool\.log.*logfile|logfile.*ckpool\.log/]);
  });

  it('which this user may not read: accounting says who must be let in, at once, with status 3', async () => {
    chmodSync(join(directory, 'logs', 'ckpool.log'), 0o000);
    chmodSync(directory, 0o777);
    chmodSync(config_file, 0o644);
    const through = process.geteuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
    const began_ms = performance.now();
    expectRefusal(await start('accounting', once_words, { through }), 3, [/ckpool\.log \(key "logfile"\) may not be read by this user/]);
    expect(performance.now() - began_ms).toBeLessThan(10_000);
  });
});

describe('a daemon waits where waiting can help', () => {
  it('for the log, the node and their coming back, without ending (D-19)', async () => {
    rmSync(join(directory, 'logs'), { recursive: true });
    configure(({ btcd, parser }) => { btcd[0]!['pass'] = node.password; parser['checklogs_period'] = 0.2; });
    await node.setReachable(false);
    const accounting = startDaemon('accounting', config_file, join(directory, 'accounting.log'));
    try {
      await until('the reason of its wait', 20_000, [accounting], async () => /ckpool\.log|logdir|logs/.test(accounting.said()));
      spawnSync('cp', ['-a', busy.log_directory, join(directory, 'logs')]);
      await until('the blocks, without a hash', 30_000, [accounting], async () =>
        (await ask(accountingBlocks, 'accounting', config_file, 'blocks')).filter(({ state }) => state === 'pending').length > 10);
      await node.setReachable(true);
      await until('the hashes', 60_000, [accounting], async () =>
        (await ask(accountingBlocks, 'accounting', config_file, 'blocks')).filter(({ state }) => state === 'confirmed').length > 10);
      expect(await accounting.stop()).toMatchObject({ ended: 0 });
    } finally {
      await accounting.kill();
      await node.setReachable(true);
    }
  });

  it.each(both)('fault 7: for a database that is down, and %s still ends at once when it is asked to', async (name) => {
    configure(({ parser }) => { parser['sql'] = { auth: 'root', pass: '', socket: join(directory, 'no-socket') }; });
    const daemon = startDaemon(name, config_file, join(directory, `${name}.log`));
    try {
      await until('the complaint', 20_000, [daemon], async () => /The database cannot be reached: start it/.test(daemon.said()));
      const { ended, took_ms } = await daemon.stop();
      expect(ended).toBe(0);
      expect(took_ms).toBeLessThan(5_000);
    } finally {
      await daemon.kill();
    }
  });

  it('fault 23: for a node that takes the call and never answers: the daemon ends within seconds when it is asked to (D-34)', async () => {
    await start('accounting');
    const calls = new Set<string>();
    const silent = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => calls.add(/"method":"(\w+)"/.exec(bytes.toString())?.[1] ?? ''));
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    configure(({ btcd }) => { btcd[0]!['url'] = `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`; });
    const daemons = both.map((name) => startDaemon(name, config_file, join(directory, `${name}.log`)));
    try {
      await until('the calls', 20_000, daemons, async () => calls.size > 0 && daemons.every(({ said }) => /following|running/.test(said())));
      for (const { ended, took_ms } of await Promise.all(daemons.map((daemon) => daemon.stop()))) {
        expect(ended).toBe(0);
        expect(took_ms).toBeLessThan(10_000);
      }
    } finally {
      for (const daemon of daemons) await daemon.kill();
      silent.close();
    }
  });

  it('for the outside that answers with nonsense: it is not believed, and ends nothing', async () => {
    const nonsense: Server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello')).listen(0, '127.0.0.1');
    await once(nonsense, 'listening');
    const address = nonsense.address();
    configure(({ btcd }) => { btcd[0]!['url'] = `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`; });
    const accounting = startDaemon('accounting', config_file, join(directory, 'accounting.log'));
    try {
      await until('the complaint', 20_000, [accounting], async () => /correct btcd\.url/.test(accounting.said()));
      expect(await accounting.stop()).toMatchObject({ ended: 0 });
    } finally {
      await accounting.kill();
      nonsense.close();
    }
  });
});

describe('a disk that is full', () => {
  it('fault 38: holds accounting up in one sentence; nothing is half-written, and it goes on when there is room (D-18, D-22)', async () => {
    spawnSync('cp', ['-a', `${busy.log_directory}/.`, join(directory, 'logs')]);
    const place = join(directory, 'small-disk');
    mkdirSync(place);
    configure(({ parser }) => { parser['sql'] = { file: 'small-disk/pool.sqlite' }; });
    // A disk of its own where the system lets us make one; else a limit on the size of its files.
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'small', place]).status === 0;
    const accounting = startDaemon('accounting', config_file, join(directory, 'accounting.log'));
    const limit = (size: string) => spawnSync('prlimit', ['--pid', String(accounting.pid), `--fsize=${size}:unlimited`]);
    try {
      if (!mounted) limit('307200');
      const complaint = mounted ? /The disk of the database is full: free space there/ : /disk I\/O error/;
      await until('the complaint', 30_000, [accounting], async () => complaint.test(accounting.said()));
      if (mounted) spawnSync('mount', ['-o', 'remount,size=16m', place]);
      else limit('unlimited');
      const hashes = [...busy.truth.solves, ...busy.truth.own_blocks_without_a_line].map(({ hash }) => hash).sort();
      await until('every block', 60_000, [accounting], async () =>
        (await ask(accountingBlocks, 'accounting', config_file, 'blocks')).filter(({ state }) => state === 'confirmed').length === hashes.length);
      const blocks = await ask(accountingBlocks, 'accounting', config_file, 'blocks');
      expect(blocks.flatMap(({ state, hash }) => (state === 'confirmed' ? [hash] : [])).sort()).toEqual(hashes);
      expect(await accounting.stop()).toMatchObject({ ended: 0 });
      const replayed = await start('accounting', ['replay', join(directory, 'logs')]);
      expect(replayed.status, replayed.stdout + replayed.stderr).toBe(0);
    } finally {
      await accounting.kill();
      if (mounted) spawnSync('umount', [place]);
    }
  });
});
