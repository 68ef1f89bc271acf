// The life of a payout batch, as a closed table: what is not listed cannot happen.
//
//   planned --prepare--> prepared --accept--> broadcast --confirm--> confirmed --bury--> final
//      |                    |  ^                |  ^  ^                  |          |
//      |                    |  |                |  |  '------reorg------'---reorg--'
//      |                  hold retry          hold retry
//      |                    v  |                v  |
//      '------release--.   held ---------------held --release--> released
//                      '------------------------------------------^
//
// planned    balances are reserved; nothing is signed, so it can be released without harm
// prepared   the signed transaction is stored; it may or may not have reached the node
// broadcast  the node accepted it; confirmed: it is in the active chain; final: deep enough to be
// booked as paid,
//            which only a reorganisation deeper than that undoes
// held       only a person leaves it: `retry` goes back to where it was held, `release` gives the money back
//            once the stored transaction is proved dead
// released has no way out.
export type BatchState = 'planned' | 'prepared' | 'broadcast' | 'confirmed' | 'final' | 'held' | 'released';
export type BatchEvent = 'prepare' | 'accept' | 'confirm' | 'bury' | 'reorg' | 'hold' | 'retry' | 'release';
/** The states that a batch can be held in, and returns to. */
export type HeldFrom = 'prepared' | 'broadcast';

const table: Record<BatchState, Partial<Record<BatchEvent, BatchState | 'held_from'>>> = {
  planned: { prepare: 'prepared', release: 'released' },
  prepared: { accept: 'broadcast', hold: 'held' },
  broadcast: { confirm: 'confirmed', hold: 'held' },
  confirmed: { bury: 'final', reorg: 'broadcast' },
  held: { retry: 'held_from', release: 'released' },
  final: { reorg: 'broadcast' },
  released: {},
};

/** The state after the event; null when the event is not permitted in this state. */
export function nextState(
  state: BatchState,
  event: BatchEvent,
  held_from: HeldFrom | null = null,
): BatchState | null {
  const next = table[state][event] ?? null;
  return next === 'held_from' ? held_from : next;
}

export const batch_states = Object.keys(table) as readonly BatchState[];
/** Whose money is promised to a transaction, or to one about to be made. */
export const live_states = ['planned', 'prepared', 'broadcast', 'confirmed', 'held'] as const;
/** Not yet accepted by the node: no other batch is planned meanwhile. */
export const unaccepted_states = ['planned', 'prepared'] as const;
