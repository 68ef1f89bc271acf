// ckpool.conf: any file is settings or sentences, never a stack trace and never a password.
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { loadConfig } from '../../../shared/config.js';
import { endOfValue, firstJsonValue } from '../../../shared/config/json-text.js';
import { ConfigurationFault } from '../../../shared/errors.js';
import { splitStatements } from '../../../shared/database/statements.js';
import type { Corpus } from '../corpus.js';
import { damaged } from '../mutator.js';
import { must, mustEqual, target, withinTime, type Target } from '../target.js';

const secret = 'the-node-secret';
/** Each key of ours, so that damage finds all of them; passwords where they belong. */
const full = {
  btcd: [{ url: '127.0.0.1:8332', auth: 'pool', pass: secret, notify: true }], btcaddress: 'bc1qpool', donaddress: 'bc1qdonation', donatepercent: 5, logdir: 'logs',
  parser: {
    sql: { auth: 'accounting', pass: secret, host: 'localhost', port: 3306, database: 'pool_base' }, maturity: 100, checkmature_period: 120,
    checklogs_period: 20, scheme: 'prop', pool_fee_percent: '1.5', min_payout: '0.001', network_fee: 'miners', max_fee_rate: '0.001',
    fallback_fee_rate: '0.00001', max_outputs_per_transaction: 500, payout_confirmations: 6, wallet: 'pool', logfile: 'logs/ckpool.log',
    scan_from_height: 5, share_source: 'auto', sharelog_keep: 'all', sharelog_keep_days: 30,
    payments: { sql: { auth: 'payments', pass: secret }, btcd: { auth: 'payments', pass: secret } },
  },
};

export function configurationTargets({ configurations, schemas }: Corpus): readonly Target[] {
  const seeds = [...configurations, Buffer.from(JSON.stringify(full, null, 2)), Buffer.from(JSON.stringify(full))];
  return [
    target('configuration', 'Any file is settings or sentences for an operator, without a password.', damaged(seeds), checkConfiguration),
    target('json-text', 'The first value of a file is what it is whatever follows it.',
      fc.tuple(damaged(seeds), damaged(seeds)), ([bytes, behind]) => checkFirstValue(bytes, behind)),
    target('statements', 'A schema of any text falls into statements, and these into themselves.', damaged(schemas.map((bytes) => bytes.subarray(0, 6_000))), checkStatements),
  ];
}

function checkConfiguration(bytes: Buffer): void {
  const file = join(tmpdir(), `fuzz-${process.pid}.conf`);
  writeFileSync(file, bytes, { mode: 0o600 });
  try {
    const config = withinTime(2_000, () => loadConfig(file, {}));
    must(typeof config.node.url === 'string' && config.maturity >= 1 && config.min_payout_sats > 0n, 'settings are in bounds');
    must(config.pool_fee_ppm >= 0n && config.pool_fee_ppm <= 1_000_000n, 'a fee is a part of the reward');
    must(config.warnings.every((sentence) => !sentence.includes(secret)), 'no password in a warning');
  } catch (error) {
    if (!(error instanceof ConfigurationFault)) throw error;
    for (const sentence of error.sentences) {
      must(/^[ -~…]+$/.test(sentence), `a sentence is plain text: ${JSON.stringify(sentence)}`);
      must(sentence.length < 1_000, 'a sentence is short');
      must(!sentence.includes(secret) || !isOnlyPassword(bytes), 'no password in a sentence');
    }
    must(error.sentences.length > 0, 'a fault says something');
  } finally {
    rmSync(file, { force: true });
  }
}

/** Whether the secret stands nowhere but in passwords, so that nothing else may show it. */
function isOnlyPassword(bytes: Buffer): boolean {
  const elsewhere = bytes.toString('latin1').replaceAll(/"pass"\s*:\s*"the-node-secret"/g, '');
  return !elsewhere.includes(secret);
}

function checkFirstValue(bytes: Buffer, behind: Buffer): void {
  const [alone, followed] = [bytes, Buffer.concat([bytes, Buffer.from('\n'), behind])].map(valueOf);
  const start = bytes.indexOf('{');
  // Where the value does not end, what follows belongs to it.
  if (start < 0 || endOfValue(bytes, start) === null) return;
  mustEqual(followed, alone, 'what follows changes nothing');
}

function valueOf(bytes: Buffer): unknown {
  try {
    return withinTime(2_000, () => firstJsonValue(bytes, 'ckpool.conf'));
  } catch (error) {
    must(error instanceof ConfigurationFault, `refused with ${String(error)}`);
    must(!error.message.includes(secret), 'the content is never quoted');
    return error.message;
  }
}

function checkStatements(bytes: Buffer): void {
  const statements = withinTime(2_000, () => splitStatements(bytes.toString('utf8')));
  must(statements.every((statement) => statement !== '' && statement === statement.trim()), 'no statement is empty');
  for (const statement of statements) must(splitStatements(statement).join(';') === statement || /--|\/\*/.test(statement), 'a statement is one');
}
