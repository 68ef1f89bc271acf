// The node as one process sees it: each call waits for its turn, may meet a fault, and only `broadcast` changes
// anything outside. A process can die with its request undelivered, or delivered and the answer lost with it.
import type { WalletNode } from '../../shared/bitcoind/node.js';
import { failureOf, type NodeFault, type NodeMethod } from '../simulated-node/faults.js';

export type CallFate =
  | 'done'
  | 'killed_before'
  | 'killed_after'
  /** The node is silent until we give up; the request reaches it later. */
  | 'late'
  | NodeFault;

export interface NodeFaults {
  /** The process waits here for the node. */
  calling(method: NodeMethod): Promise<void>;
  fate(method: NodeMethod, parameters: readonly unknown[]): CallFate;
  kill(): void;
  /** The request is delivered when we have given up; resolves when we give up. */
  givingUp(deliver: () => Promise<unknown>): Promise<void>;
}

export function nodePort(node: WalletNode, faults: NodeFaults): WalletNode {
  const dead = () => new Promise<never>(() => undefined);

  async function call(
    method: NodeMethod, parameters: readonly unknown[], go: () => Promise<unknown>,
  ): Promise<unknown> {
    await faults.calling(method);
    const fate = faults.fate(method, parameters);
    if (fate === 'killed_before') {
      faults.kill();
      return dead();
    }
    if (fate === 'late') {
      await faults.givingUp(go);
      throw failureOf('request_lost', method);
    }
    if (fate !== 'done' && fate !== 'killed_after' && fate !== 'answer_lost') throw failureOf(fate, method);
    const answer = await go();
    if (fate === 'killed_after') {
      faults.kill();
      return dead();
    }
    if (fate === 'answer_lost') throw failureOf('answer_lost', method);
    return answer;
  }

  const methods = (Object.keys(node) as NodeMethod[]).map((method) => [method, (...parameters: unknown[]) =>
    call(method, parameters, () => (node[method] as (...all: unknown[]) => Promise<unknown>)(...parameters))] as const);
  return {
    ...Object.fromEntries(methods) as unknown as WalletNode,
    // What is done while the wallet is open meets the faults of its own calls; opening it is one more.
    unlocked: async (work) => {
      await call('unlocked', [], async () => undefined);
      return node.unlocked(work);
    },
  };
}
