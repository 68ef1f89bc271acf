// One move: ask the node about the names of users with money, a handful at a time, and write the answers down
// in one transaction. A call that fails throws before anything is written: silence never makes a name
// invalid. Quarantined names are asked about again once a day, in case the rules or the wallet have changed.
import { timeText } from '../../shared/database/database.js';
import { printable } from '../../shared/username.js';
import { poolScript } from '../chain-view.js';
import type { PaymentsContext } from '../context.js';
import { addressText, decideAddress, type AddressDecision } from '../core/payout-address.js';
import { recordAddress, usersToCheck, type NamedUser } from '../edges/address-store.js';
import { planAnew } from './plan.js';

const names_at_once = 20;
const ask_again_after_ms = 24 * 60 * 60 * 1000;

export async function checkAddresses(context: PaymentsContext): Promise<'progress' | 'idle'> {
  const { config, database, lease, node, clock, log } = context;
  const now_ms = clock.now_ms();
  const users = await usersToCheck(database.knex, timeText(now_ms - ask_again_after_ms), names_at_once);
  if (users.length === 0) return 'idle';
  const pool_script = await poolScript(node, config);
  const decided: { readonly user: NamedUser; readonly decision: AddressDecision }[] = [];
  for (const user of users) decided.push({ user, decision: await decide(context, user, pool_script) });
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    for (const { user, decision } of decided) {
      await recordAddress(transaction, user.user_id, decision, timeText(now_ms));
    }
  });
  planAnew(context);
  for (const { user, decision } of decided) {
    if (decision.state === 'quarantined') {
      log.warn('a name cannot be paid; its balance is kept', {
        user: printable(user.name),
        reason: decision.reason,
      });
    }
  }
  return 'progress';
}

async function decide(
  { node }: PaymentsContext,
  user: NamedUser,
  pool_script: string,
): Promise<AddressDecision> {
  const address = addressText(user.name);
  const facts = address === null ? null : await node.address(address);
  const is_mine = address !== null && facts?.valid === true && await node.isMine(address);
  return decideAddress(address, facts, is_mine, pool_script);
}
