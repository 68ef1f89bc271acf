// What is remembered of a plan that found nobody to pay must not outlive what could make somebody payable.
import { expect, test } from 'vitest';
import { createPayingWorld } from '../../lab/paying-world.js';
import { connect } from '../../shared/database/connect.js';
import { migrate } from '../../shared/database/migrate.js';
import { OutsideFailure } from '../../shared/errors.js';
import { createPaymentsDaemon } from '../daemon.js';
import { payoutAddresses } from '../edges/address-store.js';
import { payingMoves } from './moves.js';

const hour_ms = 3_600_000;

test.each([false, true])('a name that becomes payable is paid, the answer of that COMMIT lost: %s', async (is_lost) => {
  const database = await connect({ engine: 'sqlite', file: ':memory:' });
  await migrate(database);
  const world = await createPayingWorld(database);
  const { context, alice } = world;
  const { node } = context;
  let is_valid = false;
  let asked = false;
  const ask = async (address: string) => {
    const facts = await node.address(address);
    asked ||= address === alice && is_valid;
    return address === alice && !is_valid ? { ...facts, valid: false, script: null } : facts;
  };
  const transaction: typeof database.transaction = async (work) => {
    const result = await database.transaction(work);
    if (!is_lost || !asked) return result;
    is_lost = false;
    throw new OutsideFailure('unknown', 'database', 'COMMIT got no answer', 'ECONNRESET');
  };
  await world.earn({ [alice]: 1 });
  await world.mature();
  const daemon = createPaymentsDaemon(
    { ...context, node: { ...node, address: ask }, database: { ...database, transaction } },
    { lease: context.lease, paying: payingMoves, requests: {} },
  );
  const untilIdle = async (): Promise<void> => {
    for (let steps = 0; steps < 200; steps += 1) {
      const outcome = await daemon.step().catch((failure: unknown) => {
        if (!(failure instanceof OutsideFailure)) throw failure;
      });
      if (outcome === 'idle') return;
    }
  };
  await untilIdle();
  expect([...(await payoutAddresses(database.knex)).values()]).toMatchObject([{ state: 'quarantined' }]);
  is_valid = true;
  for (let hours = 0; hours < 30; hours += 1) {
    context.clock.advance(hour_ms);
    await untilIdle();
  }
  expect(is_lost).toBe(false);
  expect(await database.knex('payout_batches').select('id')).toHaveLength(1);
  await database.close();
});
