import { expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { payingStep } from '../../lab/payable-pool.js';
import { earnedWorld, expectBooksAndChainAgree, spendsOnChain, stateOf, type PayingWorld } from '../../lab/paying-world.js';
import type { WalletNode } from '../../shared/bitcoind/node.js';
import type { Database } from '../../shared/database/database.js';
import { createWaits, type PaymentsContext } from '../context.js';
import { batchById } from '../edges/batch-store.js';

forEachDatabase('paying, killed', (open, { engine }) => {
  it(`fault 2: ends with one payment, wherever it is killed (${engine === 'sqlite' ? 'every' : 'every 23rd'} call, before and after it took effect) (D-2)`, async () => {
    const stride = engine === 'sqlite' ? 1 : 23;
    let calls = Infinity;
    const effects = new Set<number>();
    for (let kill_at = 0; kill_at <= calls; kill_at += stride) {
      // Whether a read was answered makes no difference; whether an effect took place does.
      for (const effect of effects.has(kill_at) ? ['lost', 'done'] as const : ['lost'] as const) {
        const world = await earnedWorld(await open());
        const counter: Kill = { calls: 0, kill_at, effect, effects: kill_at === 0 ? effects : new Set() };
        await payWithKill(world, counter);
        calls = kill_at === 0 ? counter.calls : calls;
        if (kill_at > 0) expect(counter.calls, 'the kill took place').toBe(kill_at);
        expect(await stateOf(world), `killed at call ${kill_at}, ${effect}`).toBe('final');
        expect(await spendsOnChain(world.sim)).toHaveLength(1);
        expect(await batchById(world.context.database.knex, 2)).toBeNull();
        await expectBooksAndChainAgree(world);
        await world.context.database.close();
      }
    }
    expect(calls).toBeGreaterThan(50);
    expect(effects.size).toBeGreaterThanOrEqual(6);
  }, 300_000);
});

class Killed extends Error {}

interface Kill {
  calls: number;
  readonly kill_at: number;
  /** Did the call that we die in take effect? */
  readonly effect: 'lost' | 'done';
  /** The numbers of the calls that change something. */
  readonly effects: Set<number>;
}

/** From balances to final, with one kill at the given call; a new context goes on. */
async function payWithKill(world: PayingWorld, kill: Kill): Promise<void> {
  let context: PaymentsContext = mortal(world.context, kill);
  for (let blocks = 0; blocks < 12; ) {
    try {
      if ((await payingStep(context)) !== 'idle') continue;
      await world.bury(1);
      blocks += 1;
    } catch (failure) {
      if (!(failure instanceof Killed)) throw failure;
      context = { ...world.context, waits: createWaits(world.context.log) };
    }
  }
}

function mortal(context: PaymentsContext, kill: Kill): PaymentsContext {
  const guard = async <T>(work: () => Promise<T>, changes: boolean): Promise<T> => {
    kill.calls += 1;
    if (changes) kill.effects.add(kill.calls);
    const dies = kill.calls === kill.kill_at;
    if (dies && kill.effect === 'lost') throw new Killed();
    const result = await work();
    if (dies) throw new Killed();
    return result;
  };
  const node = new Proxy(context.node, {
    get: (target, name: keyof WalletNode) => {
      const call = target[name].bind(target) as (...parameters: unknown[]) => Promise<unknown>;
      return (...parameters: unknown[]) => guard(() => call(...parameters), name === 'broadcast');
    },
  });
  const database = { ...context.database, transaction: <T>(work: Parameters<Database['transaction']>[0]) => guard(() => context.database.transaction(work), true) as Promise<T> };
  return { ...context, node, database };
}
