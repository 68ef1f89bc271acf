// The two programs as a shell starts them: which commands they have, by their own help, and one call of a
// command as a process of its own, to its end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const program_names = ['accounting', 'payments'] as const;
export type ProgramName = (typeof program_names)[number];

export interface ListedCommand {
  readonly name: string;
  /** What must follow it: `['block']` for `snapshot <block>`. */
  readonly needs: readonly string[];
}

/** Read from the text of --help, so that a command that is added is there. `help` itself is left out. */
export function commandsInHelp(help: string): readonly ListedCommand[] {
  const [, list = ''] = help.split(/^Commands:$/m);
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)((?: [<[][^\s>\]]+[>\]])*)(?: {2,}|$)/gm)]
    .map(([, name = '', words = '']) => ({ name, needs: [...words.matchAll(/<([^>]+)>/g)].map(([, one]) => one ?? '') }))
    .filter(({ name }) => name !== 'help');
}

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const programFile = (name: ProgramName): string =>
  fileURLToPath(new URL(`../${name}/main.js`, import.meta.url));

/** Node with these arguments. No setting of the caller's own pool reaches it. */
export const callNode = (words: readonly string[]): Promise<Ended> => call(process.execPath, words);

export async function call(command: string, words: readonly string[]): Promise<Ended> {
  const kept = Object.entries(process.env).filter(([name]) => !/^POOL_|^CREDENTIALS_DIRECTORY$/.test(name));
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'], env: Object.fromEntries(kept) });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text: Buffer) => { stdout += text.toString('latin1'); });
  child.stderr.on('data', (text: Buffer) => { stderr += text.toString('latin1'); });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout, stderr };
}
