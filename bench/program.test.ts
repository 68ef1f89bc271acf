import { describe, expect, it } from 'vitest';
import { commandsInHelp } from './program.js';

describe('the commands that are measured', () => {
  it('are those of the help, whatever is added to it', () => {
    const help = [
      'Usage: obtc-payments [options] [command]', '', 'Options:', '  -V, --version   print the version', '',
      'Commands:',
      '  run [options]            the daemon: settles due blocks and pays',
      '  check                    what must hold before money moves: one line each',
      '  explain <user> [block]   every number of a miner\'s pay with its source;',
      '                           block is a hash or a height',
      '  quite-new <from> <to> [options]',
      '                           a long one has its words on the next line',
      '  help [command]           display help for command', '',
    ].join('\n');
    expect(commandsInHelp(help)).toEqual([
      { name: 'run', needs: [] }, { name: 'check', needs: [] }, { name: 'explain', needs: ['user'] },
      { name: 'quite-new', needs: ['from', 'to'] },
    ]);
    expect(commandsInHelp('no such thing')).toEqual([]);
  });
});
