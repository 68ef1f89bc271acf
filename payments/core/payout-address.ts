// May a name be paid? A miner logs in with an address as user name; whatever else stands there keeps its
// balance and is quarantined with a reason, so that one bad name never holds up the others. The answer rests
// on what the node said of the name: a failed call is no answer and must never get here.
//
// An address of Bitcoin itself cannot be told from one of oBTC (both use the same version bytes and prefix).
import type { AddressFacts } from '../../shared/bitcoind/node.js';
import { printable, type NameBytes } from '../../shared/username.js';
import { outputKind } from './output-script.js';

export type AddressDecision =
  | {
      readonly state: 'payable';
      readonly address: string;
      readonly script: string;
      readonly reason: string;
    }
  | {
      readonly state: 'quarantined';
      readonly address: string | null;
      readonly script: string | null;
      readonly reason: string;
    };

/** The name as the text of an address, or null when its bytes can be none: then no node needs to be asked. */
export function addressText(name: NameBytes): string | null {
  return printable(name) === name ? name : null;
}

/**
 * @param address  `addressText` of the name.
 * @param facts    the node's answer for it; null only when `address` is null.
 * @param is_mine  does the pool's own wallet hold the key?
 */
export function decideAddress(
  address: string | null,
  facts: AddressFacts | null,
  is_mine: boolean,
  pool_script: string,
): AddressDecision {
  const refuse = (reason: string, script: string | null = null): AddressDecision =>
    ({ state: 'quarantined', address: script === null ? null : address, script, reason });
  if (address === null || facts === null) return refuse('The name contains bytes that no address has.');
  if (!facts.valid || facts.script === null) return refuse('The node says that the name is not an address.');
  if (facts.script === pool_script) return refuse("The address is the pool's own.", facts.script);
  if (is_mine) return refuse("The address belongs to the pool's own wallet.", facts.script);
  if (facts.witness_version !== null && facts.witness_version !== 0) {
    return refuse(
      `Witness version ${facts.witness_version} is unknown to this chain: anyone could spend it.`,
      facts.script,
    );
  }
  if (outputKind(facts.script) === null) {
    return refuse('The address leads to a script of a form that is not paid.', facts.script);
  }
  return {
    state: 'payable',
    address,
    script: facts.script,
    reason: 'The node says that the name is an address.',
  };
}
