// The real parts that the tests run against: a MariaDB server and a node with regtest, each started in a
// temporary directory of its own. Installs Debian's packages when root on Debian or Ubuntu.
import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const needed = [
  { programs: ['mariadbd', 'mysqld'], package_name: 'mariadb-server', meaning: 'a MariaDB server' },
  { programs: ['bitcoind', 'litecoind'], package_name: 'litecoind', meaning: 'a node (bitcoind or litecoind)' },
];
const policy = '/usr/sbin/policy-rc.d';

/** null when all is there; otherwise one sentence that says what to install. */
export async function installDebianPackages() {
  const missing = needed.filter(({ programs }) => !programs.some(isInstalled));
  if (missing.length === 0) return null;
  const names = missing.map(({ package_name }) => package_name).join(' ');
  const meanings = missing.map(({ meaning }) => meaning).join(' and ');
  const manual =
    `The tests need ${meanings}: install it (Debian and Ubuntu: apt-get install ${names}) and run them again.`;
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) return manual;

  console.log(`\n== the tests need ${meanings}: apt-get install ${names}`);
  const database_is_new = missing.some(({ package_name }) => package_name === 'mariadb-server');
  const forbade_starts = forbidServiceStarts();
  try {
    apt(['update', '-qq']);
    apt(['install', '-y', '--no-install-recommends', '-o', 'Dpkg::Use-Pty=0', ...names.split(' ')]);
  } finally {
    if (forbade_starts) rmSync(policy, { force: true });
  }
  // The tests start servers of their own; one that we brought must not run beside them, now or after a boot.
  if (database_is_new && existsSync('/run/systemd/system')) {
    spawnSync('systemctl', ['disable', '--now', 'mariadb'], { stdio: 'ignore' });
  }
  return missing.every(({ programs }) => programs.some(isInstalled)) ? null : manual;
}

function isInstalled(program) {
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/bin', '/usr/local/bin'];
  return directories.some((directory) => {
    try {
      accessSync(join(directory || '.', program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Debian starts a service when it installs it, unless this file says no. One that is there stays. */
function forbidServiceStarts() {
  if (existsSync(policy)) return false;
  writeFileSync(policy, '#!/bin/sh\nexit 101\n');
  chmodSync(policy, 0o755);
  return true;
}

function apt(parameters) {
  spawnSync('apt-get', parameters, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}
