// What paying does, in this order: what was signed is sent and followed before anything new is signed, and
// what was promised is signed before anything new is promised.
//   core/payout-state.ts   the states and the diagram
//   sightings.ts           where a transaction of ours is, and what can kill it
//   hold.ts, requests.ts   where a person decides
import type { NamedMove } from '../context.js';
import { broadcast } from './broadcast.js';
import { checkAddresses } from './check-addresses.js';
import { plan } from './plan.js';
import { prepare } from './prepare.js';
import { watch } from './watch.js';

export const payingMoves: readonly NamedMove[] = [
  { name: 'broadcast', move: broadcast },
  { name: 'watch', move: watch },
  { name: 'prepare', move: prepare },
  { name: 'check addresses', move: checkAddresses },
  { name: 'plan', move: plan },
];
