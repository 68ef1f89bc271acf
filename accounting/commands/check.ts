// `check`: one line each for configuration, database, node, log, log level, user files and share
// logs. Reads only.
import { constants } from 'node:fs';
import { access, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { createNode } from '../../shared/bitcoind/client.js';
import { exit_status, printJson, printTable, type Action } from '../../shared/command.js';
import { loadConfig, type Config } from '../../shared/config.js';
import { connectExisting } from '../../shared/database/connect.js';
import { verifySchema } from '../../shared/database/migrate.js';
import { durabilityFaults } from '../../shared/database/preflight.js';
import { OutsideFailure } from '../../shared/errors.js';
import { systemClock } from '../../shared/clock.js';
import { scanLog } from '../core/log-line.js';
import { openShareLogs } from '../edges/share-log-files.js';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export const check: Action = async ({ config_file, json }) => {
  const config = loadConfig(config_file, process.env);
  let out_of_reach = false;
  const checks: Check[] = [{ name: 'configuration', ok: true, detail: config.file }];
  for (const warning of config.warnings) checks.push({ name: 'configuration', ok: true, detail: warning });
  for (const [name, work] of [
    ['database', () => checkDatabase(config)],
    ['node', () => checkNode(config)],
    ['log', () => checkLog(config)],
    ['log level', () => checkLevel(config)],
    ['user files', () => checkUserFiles(config)],
    ['share logs', () => checkShareLogs(config)],
  ] as const) {
    checks.push(await work().then(
      (detail) => ({ name, ok: true, detail }),
      (failure: unknown) => {
        out_of_reach ||= failure instanceof OutsideFailure;
        return { name, ok: false, detail: failure instanceof Error ? failure.message : String(failure) };
      },
    ));
  }
  const ok = checks.every((one) => one.ok);
  if (json) printJson({ ok, checks });
  else {
    printTable(
      [{ heading: 'check' }, { heading: '' }, { heading: 'detail' }],
      checks.map((one) => [one.name, one.ok ? 'ok' : 'FAILED', one.detail]),
    );
  }
  if (ok) return exit_status.done;
  return out_of_reach ? exit_status.out_of_reach : exit_status.failed;
};

async function checkDatabase(config: Config): Promise<string> {
  const database = await connectExisting(config.database);
  try {
    await verifySchema(database);
    const faults = await durabilityFaults(database);
    if (faults.length > 0) throw new Error(faults.join(' '));
    return database.engine === 'sqlite'
      ? 'SQLite, schema current, durable'
      : 'MySQL, schema current, durable';
  } finally {
    await database.close();
  }
}

async function checkNode(config: Config): Promise<string> {
  const node = createNode({ ...config.node, wallet: null, passphrase: null });
  const info = await node.chainInfo();
  const address = await node.address(config.pool_address);
  if (!address.valid) {
    throw new Error(`btcaddress ${JSON.stringify(config.pool_address)} is no address of chain ${info.chain}`);
  }
  return `${info.chain}, height ${info.tip_height}, `
    + `${info.synced ? 'synced' : 'still catching up'}, btcaddress is valid`;
}

async function checkLog(config: Config): Promise<string> {
  await access(config.log_file, constants.R_OK).catch((failure: unknown) => {
    throw new Error(
      `${config.log_file} cannot be read (${String((failure as NodeJS.ErrnoException).code)}): `
      + 'set logdir or parser.logfile, or give this user the right to read it',
    );
  });
  return config.log_file;
}

/** Looks at the end of the log for a line that only level 5 prints. */
async function checkLevel(config: Config): Promise<string> {
  const bytes = await tailOf(config.log_file, 4 * 1024 * 1024);
  const notice = scanLog(bytes).lines.some(
    (line) => line.kind === 'notice' || line.kind === 'tip' || line.kind === 'shares',
  );
  return notice
    ? "5 or more: users' counts are known to the minute they were logged"
    : 'below 5, or nothing logged yet: start ckpool with -l 5, '
      + 'else counts are sampled from the files every minute (share logs do without)';
}

async function tailOf(file: string, bytes_max: number): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const from = Math.max(0, size - bytes_max);
    const buffer = Buffer.alloc(size - from);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function checkUserFiles(config: Config): Promise<string> {
  const directory = path.join(config.log_directory, 'users');
  const names = await readdir(directory).catch((failure: unknown) => {
    throw new Error(
      `${directory} cannot be read (${String((failure as NodeJS.ErrnoException).code)}): `
      + 'ckpool makes it when the first user logs in; this user needs the right to read it',
    );
  });
  return `${names.length} in ${directory}`;
}

/** Rounds are exact only with them; without them nothing is wrong. @throws when they are asked for and not there */
async function checkShareLogs({ share_source, log_directory }: Config): Promise<string> {
  if (share_source === 'counters') return 'not read (parser.share_source is "counters"): rounds are timed to the minute';
  const share_logs = openShareLogs({ log_directory, clock: systemClock });
  try {
    if (share_logs.present()) return `in ${log_directory}: rounds are exact to the share, finders proven`;
  } finally {
    share_logs.close();
  }
  const remedy = 'start ckpool with -L, and rounds are exact to the share';
  if (share_source === 'auto') return `none in ${log_directory}, rounds are timed to the minute: ${remedy}`;
  throw new Error(`none in ${log_directory}, though parser.share_source is "sharelog": ${remedy}`);
}
