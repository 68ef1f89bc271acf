// What a person can say about an incident, and what each word does.
import { heldBatchOf } from './hold.js';

export type ChoiceName = 'retry' | 'release' | 'resume';

export interface Choice {
  readonly choice: ChoiceName;
  /** One sentence. */
  readonly does: string;
}

export function choicesFor(incident: { readonly kind: string; readonly subject: string }): readonly Choice[] {
  const batch_id = heldBatchOf(incident);
  if (batch_id === null) {
    return [{ choice: 'resume', does: 'closes the incident as looked at; paying goes on with the ledger as it stands' }];
  }
  return [
    { choice: 'retry', does: `sends the stored transaction of batch ${batch_id} again, the same bytes, and follows it` },
    {
      choice: 'release',
      does: `gives the amounts of batch ${batch_id} back to their users' balances, to be paid by a later batch; ` +
        'refused unless its transaction is proved dead, because otherwise they could be paid twice',
    },
  ];
}
