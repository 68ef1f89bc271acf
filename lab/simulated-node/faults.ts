// Failures in front of any WalletNode, as the adapter would report them. A decision is asked for at
// each call; the same decisions give the same run.
import type { WalletNode } from '../../shared/bitcoind/node.js';
import { OutsideFailure } from '../../shared/errors.js';

export type NodeMethod = keyof WalletNode;

export type NodeFault =
  /** Certainly nothing happened (retry). */
  | 'connection_refused'
  /** -28 (retry). */
  | 'warming_up'
  /** The node never saw the call, but we cannot tell (unknown). */
  | 'request_lost'
  /** The call took effect, its answer did not arrive (unknown). */
  | 'answer_lost';

/** What goes wrong with this call; null: nothing. */
export type FaultPlan = (method: NodeMethod) => NodeFault | null;

export function withFaults(node: WalletNode, plan: FaultPlan): WalletNode {
  const guard = <Method extends NodeMethod>(method: Method): WalletNode[Method] => {
    const guarded = async (...parameters: unknown[]): Promise<unknown> => {
      const fault = plan(method);
      if (fault !== null && fault !== 'answer_lost') throw failureOf(fault, method);
      const answer: unknown = await Reflect.apply(node[method], node, parameters);
      if (fault === 'answer_lost') throw failureOf(fault, method);
      return answer;
    };
    return guarded as WalletNode[Method];
  };
  return {
    chainInfo: guard('chainInfo'),
    blockHashAt: guard('blockHashAt'),
    header: guard('header'),
    blockWithCoinbase: guard('blockWithCoinbase'),
    chainTips: guard('chainTips'),
    address: guard('address'),
    isMine: guard('isMine'),
    unspentOutput: guard('unspentOutput'),
    walletCoins: guard('walletCoins'),
    createTransaction: guard('createTransaction'),
    sign: guard('sign'),
    // Opening the wallet may fail; the work inside meets the faults of its own calls.
    unlocked: async (work) => {
      const fault = plan('unlocked');
      if (fault !== null) throw failureOf(fault, 'unlocked');
      return node.unlocked(work);
    },
    decode: guard('decode'),
    broadcast: guard('broadcast'),
    walletTransaction: guard('walletTransaction'),
    feeRate: guard('feeRate'),
    relayFeeRate: guard('relayFeeRate'),
    balances: guard('balances'),
    walletSpends: guard('walletSpends'),
  };
}

export function failureOf(fault: NodeFault, method: NodeMethod): OutsideFailure {
  switch (fault) {
    case 'connection_refused':
      return new OutsideFailure('retry', 'node',
        `${method}: no node can be reached; start bitcoind or correct btcd.url.`, 'ECONNREFUSED');
    case 'warming_up':
      return new OutsideFailure('retry', 'node', `${method}: the node is starting; waiting helps.`, -28);
    case 'request_lost':
    case 'answer_lost':
      return new OutsideFailure('unknown', 'node',
        `${method}: the node gave no answer; whether the call took effect is not known.`, 'ESOCKETTIMEDOUT');
  }
}
