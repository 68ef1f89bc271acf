import { expect, test } from 'vitest';
import type { BlockWithCoinbase } from '../../shared/bitcoind/node.js';
import { blockHash, blockHeight, satoshis, transactionId } from '../../shared/units.js';
import { ownBlock } from './own-block.js';

const script = '0014a22d8eb5c43a0a714f2172a39d66fcb4b5e47f94';
function block(...outputs: [script: string, amount: bigint][]): BlockWithCoinbase {
  return {
    hash: blockHash('a'.repeat(64)), height: blockHeight(7), previous_hash: blockHash('b'.repeat(64)), confirmations: 1,
    time_seconds: 0, nonce: 0, coinbase_script: '', coinbase_txid: transactionId('c'.repeat(64)),
    coinbase_outputs: outputs.map(([pays, amount], index) => ({ index, amount: satoshis(amount), script: pays })),
  };
}

test.each<[string, [string, bigint][], bigint | null]>([
  ['pays the pool beside a donation', [[script, 4_775_000_000n], ['6a24aa', 0n], ['a914aa', 225_000_000n]], 4_775_000_000n],
  ['pays the pool twice: both count, as when donaddress is btcaddress (D-37)', [[script, 90n], [script, 10n]], 100n],
  ['pays the pool in the last output', [['6a', 0n], [script, 5n]], 5n],
  ['pays somebody else', [['0014bb', 50n]], null],
  ['pays the pool nothing', [[script, 0n]], null],
  ['has no outputs', [], null],
])('fault 28: a coinbase that %s', (_, outputs, reward) => {
  expect(ownBlock(block(...outputs), script)?.reward ?? null).toBe(reward);
});
