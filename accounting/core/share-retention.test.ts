import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptBecause, retentionLimit, type RetainedBlock, type RetentionFacts, type RetentionSettings } from './share-retention.js';

const settled = (height: number, change: Partial<RetainedBlock> = {}): RetainedBlock => ({
  height, round: 'credited', has_snapshot: true, place: BigInt(height), cut_seconds: height * 600,
  header_seconds: height * 600, ...change,
});
const undecided = (height: number, change: Partial<RetainedBlock> = {}): RetainedBlock =>
  settled(height, { round: null, place: null, cut_seconds: null, ...change });
const unpaid = (height: number): RetainedBlock => settled(height, { round: null });
const orphan = (height: number, change: Partial<RetainedBlock> = {}): RetainedBlock =>
  settled(height, { round: 'orphaned', ...change });

const facts = (blocks: RetainedBlock[], change: Partial<RetentionFacts> = {}): RetentionFacts => ({
  blocks, maturity: 100, complete_height: 10_000, share_logs_count: true,
  credited_to: blocks.reduce<bigint | null>((top, { round, place }) =>
    ((round === 'credited' || round === 'lost') && place !== null && (top === null || place > top) ? place : top), null),
  ...change,
});

describe('share logs are done with', () => {
  it.each<[string, RetentionFacts, number | null]>([
    ['nothing without a block', facts([]), null],
    ['nothing while no block is settled', facts([unpaid(300), unpaid(400)]), null],
    ['below the last settled block, not in its own directory', facts([settled(300), settled(400)]), 400],
    ['only below a settled block, not up to the open one: that work is the open round\'s', facts([settled(300), unpaid(400)]), 300],
    ['below a settled block that stands below every open one', facts([settled(300), unpaid(400), settled(500)]), 300],
    ['an open block below all settled ones holds everything', facts([unpaid(200), settled(300)]), null],
    ['two blocks at one height, one of them open', facts([settled(300), settled(400), unpaid(400)]), 400],
    ['an orphan settles no work: it is in the next round', facts([settled(300), orphan(400)]), 300],
    ['an orphan holds nothing back once it is decided', facts([settled(300), orphan(400), settled(500)]), 500],
    ['a lost block was credited: its work is not cut again', facts([settled(300, { round: 'lost' })]), 300],
    ['an orphan whose counts are not decided is open', facts([settled(300), orphan(400, { place: null }), settled(500)]), 300],
    ['an empty round without a cut settles no work', facts([settled(300), settled(400, { has_snapshot: false, place: null })]), 300],
    ['an empty round beyond the last credited work settles none', facts([settled(300), settled(400)], { credited_to: 300n }), 300],
    ['a line that no node was asked about is open', facts([settled(300), undecided(200, { header_seconds: null })]), null],
    ['less than maturity below the tip nothing is', facts([settled(300)], { complete_height: 350 }), 251],
    ['an orphan settled at the tip holds nothing back, maturity does', facts([settled(300), orphan(340)], { complete_height: 399 }), 300],
    ['a chain shorter than maturity holds everything', facts([settled(30)], { complete_height: 80 }), null],
    ['nothing before log and chain are known', facts([settled(300)], { complete_height: null }), null],
  ])('%s', (_, known, below_height) => {
    expect(retentionLimit(known)?.below_height ?? null).toBe(below_height);
  });

  it.each<[string, RetentionFacts, number | null]>([
    ['the cut of the settled block', facts([settled(300)]), 180_000],
    ['also while a later block is open', facts([settled(300), unpaid(400)]), 180_000],
    ['an undecided block, by its header less two hours', facts([settled(300), undecided(310)]), 178_800],
    ['a block that has no snapshot yet, likewise', facts([settled(300), undecided(310, { has_snapshot: false })]), 178_800],
    ['a cut without a moment vouches for no share that was read', facts([settled(300, { cut_seconds: null })]), 0],
    ['where counters count, any time will do', facts([settled(300, { cut_seconds: null })], { share_logs_count: false }), null],
    ['where counters count, an undecided block still needs what was read', facts([settled(300), undecided(310)], { share_logs_count: false }), 178_800],
  ])('before %s', (_, known, before_seconds) => {
    expect(retentionLimit(known)).toEqual({ below_height: 300, before_seconds });
  });

  it('only below every open block and below a credited one, whatever there is', () => {
    const block = fc.record({
      height: fc.integer({ min: 1, max: 60 }), round: fc.constantFrom('credited', 'orphaned', 'lost', null),
      has_snapshot: fc.boolean(), place: fc.option(fc.bigInt({ min: 1n, max: 60n })),
      cut_seconds: fc.option(fc.nat(100)), header_seconds: fc.option(fc.integer({ min: 7_200, max: 7_300 })),
    }) as fc.Arbitrary<RetainedBlock>;
    fc.assert(fc.property(fc.array(block, { maxLength: 8 }), fc.integer({ min: 0, max: 80 }), fc.integer({ min: 1, max: 20 }),
      (blocks, complete_height, maturity) => {
        const limit = retentionLimit(facts(blocks, { complete_height, maturity }));
        if (limit === null) return;
        for (const { height, round, has_snapshot, place } of blocks) {
          if (round === null || (has_snapshot && place === null)) expect(limit.below_height).toBeLessThanOrEqual(height);
        }
        expect(blocks.some(({ round, height }) => round !== null && round !== 'orphaned' && height >= limit.below_height)).toBe(true);
        expect(limit.below_height).toBeLessThanOrEqual(complete_height - maturity + 1);
      }));
  });
});

describe('a share log stays', () => {
  const now_ms = Date.UTC(2026, 10, 20);
  const days = (count: number): number => now_ms - count * 86_400_000;
  const settings: RetentionSettings = {
    limit: { below_height: 300, before_seconds: 1_000 }, keep_days: 30, now_ms, share_logs_count: true,
  };
  const old = { height: 299, changed_ms: days(31), mark: { offset: 10, last_seconds: 999 } };

  it.each([
    ['it may go', old, settings, null],
    ['its round is not settled', { ...old, height: 300 }, settings, 'not_settled'],
    ['nothing is settled', old, { ...settings, limit: null }, 'not_settled'],
    ['it is not older than the days to keep', { ...old, changed_ms: days(30) + 1 }, settings, 'recent'],
    ['it may go to the millisecond', { ...old, changed_ms: days(30) }, settings, null],
    ['it was changed in the future', { ...old, changed_ms: days(-1) }, settings, 'recent'],
    ['it was never read', { ...old, mark: null }, settings, 'not_read'],
    ['never read, but counters count', { ...old, mark: null }, { ...settings, share_logs_count: false }, null],
    ['it holds a share of the second of the cut', { ...old, mark: { offset: 10, last_seconds: 1_000 } }, settings, 'later_work'],
    ['nothing was counted from it', { ...old, mark: { offset: 10, last_seconds: null } }, settings, null],
    ['no time is asked for', { ...old, mark: { offset: 10, last_seconds: 5_000 } },
      { ...settings, limit: { below_height: 300, before_seconds: null } }, null],
  ] as const)('%s', (_, file, how, reason) => {
    expect(keptBecause(file, how)).toBe(reason);
  });
});
