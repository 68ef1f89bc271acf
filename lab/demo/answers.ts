// The answers of the daemons' commands, as far as the demo uses them.
import { z } from 'zod';

export const foundBlocks = z.array(z.object({
  height: z.number(), hash: z.string().nullable(), finder: z.string().nullable(), state: z.string(),
  active: z.boolean().nullable(), reward: z.string().nullable(),
}));
export const snapshotOfBlock = z.object({
  quality: z.string(),
  shares: z.array(z.object({ user: z.string(), count: z.string(), difference: z.string() })),
});
export const settledBlocks = z.array(z.object({
  height: z.number(), hash: z.string(), state: z.string(), reward: z.string(), round_shares: z.string(),
  pool_fee: z.string(), carried_in: z.string(), credited: z.string(), carried_out: z.string(),
}));
export const balances = z.array(
  z.object({
    user: z.string(),
    address: z.string().nullable(),
    earned: z.string(),
    paid: z.string(),
    network_fee: z.string(),
    reserved: z.string(),
    balance: z.string(),
    state: z.string(),
  }),
);
export const payouts = z.array(z.object({
  id: z.number(), state: z.string(), txid: z.string().nullable(), network_fee: z.string(),
  outputs: z.array(z.object({ address: z.string(), amount: z.string(), users: z.array(z.string()) })),
}));
export const auditResult = z.object({
  ok: z.boolean(), checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
});

export type Snapshot = z.infer<typeof snapshotOfBlock>;
export type FoundBlocks = z.infer<typeof foundBlocks>;
export type SettledBlocks = z.infer<typeof settledBlocks>;
export type Balances = z.infer<typeof balances>;
export type Payouts = z.infer<typeof payouts>;
export type AuditResult = z.infer<typeof auditResult>;
/** One line of an audit, the daemons' or the demo's own. */
export type Check = AuditResult['checks'][number];
