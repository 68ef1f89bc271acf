// Planted bugs in the kept sums of the ledger: what is only there for speed must not decide what anybody is paid.
import { onSqlite, type Mutant } from './mutant.js';

const keptSums = (title = '') => onSqlite('payments/keep-sums.test.ts', title);

export const kept_sums: readonly Mutant[] = [
  {
    name: 'sums-reach-further-than-they-hold',
    harm: 'The sums are said to hold events that were never added: balances fall short of the ledger.',
    file: 'payments/edges/sums-store.ts',
    find: '  if (to.event_id === from.event_id) return;',
    replacement: '  if (to.event_id >= from.event_id) return;',
    catchers: [keptSums()],
  },
  {
    name: 'kept-sums-believed',
    harm: 'A kept sum that is wrong stays so, and users wait for money that the ledger owes them.',
    file: 'payments/keep-sums.ts',
    find: '      wrong.length === 0,',
    replacement: '      wrong.length >= 0,',
    catchers: [keptSums()],
  },
  {
    name: 'promised-by-kept-sums',
    harm: 'A payout is promised by what is kept, not by the entries: whatever is wrong there is paid.',
    file: 'payments/edges/batch-store.ts',
    find: 'const balances = await balancesOf(transaction, users.map(({ user_id }) => user_id));',
    replacement: 'const balances = new Map<number, bigint>(users.map(({ user_id, planned_sats }) => [user_id, planned_sats]));',
    catchers: [keptSums()],
  },
  {
    name: 'undecided-block-counted-as-decided',
    harm: 'A block that was found late is never settled: its miners are paid nothing for it.',
    file: 'payments/edges/sums-store.ts',
    find: '  if (found) return smallInteger(found.id) - 1;',
    replacement: '  if (found) return smallInteger(found.id);',
    catchers: [keptSums()],
  },
  {
    name: 'returned-payout-stays-spent',
    harm: 'When a final payout is thrown out of the chain, nobody notices a stranger who spends its coins.',
    file: 'payments/edges/batch-store.ts',
    find: "  if (batch.state === 'final') await forgetSpentCoins(transaction);",
    replacement: '',
    catchers: [keptSums()],
  },
];
