#!/usr/bin/env node
// The command line of payments. Each command is a file of commands/, loaded when it is called.
import { addCommand, createProgram, runProgram } from '../shared/command.js';

const program = createProgram(
  'obtc-payments',
  'Settles the blocks that accounting recorded and pays the miners, once each.',
);

addCommand(program, {
  usage: 'run', is_default: true,
  description: 'the daemon: settles due blocks and pays',
  options: [['--once', 'run until there is nothing to do, then exit']],
  examples: ['run -c ckpool.conf', 'run --once'],
  load: async () => (await import('./commands/run.js')).run,
});
addCommand(program, {
  usage: 'check',
  description: 'what must hold before money moves: one line each',
  examples: ['check', 'check --json'],
  load: async () => (await import('./commands/check.js')).check,
});
addCommand(program, {
  usage: 'status',
  description: 'liabilities, payouts in flight, the wallet, what payments waits for and why',
  examples: ['status', 'status --json'],
  load: async () => (await import('./commands/status.js')).status,
});
addCommand(program, {
  usage: 'plan',
  description: 'the next payout batch exactly, without paying it',
  examples: ['plan', 'plan --json'],
  load: async () => (await import('./commands/plan.js')).plan,
});
addCommand(program, {
  usage: 'blocks',
  description: 'the blocks of the pool with reward, round, fee and credits',
  examples: ['blocks', 'blocks --json'],
  load: async () => (await import('./commands/blocks.js')).blocks,
});
addCommand(program, {
  usage: 'balances',
  description: 'what each user has earned, was paid and is owed',
  examples: ['balances', 'balances --json'],
  load: async () => (await import('./commands/balances.js')).balances,
});
addCommand(program, {
  usage: 'payouts',
  description: 'payout batches with their transactions',
  examples: ['payouts', 'payouts --json'],
  load: async () => (await import('./commands/payouts.js')).payouts,
});
addCommand(program, {
  usage: 'payout <id>',
  description: 'one payout batch: transaction, inputs, outputs, users',
  examples: ['payout 3', 'payout 3 --json'],
  load: async () => (await import('./commands/payout.js')).payout,
});
addCommand(program, {
  usage: 'explain <user> [block]',
  description: 'every number of a miner\'s pay with its source; block is a hash or a height',
  examples: ['explain 1MinerAddress', 'explain 1MinerAddress 159 --json'],
  load: async () => (await import('./commands/explain.js')).explain,
});
addCommand(program, {
  usage: 'resolve [incident] [choice]',
  description:
    "an operator's word where payments waits for one: book, resume, retry or release; "
    + 'without a choice: what is open and what each choice does',
  examples: ['resolve', 'resolve 2', 'resolve 2 book', 'resolve 2 resume'],
  load: async () => (await import('./commands/resolve.js')).resolve,
});
addCommand(program, {
  usage: 'audit',
  description: 'every invariant over ledger, facts, chain and wallet; exit status 1 if one does not hold',
  examples: ['audit', 'audit --json'],
  load: async () => (await import('./commands/audit.js')).audit,
});

await runProgram(program);
