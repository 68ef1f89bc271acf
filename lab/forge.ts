// Recordings of our own making: `busy` with lines forged as a miner can forge them (a login whose name holds
// newlines puts whole lines into the log, once at login and once when the client is dropped), with
// solve lines torn as a full disk tears them, or as a pool at log level 4 would have written it. Made
// from the packed recording each time, the same bytes for the same kind, so that nothing has to be
// stored. User files, their history, share logs and chain stay true: they are what only ckpool or the
// node can write.
import { writeFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { userOfWorker, type NameBytes } from '../shared/username.js';
import { forgedAnchors, forgedSolves, forgedUserLines, type ForgedLine } from './forge/forgeries.js';
import { printedAtLevel4 } from './forge/levels.js';
import { tearSolves, type TornSolve } from './forge/torn.js';
import { createRandom } from './random.js';
import { readLogFiles, stampOf, writeLogFiles, type RecordedLogFile } from './recorded-log.js';
import { unpackRecording, type Recording } from './recordings.js';
import { dropLine, loginLines } from './simulated-ckpool/lines.js';
import { stampText } from './simulated-ckpool/log-writer.js';

export type { ForgedLine } from './forge/forgeries.js';
export type { TornSolve } from './forge/torn.js';

export const forgeries = ['user-lines', 'anchors', 'solve-lines', 'torn-lines', 'level-4'] as const;
export type Forgery = (typeof forgeries)[number];

export interface ForgedRecording extends Recording {
  /** What was put into the log; each text stands there twice (login and drop), as a whole line. */
  forged_lines: ForgedLine[];
  /** Solve lines that were damaged. Those with `lost` are also taken out of `truth.solves`. */
  torn_solves: TornSolve[];
}

/** A forger's connection lasts this long. */
const connection_ms = 4_000;

/** Unpacks `busy` and changes its log. The truth is that of `busy`, less the solve lines that were lost. */
export async function forgeRecording(forgery: Forgery): Promise<ForgedRecording> {
  const recording = await unpackRecording('busy');
  const files = await readLogFiles(recording.log_file);
  const forged: ForgedRecording = {
    ...recording,
    name: `busy, ${forgery}`,
    forged_lines: [],
    torn_solves: [],
  };
  switch (forgery) {
    case 'user-lines': forged.forged_lines = forgedUserLines(recording); break;
    case 'anchors': forged.forged_lines = forgedAnchors(recording); break;
    case 'solve-lines': forged.forged_lines = forgedSolves(recording); break;
    case 'torn-lines': forged.torn_solves = tearSolves(files, recording.truth.solves); break;
    case 'level-4': keepLevel4(files); break;
  }
  await logInForgers(forged, files);
  await writeLogFiles(recording.log_file, files);
  const lost = new Set(forged.torn_solves.filter((torn) => torn.lost).map((torn) => torn.solve.hash));
  forged.truth = {
    ...recording.truth,
    solves: recording.truth.solves.filter((solve) => !lost.has(solve.hash)),
  };
  return forged;
}

function keepLevel4(files: RecordedLogFile[]): void {
  for (const file of files) file.lines = file.lines.filter((line) => printedAtLevel4(line));
}

/**
 * Puts each forged line into the log by a login of its own and gives its user the file that ckpool
 * would write.
 */
async function logInForgers(forged: ForgedRecording, files: RecordedLogFile[]): Promise<void> {
  const random = createRandom(forged.name);
  for (const [index, line] of forged.forged_lines.entries()) {
    const worker = `mallory${index}\n${line.text}\n` as NameBytes;
    const client = random.integer(100, 999);
    const login = loginLines(worker, client, {
      user_is_new: true,
      is_address: false,
      node_address: '127.0.0.1:18443',
    });
    insert(files, line.at_ms, login.map((part) => part.text));
    insert(files, line.at_ms + connection_ms, [dropLine(worker, client).text]);
    await writeIdleUser(forged, userOfWorker(worker), line.at_ms);
  }
  forged.users_history.sort((one, other) => one.written_at_ms - other.written_at_ms);
}

/** Before the first line of that time or later. */
function insert(files: RecordedLogFile[], at_ms: number, texts: readonly string[]): void {
  const lines = texts.flatMap((text) => `[${stampText(at_ms)}] ${text}`.split('\n'));
  for (const file of files) {
    const place = file.lines.findIndex((line) => (stampOf(line) ?? 0) >= at_ms);
    if (place < 0) continue;
    file.lines.splice(place, 0, ...lines);
    return;
  }
  throw new RangeError(`the recording has no line after ${stampText(at_ms)}`);
}

/** At the next pass ckpool writes a file for everybody who logged in, the forger included: no shares. */
async function writeIdleUser(forged: ForgedRecording, user: NameBytes, login_ms: number): Promise<void> {
  const pass = forged.users_history.find((version) => version.written_at_ms > login_ms);
  if (!pass) return;
  const rates = ['1m', '5m', '1hr', '1d', '7d'].map((window) => `"hashrate${window}": "0", `).join('');
  const content = Buffer.from(
    `{${rates}"lastupdate": ${Math.floor(pass.written_at_ms / 1000)}, `
      + `"workers": 1, "shares": 0, "bestshare": 0.0}\n`,
  );
  forged.users_history.push({ written_at_ms: pass.written_at_ms, user, content });
  const path = Buffer.from(join(forged.log_directory, 'users', user), 'latin1');
  await writeFile(path, content);
  await utimes(path, pass.written_at_ms / 1000, pass.written_at_ms / 1000);
}
