// Row 26 of the fault matrix: a block leaves the chain after its miners were paid. About the
// debt: no balance becomes negative; what was paid is the pool's loss (orphan_loss), and here the
// payout itself goes with the coin that it spent. Everything ends in what a person has to say, by the real command.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { auditChain } from '../../lab/demo/chain-audit.js';
import { parseCoins } from '../../shared/amount.js';
import * as shapes from '../json-shapes.js';
import { ask } from '../programs.js';
import { startSmallPool, type SmallPool } from './small-pool.js';

let small: SmallPool;
beforeAll(async () => { small = await startSmallPool(); });
afterAll(() => small?.close());

const status = () => ask(shapes.paymentsStatus, 'payments', small.ground.config_file, 'status');
const balances = () => ask(shapes.paymentsBalances, 'payments', small.ground.config_file, 'balances');
const rounds = () => ask(shapes.paymentsBlocks, 'payments', small.ground.config_file, 'blocks');
const sum = (amounts: readonly string[]) => amounts.reduce((total, amount) => total + parseCoins(amount), 0n);

/** What `resolve` prints, the time of an incident left out. */
async function told(): Promise<string[]> {
  const { status: ended, stdout } = await small.command('payments', 'resolve');
  expect(ended).toBe(0);
  return stdout.trimEnd().split('\n').map((line) => line.replace(/since [-\d: .]+ UTC/, 'since then'));
}

it('fault 26: a block that is lost after its miners were paid stops paying, ends in `held`, and is resolved by command', async () => {
  const block = await small.earn();
  await small.once('payments');
  await small.bury(6);
  await small.once('accounting');
  await small.once('payments');
  const [paid] = await small.payouts();
  expect(paid).toMatchObject({ id: 1, state: 'final' });
  const stored = await small.database.knex('payout_transactions').first<{ txid: string }>();

  // A branch without the block, longer than all that was built on it.
  const depth = small.pool.tip() - block.height + 1;
  const branch = await small.ground.node.reorg(depth, depth + 1, small.ground.stranger_address);
  await small.once('accounting');
  await small.once('payments');
  const tip = block.height + branch.length - 1;
  const coinbase = (await small.database.knex('payout_inputs').first<{ txid: string }>()).txid;
  expect(await told()).toEqual([
    `incident 1: block_lost, ${block.hash}, since then, open; it stops paying`,
    `  Block ${block.height} ${block.hash} was credited and is no longer in the active chain (tip ${tip} ${branch.at(-1)}). `
      + "What its miners had not been paid was taken back; the rest is the pool's loss. Nothing is paid until this incident is resolved: look at what the chain did first.",
    '  resolve 1 resume: records that the chain was looked at; paying goes on: credits not yet paid were taken back, what was paid is '
      + "the pool's loss (orphan_loss)",
    'incident 2: payout_conflicted, batch 1, since then, open; it stops paying',
    `  Batch 1 is held. Its coin ${coinbase}:0 comes from block ${block.hash} at height ${block.height}, which left the chain. Its transaction can never confirm.`,
    `  now: Its coin ${coinbase}:0 comes from block ${block.hash} at height ${block.height}, which left the chain. It is dead: release is possible.`,
    '  resolve 2 book: books another transaction that pays users of batch 1 from its coins (a copy with other signatures or another fee) as the payout, and gives the rest back as balances; refused unless it is buried deep and pays only users to whom the ledger owes as much',
    '  resolve 2 retry: sends the stored transaction of batch 1 again, the same bytes, and follows it',
    "  resolve 2 release: gives the amounts of batch 1 back to their users' balances, to be paid by a later batch; refused unless its transaction is proved dead and no other one pays its users from its coins, because otherwise they could be paid twice",
  ]);
  expect((await rounds()).map(({ state }) => state)).toEqual(['lost']);
  expect(await status()).toMatchObject({ paid: '0.00000000', owed: '0.00000000', in_flight: [{ id: 1, state: 'held' }] });
  for (const { balance } of await balances()) expect(parseCoins(balance)).toBe(0n);

  // More work of the same miners: nothing of it is paid while nobody has said a word.
  const next = await small.earn();
  await small.once('payments');
  expect((await small.payouts()).map(({ id, state }) => [id, state])).toEqual([[1, 'held']]);
  expect((await status()).waits.join(' ')).toMatch(/Incident \d \(\w+\) stops paying: see `obtc-payments resolve \d`\./);

  const resume = await small.command('payments', 'resolve', '1', 'resume');
  expect(resume).toMatchObject({ status: 0, stdout: 'done: An operator has looked and lets paying go on.\n' });
  const release = await small.command('payments', 'resolve', '2', 'release');
  expect(release).toMatchObject({ status: 0, stdout: 'done: Batch 1 is released and its amounts are balances again. '
    + `Its coin ${coinbase}:0 comes from block ${block.hash} at height ${block.height}, which left the chain.\n` });
  expect(await told()).toEqual(['No incident is open.']);

  // Only what the second block gave is paid, once.
  await small.once('payments');
  await small.bury(6);
  await small.once('accounting');
  await small.once('payments');
  expect((await rounds()).map(({ hash, state }) => [hash, state])).toEqual([[block.hash, 'lost'], [next.hash, 'credited']]);
  const chain = await auditChain(small.ground.node, small.ground.pool_address);
  const second = (await small.payouts()).find(({ id }) => id === 2)!;
  expect(second.state).toBe('final');
  expect([...chain.spends.keys()]).toEqual([second.txid]);
  expect(chain.spends.has(stored.txid)).toBe(false);
  const lines = await balances();
  expect(sum(lines.map(({ earned }) => earned))).toBe(sum((await rounds()).filter(({ state }) => state === 'credited').map(({ credited }) => credited)));
  for (const { user, paid: paid_coins } of lines) expect(await small.ground.received(user)).toBe(parseCoins(paid_coins));
  expect(await small.violations()).toEqual([]);
});
