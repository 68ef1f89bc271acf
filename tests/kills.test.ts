// A small pool's course on a real MariaDB and a real node, broken at a sample of its requests; `npm run test:kills` breaks
// it at every one. The sample is drawn by a seed, so that it is the same every time, and printed. After each run
// lab/kills/verdict.ts looks at the chain, the ledger and the facts, and asks `obtc-payments audit`.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPlace } from '../lab/kills/place.js';
import { allPoints, fault_names, nameOf, samplePoints, type FaultPoint } from '../lab/kills/points.js';
import { runAll } from '../lab/kills/run-all.js';
import type { Outcome } from '../lab/kills/run-points.js';
import { playStage, playToTheEnd } from '../lab/kills/story.js';
import { makeTemplates, type Templates } from '../lab/kills/templates.js';
import { judge } from '../lab/kills/verdict.js';
import { buildPrograms } from './programs.js';

const runs_of_each_fault = 3;
const seed = 'kills';
const limit_ms = 600_000;

let templates: Templates;
let points: readonly FaultPoint[];
let outcomes: readonly Outcome[];

beforeAll(async () => {
  buildPrograms();
  templates = await makeTemplates();
  points = allPoints(templates.requests);
  // A database that says nothing is given up after a minute: that is for the whole command.
  const quick = points.filter(({ server, fault }) => server === 'rpc' || fault !== 'held');
  const sample = fault_names.flatMap((fault) => samplePoints(quick.filter((point) => point.fault === fault), runs_of_each_fault, `${seed}/${fault}`));
  process.stderr.write(`kills: ${sample.map(nameOf).join(', ')}\n`);
  process.setMaxListeners(0);
  outcomes = await runAll(templates, sample, { workers: 4, stop: new AbortController().signal, onOutcome: () => undefined });
}, limit_ms);

afterAll(() => templates?.remove());

describe('the course that is broken', () => {
  it('goes from the first share to the last final payout, over every kind of write that the daemons make', () => {
    const requests = Object.values(templates.requests).flatMap(({ mysql, rpc }) => [...mysql, ...rpc]);
    process.stderr.write(`kills: ${requests.length} requests, ${points.length} fault points\n`);
    expect(requests.length).toBeGreaterThan(700);
    expect(points.length).toBe(requests.length * fault_names.length);
    expect(requests).toEqual(expect.arrayContaining([
      'INSERT-blocks', 'INSERT-snapshots', 'INSERT-snapshot_shares', 'INSERT-cuts', 'UPDATE-chain_scan',
      'INSERT-rounds', 'INSERT-ledger_entries', 'INSERT-payouts', 'INSERT-payout_transactions', 'COMMIT-after-UPDATE-payout_batches',
      'signrawtransactionwithwallet', 'sendrawtransaction',
    ]));
    expect(requests.filter((name) => name === 'sendrawtransaction')).toHaveLength(2);
  });
});

describe('the verdict', () => {
  it('holds for nobody who was paid beside the ledger, nor for facts that are missing', async () => {
    const place = await openPlace(templates.past, templates.before[3]);
    try {
      const course = { bad_ends: [] };
      await playStage(place, course, 3);
      await playToTheEnd(place, course);
      expect(await judge(place, templates.facts)).toEqual([]);
      const { miners, stranger_address } = templates.past;
      const txid = await place.node.rpc('sendtoaddress', miners[0]!.address, 1);
      await place.node.mine(1, stranger_address);
      const violations = await judge(place, [...templates.facts.slice(1), 'blocks {}']);
      expect(violations).toEqual(expect.arrayContaining([
        'a fact is missing: blocks {}', `a fact is there that should not be: ${templates.facts[0]}`,
        `transaction ${String(txid)} belongs to no batch`, expect.stringMatching(/^alice has \d+ on the chain, the ledger says \d+$/),
        expect.stringMatching(/^audit: /),
      ]));
    } finally {
      await place.close();
    }
  });
});

describe('at each request of the sample', () => {
  it.each(fault_names)('%s: each miner has what he was credited, by one transaction for each batch, and every block is accounted for', (fault) => {
    const runs = outcomes.filter(({ name }) => name.endsWith(`/${fault}`));
    expect(runs).toHaveLength(runs_of_each_fault);
    expect(runs.filter(({ violations }) => violations.length > 0)).toEqual([]);
    expect(runs.filter(({ met }) => met).length).toBeGreaterThan(0);
  });
});
