// Passwords do not have to stand in the file: the environment comes first, then systemd's credentials
// ($CREDENTIALS_DIRECTORY, LoadCredential=), then the file. An empty one counts as not given. A daemon has
// one login at the database and one at the node, so the same names serve accounting and payments.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Secrets {
  readonly sql_password: string | null;
  readonly rpc_password: string | null;
  readonly wallet_passphrase: string | null;
  /** Credentials that are there but cannot be read. */
  readonly faults: readonly string[];
}

export function readSecrets(env: NodeJS.ProcessEnv): Secrets {
  const faults: string[] = [];
  const secret = (name: string): string | null =>
    env[name] || readCredential(env, name.toLowerCase(), faults);
  return {
    sql_password: secret('POOL_SQL_PASS'),
    rpc_password: secret('POOL_RPC_PASS'),
    wallet_passphrase: secret('POOL_WALLET_PASSPHRASE'),
    faults,
  };
}

function readCredential(env: NodeJS.ProcessEnv, name: string, faults: string[]): string | null {
  const directory = env['CREDENTIALS_DIRECTORY'];
  if (!directory) return null;
  const file = join(directory, name);
  try {
    // Editors end a file with a line feed; no password of ours ends with one.
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '') || null;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    if (code === 'ENOENT') return null;
    faults.push(`The credential ${file} cannot be read (${code}); see LoadCredential= of the unit.`);
    return null;
  }
}
