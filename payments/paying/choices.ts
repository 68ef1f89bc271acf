// What a person can say about an incident, and what each word does.
import { foreign_spend } from '../acknowledged.js';
import { heldBatchOf } from './hold.js';

export type ChoiceName = 'retry' | 'release' | 'resume' | 'book';

export interface Choice {
  readonly choice: ChoiceName;
  /** One sentence. */
  readonly does: string;
}

const looked_at = 'closes the incident as looked at; paying goes on with the ledger as it stands';

const book: Choice = {
  choice: 'book',
  does:
    'books the transaction that spent this coin as a payout of this ledger, after an older database was restored: '
    + 'what it paid is owed no more; refused unless it spends only coins of the pool and pays only users '
    + 'to whom the ledger owes as much',
};

/** What `resume` does for each kind of incident that is about no batch. */
const resumes: ReadonlyMap<string, string> = new Map([
  [
    'foreign_spend',
    'records that this spend is accounted for outside this ledger; '
      + 'paying goes on with the ledger as it stands: '
      + 'first make sure that it paid nobody whom the ledger still owes',
  ],
  [
    'block_lost',
    'records that the chain was looked at; paying goes on: '
      + 'credits not yet paid were taken back, what was paid is '
      + "the pool's loss (orphan_loss)",
  ],
  ['coinbase_mismatch', 'settles the block by the coinbase that the node shows, and paying goes on'],
  [
    'disputed_counts',
    'closes the incident once accounting has decided '
      + '(`obtc-accounting resolve <snapshot>`), and is refused '
      + 'until then; settling goes on by itself',
  ],
]);

export function choicesFor(incident: { readonly kind: string; readonly subject: string }): readonly Choice[] {
  const batch_id = heldBatchOf(incident);
  if (batch_id === null) {
    const resume: Choice = { choice: 'resume', does: resumes.get(incident.kind) ?? looked_at };
    return incident.kind === foreign_spend ? [book, resume] : [resume];
  }
  const book_instead: Choice = {
    choice: 'book',
    does:
      `books another transaction that pays users of batch ${batch_id} from its coins (a copy with other signatures or `
      + 'another fee) as the payout, and gives the rest back as balances; refused unless it is buried deep and pays '
      + 'only users to whom the ledger owes as much',
  };
  return [
    ...(incident.kind === 'payout_conflicted' ? [book_instead] : []),
    {
      choice: 'retry',
      does: `sends the stored transaction of batch ${batch_id} again, the same bytes, and follows it`,
    },
    {
      choice: 'release',
      does:
        `gives the amounts of batch ${batch_id} back to their users' balances, `
        + 'to be paid by a later batch; '
        + 'refused unless its transaction is proved dead and no other one pays its users from its coins, because '
        + 'otherwise they could be paid twice',
    },
  ];
}
