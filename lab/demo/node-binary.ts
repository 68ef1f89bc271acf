// Finds a node for the demo: bitcoind (obtc-core's too) or litecoind on PATH; else Debian's package
// litecoind, announced and installed when root on Debian or Ubuntu; else one sentence that says what to
// install. It never installs anything as another user and touches no other package.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { ConfigurationFault } from '../../shared/errors.js';
import { findNodeBinary } from '../regtest-node.js';
import { requireGoing } from './failure.js';
import type { Steps } from './steps.js';

const apt = '/usr/bin/apt-get';

/** @throws ConfigurationFault when there is no node and none can be installed. */
export async function provideNodeBinary(steps: Steps, stop: AbortSignal): Promise<string> {
  const found = binaryOrNull();
  if (found !== null) return found;
  const manual =
    'The demo needs a node and there is neither bitcoind nor litecoind on PATH: '
    + 'install obtc-core, or on Debian and Ubuntu `apt-get install litecoind`, and start it again.';
  const may_install = process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync(apt);
  if (!may_install) throw new ConfigurationFault([manual]);

  steps.done(
    "There is no bitcoind on PATH: installing Debian's package litecoind (apt-get install litecoind)",
  );
  await runApt(['update', '-qq'], stop);
  steps.done('the list of packages is up to date');
  const installed = await runApt(
    ['install', '-y', '--no-install-recommends', '-o', 'Dpkg::Use-Pty=0', 'litecoind'],
    stop,
  );
  const binary = binaryOrNull();
  if (binary !== null) return binary;
  throw new ConfigurationFault([
    `apt-get could not install litecoind (status ${installed}; what it said stands above). ${manual}`,
  ]);
}

function binaryOrNull(): string | null {
  try {
    return findNodeBinary();
  } catch {
    return null;
  }
}

/** What it prints is its progress; a signal ends it between two packages, as apt does. */
async function runApt(parameters: readonly string[], stop: AbortSignal): Promise<number> {
  const child = spawn(apt, parameters, {
    stdio: ['ignore', process.stderr, process.stderr],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  const end = () => { child.kill('SIGTERM'); };
  stop.addEventListener('abort', end, { once: true });
  const [status] = await once(child, 'exit') as [number | null];
  stop.removeEventListener('abort', end);
  requireGoing(stop);
  return status ?? 1;
}
