// What the node said of users' names as addresses. A row is written once for each user with money and written
// again only while the name is quarantined; what is payable stays payable.
import type { Knex } from 'knex';
import { smallInteger } from '../../shared/database/database.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import type { AddressDecision } from '../core/payout-address.js';

export interface NamedUser {
  readonly user_id: number;
  readonly name: NameBytes;
}

export interface PayoutAddress extends NamedUser {
  readonly state: 'payable' | 'quarantined';
  readonly address: string | null;
  readonly script: string | null;
  readonly reason: string;
  readonly checked_at: string;
}

/** Users who have had money and whose name was never checked, or was quarantined before that time. */
export async function usersToCheck(
  knex: Knex,
  quarantined_before: string,
  limit: number,
): Promise<NamedUser[]> {
  const rows = await knex('users')
    .leftJoin('payout_addresses', 'payout_addresses.user_id', 'users.id')
    .where((either) => void either
      .whereNull('payout_addresses.user_id')
      .orWhere((quarantined) => void quarantined
        .where('payout_addresses.state', 'quarantined')
        .where('payout_addresses.checked_at', '<', quarantined_before)))
    .whereExists(
      knex('ledger_entries')
        .select(knex.raw('1'))
        .whereRaw('ledger_entries.user_id = users.id')
        .where('ledger_entries.account', 'miner'),
    )
    .orderBy('users.id')
    .limit(limit)
    .select<{ id: unknown; name: Uint8Array }[]>('users.id', 'users.name');
  return rows.map(({ id, name }) => ({ user_id: smallInteger(id), name: nameFromBuffer(name) }));
}

export async function recordAddress(
  transaction: Knex.Transaction, user_id: number, decision: AddressDecision, checked_at: string,
): Promise<void> {
  const { state, address, script, reason } = decision;
  await transaction('payout_addresses').insert({ user_id, state, address, script, reason, checked_at })
    .onConflict('user_id').merge();
}

/** Every name that was checked, by user id; or those that are paid to the same script as that user. */
export async function payoutAddresses(knex: Knex, like_user_id?: number): Promise<Map<number, PayoutAddress>> {
  const query = knex('payout_addresses').join('users', 'users.id', 'payout_addresses.user_id');
  if (like_user_id !== undefined) {
    void query.where((alike) => void alike.where('payout_addresses.user_id', like_user_id)
      .orWhere('payout_addresses.script', knex('payout_addresses').where({ user_id: like_user_id }).select('script')));
  }
  const rows = await query.select<Record<string, unknown>[]>('payout_addresses.*', 'users.name');
  return new Map(rows.map((row) => {
    const user_id = smallInteger(row.user_id);
    return [user_id, {
      user_id,
      name: nameFromBuffer(row.name as Uint8Array),
      state: row.state as PayoutAddress['state'],
      address: row.address as string | null,
      script: row.script as string | null,
      reason: String(row.reason),
      checked_at: String(row.checked_at),
    }];
  }));
}
