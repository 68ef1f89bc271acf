import { expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { retentionLimit } from '../core/share-retention.js';
import { addBlock, addSnapshot, markRead, setComplete, workinfoid } from '../prune.fixture.js';
import { loadReadMarks, loadRetentionFacts } from './retention-reader.js';

const settings = { maturity: 100, share_logs_count: true };

forEachDatabase('who still needs which share log', (open) => {
  it('is nothing to go by in an empty database', async () => {
    expect(await loadRetentionFacts(await open(), settings))
      .toEqual({ ...settings, blocks: [], credited_to: null, complete_height: null });
  });

  it('is read of blocks, rounds, cuts and lines that wait for the node', async () => {
    const database = await open();
    await addBlock(database, { height: 300, round: 'credited' });
    await addBlock(database, { height: 310, round: 'orphaned', cut_seconds: null });
    await addBlock(database, { height: 320, round: null, place: null, header_seconds: 5_000 });
    await addBlock(database, { height: 330, round: 'lost', snapshot: false, place: null });
    await addSnapshot(database, 400, 'pending');
    await addSnapshot(database, 1, 'unverified');
    await setComplete(database, 450);
    const facts = await loadRetentionFacts(database, settings);
    const block = { round: null, has_snapshot: true, place: null, cut_seconds: null };
    expect(facts).toEqual({
      ...settings, credited_to: 300n, complete_height: 450, blocks: expect.arrayContaining([
        { height: 300, round: 'credited', has_snapshot: true, place: 300n, cut_seconds: 180_000, header_seconds: 180_000 },
        { height: 310, round: 'orphaned', has_snapshot: true, place: 310n, cut_seconds: null, header_seconds: 186_000 },
        { ...block, height: 320, header_seconds: 5_000 },
        { ...block, height: 330, round: 'lost', has_snapshot: false, header_seconds: 198_000 },
        { ...block, height: 400, header_seconds: null },
      ]),
    });
    expect(facts.blocks).toHaveLength(5);
    expect(retentionLimit(facts)).toEqual({ below_height: 300, before_seconds: -2_200 });
  });

  it('says how far each share log of a height was read', async () => {
    const database = await open();
    await markRead(database, 299, 1, 12_345, 999);
    await markRead(database, 299, 2, 0, null);
    await markRead(database, 298, 3, 1);
    expect(await loadReadMarks(database, 299)).toEqual(new Map([
      [workinfoid(1), { offset: 12_345, last_seconds: 999 }],
      [workinfoid(2), { offset: 0, last_seconds: null }],
    ]));
  });
});
