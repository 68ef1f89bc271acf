// What each command prints with --json: the shapes that others build on. More keys are fine, fewer are not;
// amounts are decimal text in coin with eight decimals, share counts whole numbers in quotes.
import { z } from 'zod';

export const coins = z.string().regex(/^-?\d+\.\d{8}$/);
export const shares = z.string().regex(/^\d+$/);
export const hash = z.string().regex(/^[0-9a-f]{64}$/);
/** Printable ASCII without spaces; every other byte stands there as \xHH. */
export const name = z.string().regex(/^[!-~]+$/);
const height = z.int().nonnegative();
const quality = z.enum(['exact', 'minute', 'late']);

export const accountingBlocks = z.array(z.object({
  height, hash: hash.nullable(), finder: name.nullable(), user: name.nullable(),
  logged_at: z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/).nullable(),
  found_at: z.iso.datetime().nullable(),
  state: z.enum(['confirmed', 'pending', 'unverified']), active: z.boolean().nullable(),
  reward: coins.nullable(), quality: quality.nullable(), disputed: z.boolean(),
}));

export const accountingSnapshot = z.object({
  height, hash: hash.nullable(), quality,
  shares: z.array(z.object({ user: name, count: shares, difference: shares })),
});

export const paymentsBlocks = z.array(z.object({
  height, hash, state: z.enum(['immature', 'credited', 'orphaned', 'lost']), reward: coins, round_shares: shares,
  pool_fee: coins, carried_in: coins, credited: coins, carried_out: coins,
}));

export const paymentsBalances = z.array(z.object({
  user: name, address: z.string().nullable(), earned: coins, paid: coins, network_fee: coins, reserved: coins,
  balance: coins, state: z.enum(['payable', 'below_threshold', 'quarantined', 'held']),
}));

export const paymentsPayouts = z.array(z.object({
  id: z.int().positive(), state: z.enum(['planned', 'prepared', 'broadcast', 'confirmed', 'final', 'held']),
  txid: hash.nullable(), network_fee: coins,
  outputs: z.array(z.object({ address: z.string(), amount: coins, users: z.array(name).min(1) })).min(1),
}));

export const paymentsStatus = z.object({
  chain: z.object({ tip_height: height, tip_hash: hash, synced: z.boolean(), accounting_complete_height: height.nullable() }),
  liabilities: coins, owed: coins, reserved: coins, carry: coins, paid: coins, pool_fee: coins, network_fee: coins,
  wallet: z.object({ trusted: coins, untrusted_pending: coins, immature: coins }),
  in_flight: z.array(z.object({ id: z.int(), state: z.string() })),
  oldest_unpaid_at: z.iso.datetime().nullable(),
  waits: z.array(z.string()),
});

export const paymentsAudit = z.object({
  ok: z.boolean(), checks: z.array(z.object({ name: z.string().min(1), ok: z.boolean(), detail: z.string() })).min(5),
});

export type AccountingBlocks = z.infer<typeof accountingBlocks>;
export type PaymentsBlocks = z.infer<typeof paymentsBlocks>;
export type PaymentsBalances = z.infer<typeof paymentsBalances>;
export type PaymentsPayouts = z.infer<typeof paymentsPayouts>;
export type PaymentsAudit = z.infer<typeof paymentsAudit>;
