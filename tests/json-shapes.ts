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
const percent = z.string().regex(/^-?\d+\.\d{4}$/);
const count = z.int().nonnegative();

export const accountingBlocks = z.array(z.object({
  height, hash: hash.nullable(), finder: name.nullable(), finder_proven: z.boolean(), user: name.nullable(),
  // As it stands in the log: a forged line, or another ckpool's, may have no milliseconds.
  logged_at: z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?$/).nullable(),
  found_at: z.iso.datetime().nullable(),
  state: z.enum(['confirmed', 'pending', 'unverified']), active: z.boolean().nullable(),
  reward: coins.nullable(), quality: quality.nullable(), disputed: z.boolean(),
}));

export const accountingSnapshot = z.object({
  height, hash: hash.nullable(), quality,
  shares: z.array(z.object({ user: name, count: shares, difference: shares })),
});

/** `counters` and `share_logs` are shares; what is null was not counted, or has no worth. */
const comparedRound = z.object({
  height, hash, finder: name, active: z.boolean(), reward: coins, has_line: z.boolean(),
  counters: shares, share_logs: shares.nullable(), nothing_because: z.enum(['counters', 'gap', 'baseline']).nullable(),
  largest: z.object({ user: name.nullable(), points: percent }).nullable(), moved: coins.nullable(),
});

export const accountingCompare = z.object({
  rounds: z.array(comparedRound.extend({ users: count })),
  totals: z.object({
    rounds: count, compared: count, without_line: count, without_counter_work: count,
    largest: z.object({ height, hash, user: name.nullable(), points: percent }).nullable(), reward: coins, moved: coins,
  }),
  users: z.array(z.object({ user: name, counters_worth: coins, share_logs_worth: coins, gain: coins })),
});

export const accountingCompareBlock = comparedRound.extend({
  users: z.array(z.object({
    user: name, counters: shares, share_logs: shares.nullable(),
    counters_percent: percent.nullable(), share_logs_percent: percent.nullable(), points: percent.nullable(),
    counters_worth: coins.nullable(), share_logs_worth: coins.nullable(), gain: coins.nullable(),
  })),
});

/** `kept`: how many share logs stay, by reason. `freed_bytes` is null where only the doing tells. */
export const accountingPrune = z.object({
  sharelog_keep: z.enum(['all', 'compress', 'remove']), dry_run: z.boolean(), below_height: height.nullable(),
  heights: z.array(z.object({
    height, files: count, bytes: count, freed_bytes: z.int().nullable(), directory_removed: z.boolean(),
  })),
  total: z.object({ files: count, bytes: count, freed_bytes: z.int().nullable() }),
  temporary_files: count,
  kept: z.partialRecord(z.enum([
    'foreign', 'not_settled', 'recent', 'not_read', 'later_work', 'changed', 'copy_differs', 'compressed',
  ]), z.int().positive()),
  stopped: z.string().nullable(),
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
