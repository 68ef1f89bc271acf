#!/usr/bin/env node
// The command line of accounting: `./accounting.sh` and `obtc-accounting`. Each command lives in a module of
// its own under commands/, loaded when it is called.
import { addCommand, createProgram, runProgram } from '../shared/command.js';

const program = createProgram(
  'obtc-accounting',
  'Records every block that a ckpool finds and how many shares every user had, in MySQL or SQLite.',
);

addCommand(program, {
  usage: 'run',
  description: "the daemon: follow ckpool's log and the chain (default)",
  options: [['--once', 'read everything there is, then exit']],
  examples: ['run -c /etc/ckpool/ckpool.conf', 'run --once'],
  is_default: true,
  load: async () => (await import('./commands/run.js')).run,
});
addCommand(program, {
  usage: 'check',
  description: 'configuration, database, node, log level and permissions, one line each',
  examples: ['check -c ckpool.conf', 'check --json'],
  load: async () => (await import('./commands/check.js')).check,
});
addCommand(program, {
  usage: 'migrate',
  description: 'create or upgrade the tables, with an admin login where the daemon may not',
  options: [['--user <name>', 'log in to MySQL as this user (password from POOL_SQL_PASS)']],
  examples: ['migrate -c ckpool.conf', 'migrate --user root'],
  load: async () => (await import('./commands/migrate.js')).migrateCommand,
});
addCommand(program, {
  usage: 'blocks',
  description: 'every block found, in log order',
  examples: ['blocks', 'blocks --json'],
  load: async () => (await import('./commands/blocks.js')).blocks,
});
addCommand(program, {
  usage: 'snapshot <block>',
  description: "every user's share count when a block was found (height, or a hash or its beginning)",
  examples: ['snapshot 159', 'snapshot 4514c903 --json'],
  load: async () => (await import('./commands/snapshot.js')).snapshot,
});
addCommand(program, {
  usage: 'compare [block]',
  description: "what ckpool's counters would have given each user, and what the share logs give",
  examples: ['compare', 'compare 140', 'compare 4514c903 --json'],
  load: async () => (await import('./commands/compare.js')).compare,
});
addCommand(program, {
  usage: 'incidents',
  description: 'the latest counters that fell, lines that were dropped, gaps in the log and the share logs',
  examples: ['incidents', 'incidents --json'],
  load: async () => (await import('./commands/incidents.js')).incidents,
});
addCommand(program, {
  usage: 'replay <logdir>',
  description: 'rebuild the facts from the log and the share logs and compare them with the database, row by row',
  examples: ['replay /var/log/ckpool', 'replay logs --json'],
  load: async () => (await import('./commands/replay.js')).replay,
});
addCommand(program, {
  usage: 'baseline',
  description: 'start the first round here, not at zero: work before it is not paid',
  options: [['--wait <seconds>', 'how long to wait for the daemon', '30']],
  examples: ['baseline -c ckpool.conf'],
  load: async () => (await import('./commands/baseline.js')).baseline,
});
addCommand(program, {
  usage: 'resolve <snapshot>',
  description: "an operator's word on disputed counts: do they count or not",
  options: [
    ['--take', 'the rises before the counter fell count'],
    ['--drop', 'they do not count'],
    ['--wait <seconds>', 'how long to wait for the daemon', '30'],
  ],
  examples: ['resolve 17', 'resolve 17 --take'],
  load: async () => (await import('./commands/resolve.js')).resolve,
});
addCommand(program, {
  usage: 'prune',
  description: 'compress or remove the share logs of settled rounds, as sharelog_keep says',
  options: [['--dry-run', 'say what would be done, and change nothing']],
  examples: ['prune --dry-run', 'prune -c ckpool.conf --json'],
  load: async () => (await import('./commands/prune.js')).prune,
});

await runProgram(program);
