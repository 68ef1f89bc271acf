// Reads `ckpool.conf` once, at start, into a frozen object: ckpool's own keys that concern us and our
// "parser" section. Every fault is one sentence with file, key, value and rule, and all of them are told at
// once. Nothing else reads the file or the environment, nothing is written, no secret is ever printed.
//   config/json-text.ts  the first JSON value of the file, and where it is wrong
//   config/schema.ts     every key with its rule and default
//   config/fault.ts      a broken rule as a sentence
//   config/secrets.ts    passwords from the environment or systemd
//   config/required.ts   keys that are needed because of others
//   config/database.ts   which database, and with which login
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { DatabaseSettings } from './database/connect.js';
import { chooseDatabases } from './config/database.js';
import { faultSentences, misspeltParser } from './config/fault.js';
import { firstJsonValue } from './config/json-text.js';
import { holdsPasswords, missingTogether } from './config/required.js';
import { configurationSchema, type NodeLogin, type PaymentsNode } from './config/schema.js';
import { readSecrets, type Secrets } from './config/secrets.js';
import { ConfigurationFault } from './errors.js';
import type { BlockHeight, Satoshis } from './units.js';

export interface NodeSettings {
  /** With its scheme, as in `http://127.0.0.1:8332`; no path, no login in it. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

export interface Config {
  /** Absolute paths of the configuration file and its directory. */
  readonly file: string;
  readonly directory: string;
  /** `btcaddress`: the coinbases that pay this address are the pool's. */
  readonly pool_address: string;
  readonly donation_address: string | null;
  readonly node: NodeSettings;
  readonly payments_node: NodeSettings;
  readonly log_directory: string;
  readonly log_file: string;
  readonly database: DatabaseSettings;
  /** The same database, with the login of payments. */
  readonly payments_database: DatabaseSettings;
  /** A block is due when tip - height has reached this. */
  readonly maturity: number;
  readonly check_mature_period_ms: number;
  readonly check_logs_period_ms: number;
  readonly scheme: 'prop';
  /** Millionths of the reward, 0 to 1 000 000. */
  readonly pool_fee_ppm: bigint;
  readonly min_payout_sats: Satoshis;
  readonly network_fee_from: 'miners' | 'pool';
  /** Satoshis per 1000 virtual bytes; null: no cap. */
  readonly max_fee_rate: Satoshis | null;
  /** Satoshis per 1000 virtual bytes, where the node's estimator is silent. */
  readonly fallback_fee_rate: Satoshis;
  readonly max_outputs_per_transaction: number;
  readonly payout_confirmations: number;
  readonly wallet: string | null;
  readonly wallet_passphrase: string | null;
  readonly scan_from_height: BlockHeight | null;
  /** Where shares are counted; auto: in share logs where there are any. */
  readonly share_source: 'auto' | 'counters' | 'sharelog';
  /** What `prune` does with the share logs of settled rounds. */
  readonly sharelog_keep: 'all' | 'compress' | 'remove';
  /** Share logs that were changed in so many days are left as they are; at least 1. */
  readonly sharelog_keep_days: number;
  /** Sentences about what is allowed but unwise: to be logged at start and shown by `check`. */
  readonly warnings: readonly string[];
}

/**
 * @param file absolute, or relative to the current directory.
 * @throws ConfigurationFault, and nothing else, with every fault of the file.
 */
export function loadConfig(file: string, env: NodeJS.ProcessEnv): Config {
  const path = resolve(file);
  const document = firstJsonValue(readBytes(path), path);
  const secrets = readSecrets(env);

  const parsed = configurationSchema.safeParse(document);
  const faults = parsed.success ? [] : faultSentences(path, document, parsed.error.issues);
  faults.push(...secrets.faults, ...missingTogether(path, document, secrets));
  const databases = chooseDatabases(path, parsed.data, secrets);
  faults.push(...databases.faults);
  if (!parsed.success || !databases.settings || faults.length > 0) throw new ConfigurationFault(faults);

  const { parser, ...ckpool } = parsed.data;
  if (parser.max_fee_rate !== null && parser.fallback_fee_rate > parser.max_fee_rate) {
    throw new ConfigurationFault([
      `${path}: parser.fallback_fee_rate is above parser.max_fee_rate, so no payout could ever be sent; ` +
        `lower the first or raise the second.`,
    ]);
  }
  const directory = dirname(path);
  const log_directory = resolve(directory, ckpool.logdir);
  const login = ckpool.btcd[0];
  return deepFreeze({
    file: path,
    directory,
    pool_address: ckpool.btcaddress,
    donation_address: ckpool.donaddress ?? null,
    node: nodeSettings(login, secrets),
    payments_node: nodeSettings(ownLogin(login, parser.payments.btcd), secrets),
    log_directory,
    log_file: parser.logfile ? resolve(directory, parser.logfile) : resolve(log_directory, 'ckpool.log'),
    database: databases.settings.accounting,
    payments_database: databases.settings.payments,
    maturity: parser.maturity,
    check_mature_period_ms: parser.checkmature_period,
    check_logs_period_ms: parser.checklogs_period,
    scheme: parser.scheme,
    pool_fee_ppm: parser.pool_fee_percent,
    min_payout_sats: parser.min_payout,
    network_fee_from: parser.network_fee,
    max_fee_rate: parser.max_fee_rate,
    fallback_fee_rate: parser.fallback_fee_rate,
    max_outputs_per_transaction: parser.max_outputs_per_transaction,
    payout_confirmations: parser.payout_confirmations,
    wallet: parser.wallet ?? null,
    wallet_passphrase: secrets.wallet_passphrase,
    scan_from_height: parser.scan_from_height ?? null,
    share_source: parser.share_source,
    sharelog_keep: parser.sharelog_keep,
    sharelog_keep_days: parser.sharelog_keep_days,
    warnings: [...databases.warnings, ...warningsAbout(path, document)],
  });
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    const remedy: Record<string, string> = {
      ENOENT: "does not exist; name ckpool's configuration with -c FILE or POOL_CONFIG",
      EACCES:
        'may not be read by this user; let its group read it (chmod 640) and add this user to the group',
      EISDIR: 'is a directory; name the file itself with -c FILE',
    };
    throw new ConfigurationFault([`${path} ${remedy[code] ?? `cannot be read (${code})`}.`], {
      cause: error,
    });
  }
}

function nodeSettings(login: NodeLogin, secrets: Secrets): NodeSettings {
  return { url: login.url, user: login.auth, password: secrets.rpc_password ?? login.pass ?? '' };
}

/** What payments has of its own, laid over the common login. */
function ownLogin(common: NodeLogin, own: PaymentsNode = {}): NodeLogin {
  return { url: own.url ?? common.url, auth: own.auth ?? common.auth, pass: own.pass ?? common.pass };
}

function warningsAbout(path: string, document: Record<string, unknown>): string[] {
  const warnings = misspeltParser(path, document);
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o004) !== 0 && holdsPasswords(document)) {
    warnings.push(
      `${path} holds passwords and every user of this machine may read it; chmod 640 it and give it to the ` +
        `group of ckpool and the daemons.`,
    );
  }
  return warnings;
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) deepFreeze(part as object);
  }
  return Object.freeze(value);
}
