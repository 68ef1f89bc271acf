// That a scan says what parseShareLine says is held by the properties in share-tally.test.ts: here, that it takes
// what ckpool really writes, or the tally would be right but slow.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unpackRecording } from '../../lab/recordings.js';
import { emptyScan, scanOrigin, scanShare } from './share-scan.js';
import { createShareTally } from './share-tally.js';

test('no line of a real share log is unusual', async () => {
  const recording = await unpackRecording('busy');
  const found = emptyScan();
  let [lines, unusual] = [0, 0];
  try {
    const entries = await readdir(recording.log_directory, { withFileTypes: true, recursive: true });
    for (const entry of entries.filter(({ name }) => name.endsWith('.sharelog'))) {
      const bytes = await readFile(join(entry.parentPath, entry.name));
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let start = 0; start < bytes.length; lines++) {
        const origin_at = scanShare(view, bytes.length, start, found);
        const next = origin_at < 0 ? -1 : scanOrigin(view, bytes.length, origin_at, found);
        if (next < 0) unusual += 1;
        start = next < 0 ? bytes.indexOf('\n', start) + 1 : next;
      }
    }
  } finally {
    await recording.remove();
  }
  expect(lines).toBeGreaterThan(2000);
  expect(unusual).toBe(0);
});

const usual = '{"workinfoid": 7710181301000601601, "clientid": 1, "enonce1": "0c11006b", "nonce2": "dc8d", "nonce": "2abb66f0", '
  + '"ntime": "6b00110e", "diff": 8.0, "sdiff": 1138.5, "hash": "12184723", "result": true, "errn": 0, '
  + '"createdate": "1795166478,9", "createby": "code", "createcode": "parse_submit", "createinet": "127.0.0.1:3390", '
  + '"workername": "anna.rig", "username": "anna", "address": "127.0.0.1", "agent": "miner/1.0"}\n';

test.each([
  ['é', true], ['\u{1f600}', true], ['\ufffd', true],
  ['\xff', false], ['a\xc3', false], ['abc\xc3', false], ['abcd\xed\xa0\xbd', false],
])('a line with %j in it is a share if its bytes are UTF-8, and so is the line behind it', (text, good) => {
  for (const place of ['anna', 'miner', '12184723']) {
    const bytes = Buffer.from(usual.replaceAll(place, text) + usual, good ? 'utf8' : 'latin1');
    const { accepted, faults } = createShareTally().take(bytes, { height: 7, workinfoid: '6b00110b00000001' }, 0);
    expect({ accepted, faults }).toEqual(good ? { accepted: 2, faults: [] } : { accepted: 1, faults: [{ offset: 0, fault: 'not UTF-8' }] });
  }
});
