// What is believed of a payout while the chain moves under the questions.
import { expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { earnedWorld, until } from '../../lab/paying-world.js';
import type { WalletNode } from '../../shared/bitcoind/node.js';
import { transactionOf } from '../edges/transaction-store.js';
import { confirmationOf } from './sightings.js';

forEachDatabase('where a payout is', (open) => {
  it('is not told from a chain that has grown between two questions, by however much', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await until(context, 'broadcast');
    await world.bury(1);
    const stored = await transactionOf(context.database.knex, 1);
    // The wallet knows nothing of it (a restored copy), so that its outputs are asked for.
    const looking = (grow: () => void): WalletNode => ({
      ...sim.node, walletTransaction: async () => null,
      unspentOutput: async (...coin) => {
        grow();
        return sim.node.unspentOutput(...coin);
      },
    });
    const outputs = 3;
    const grown = confirmationOf({ ...context, node: looking(() => { sim.mine(300, sim.foreignAddress()); }) }, stored!, outputs);
    expect(await grown).toBeNull();
    const still = await confirmationOf({ ...context, node: looking(() => undefined) }, stored!, outputs);
    expect(still).not.toBeNull();
  });
});
