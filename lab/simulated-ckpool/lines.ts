// The texts that ckpool prints, as measured on a real one, each with its level.
import { userOfWorker, type NameBytes } from '../../shared/username.js';
import { notice, warning, type Line } from './log-writer.js';

const at = (level: Line['level']) => (text: string): Line => ({ level, text });
const warn = at(warning);
const note = at(notice);

export const startLines = (pool_name: string, node_address: string): Line[] => [
  warn(`File /tmp/${pool_name}/main.pid exists`),
  note('Setting maxclients to 18000 due to max open file limit of 20000'),
  warn(`${pool_name} generator starting`),
  warn(`${pool_name} stratifier starting`),
  warn(`${pool_name} connector starting`),
  warn(`${pool_name} connector ready`),
  note(`Server alive: ${node_address}`),
  warn(`${pool_name} generator ready`),
  warn(`Connected to bitcoind: ${node_address}`),
  note(`Server alive: ${node_address}`),
  warn(`${pool_name} stratifier ready`),
];
export const stopLine = (pool_name: string): Line =>
  warn(`Process ${pool_name} received signal 15, shutting down`);

export const storedWorkbase = (transactions: number): Line =>
  note(`Stored local workbase with ${transactions} transactions`);
export const changedTo = (hash: string): Line => note(`Block hash changed to ${hash}`);

/** Printed for every share, whatever it is worth. */
export const possibleSolve = (share_difficulty: number, stale = false): Line =>
  warn(`Possible ${stale ? 'stale share ' : ''}block solve diff ${share_difficulty.toFixed(6)} !`);
export const submitting = note('Submitting block data!');
export const accepted = warn('BLOCK ACCEPTED!');
export const submitReturned = (reason: string): Line => warn(`SUBMIT BLOCK RETURNED: ${reason}`);
export const confirmedRejected = (height: number): Line =>
  warn(`Hash for block height ${height} confirms block was REJECTED`);
export const solved = (height: number, worker: NameBytes): Line =>
  warn(`Solved and confirmed block ${height} by ${worker}`);
export const rejected = (height: number): Line => warn(`Submitted, but had block ${height} rejected`);

/** At a solve: hash rates only, and printed at level 4. */
export const userAtSolve = (user: NameBytes, json: string): Line => warn(`User ${user}:${json}`);
export const workerAtSolve = (worker: NameBytes, json: string): Line => warn(`Worker ${worker}:${json}`);
export const userAtPass = (user: NameBytes, json: string): Line => note(`User ${user}:${json}`);
export const poolAtPass = (json: string): Line => note(`Pool:${json}`);

// Characters that break the request in which ckpool pastes a name unescaped.
// eslint-disable-next-line no-control-regex -- control bytes are among them
const breaks_request = /["\\\u0000-\u001f]/;
const validated_bytes_max = 80;

/** What a login prints. Nothing in a name is escaped: a name with newlines prints lines of its own choice. */
export function loginLines(
  worker: NameBytes,
  client: number,
  known: { user_is_new: boolean; is_address: boolean; node_address: string },
): Line[] {
  const user = userOfWorker(worker);
  const lines: Line[] = [];
  if (known.user_is_new) {
    if (breaks_request.test(user) || user.length > validated_bytes_max) {
      lines.push(
        note(
          'JSON response to ( "validate...) 0.000s not ok: '
            + '{"result":null,"error":{"code":-32700,"message":"Parse error"},"id":null}',
        ),
      );
      lines.push(note(`${known.node_address} Failed to get valid json response to validate_address ${user}`));
    }
    lines.push(note(`Added new user ${user}${known.is_address ? ' as address based registration' : ''}`));
  }
  lines.push(note(`Authorised client ${client} worker ${worker} as user ${user}`));
  return lines;
}

export const dropLine = (worker: NameBytes, client: number): Line =>
  note(`Dropped client ${client} 127.0.0.1 user ${userOfWorker(worker)} worker ${worker} `);

export const statsUnreadable = (user: NameBytes): Line => note(`Failed to read user ${user} logfile`);
export const statsUndecodable = (user: NameBytes, text: string): Line =>
  note(`Failed to json decode user ${user} logfile: ${text}`);
