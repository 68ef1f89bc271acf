// What a person types behind a command's name: a height or a hash, a user, an id. Any text is an answer or one
// sentence, and it never becomes SQL. On an embedded database without a block.
import { rmSync, writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { snapshot } from '../../../accounting/commands/snapshot.js';
import { explain } from '../../../payments/commands/explain.js';
import { payout } from '../../../payments/commands/payout.js';
import { resolve } from '../../../payments/commands/resolve.js';
import type { Action } from '../../../shared/command.js';
import { connect } from '../../../shared/database/connect.js';
import { migrate } from '../../../shared/database/migrate.js';
import { ConfigurationFault } from '../../../shared/errors.js';
import { nameToBuffer, printable } from '../../../shared/username.js';
import { hostile_names } from '../../hostile-names.js';
import { damaged } from '../mutator.js';
import { asyncTarget, must, type Target } from '../target.js';

const words = ['157', '0', '00000000000000000a1b', 'f'.repeat(64), '9999999999', '1', 'retry', 'release']
  .map((text) => Buffer.from(text));
const names = hostile_names.flatMap(({ name }) => [nameToBuffer(name), Buffer.from(printable(name))]);
const actions: readonly Action[] = [snapshot, explain, payout, resolve];

export const commandTargets: readonly Target[] = [
  asyncTarget('command-words', 'Whatever stands behind a command, the answer is a sentence.',
    fc.tuple(fc.constantFrom(...actions), fc.array(damaged([...words, ...names]), { minLength: 1, maxLength: 2 })), checkCommand),
];

let prepared: Promise<string> | null = null;

async function prepare(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'fuzz-commands-'));
  process.once('exit', () => { rmSync(directory, { recursive: true, force: true }); });
  const database = await connect({ engine: 'sqlite', file: join(directory, 'pool.sqlite') });
  await migrate(database);
  await database.close();
  const config_file = join(directory, 'ckpool.conf');
  writeFileSync(config_file, JSON.stringify({
    btcd: [{ url: '127.0.0.1:1', auth: 'pool', pass: 'x' }], btcaddress: 'bc1qpool', parser: { sql: { file: 'pool.sqlite' } },
  }), { mode: 0o600 });
  return config_file;
}

async function checkCommand([action, given]: [Action, Buffer[]]): Promise<void> {
  const config_file = await (prepared ??= prepare());
  // An argument ends at its first NUL, and is text.
  const typed = given.map((bytes) => bytes.toString('utf8').split('\0')[0]!.slice(0, 100_000));
  try {
    await action({ config_file, json: true, arguments: typed, options: {} });
  } catch (error) {
    if (!(error instanceof ConfigurationFault)) throw error;
    must(error.sentences.length === 1 && error.message !== '', 'one sentence');
    return;
  }
  must(false, 'an empty database knows nothing of it');
}
