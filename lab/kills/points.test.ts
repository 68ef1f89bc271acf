// Which fault points there are and which of them a sample takes: the same for the same seed, or a failure could not be
// repeated.
import { describe, expect, it } from 'vitest';
import { labelsOf } from './labels.js';
import { allPoints, fault_names, nameOf, samplePoints } from './points.js';

const requests = {
  1: { mysql: ['LOGIN', 'COMMIT', ...Array<string>(20).fill('SELECT-blocks')], rpc: ['getblock'] },
  2: { mysql: ['COMMIT'], rpc: ['sendrawtransaction'] },
  3: { mysql: [], rpc: ['gettransaction'] },
};
const points = allPoints(requests);

describe('the label of a request', () => {
  it('tells a COMMIT by what it commits, and leaves out what the transaction before it wrote', () => {
    const seen = ['START', 'UPDATE payments_lease', 'COMMIT', 'START', 'UPDATE payments_lease', 'INSERT payouts', 'SELECT users', 'COMMIT', 'START', 'COMMIT'];
    expect(labelsOf(seen.map((name) => ({ name })))).toEqual([
      'START', 'UPDATE-payments_lease', 'COMMIT-after-UPDATE-payments_lease',
      'START', 'UPDATE-payments_lease', 'INSERT-payouts', 'SELECT-users', 'COMMIT-after-INSERT-payouts', 'START', 'COMMIT',
    ]);
  });
});

describe('the fault points', () => {
  it('are every request of every stage with every fault, each with a name of its own', () => {
    expect(points).toHaveLength(26 * fault_names.length);
    expect(new Set(points.map(nameOf)).size).toBe(points.length);
    expect(points.map(nameOf)).toContain('1/mysql/SELECT-blocks.20/cut-after');
  });

  it('are sampled alike for one seed, and otherwise for another', () => {
    const names = (seed: string) => samplePoints(points, 12, seed).map(nameOf);
    expect(names('a')).toEqual(names('a'));
    expect(names('a')).not.toEqual(names('b'));
  });

  it('are sampled over every kind of request and every fault before anything comes twice', () => {
    const kinds = 6;
    const sample = samplePoints(points, kinds, 'kills');
    expect(new Set(sample.map(({ stage, request }) => `${stage} ${request}`)).size).toBe(kinds);
    expect(new Set(sample.map(({ fault }) => fault)).size).toBe(kinds);
  });

  it('are all taken when the sample may be larger than they are many', () => {
    expect(samplePoints(points, 10_000, 'kills')).toHaveLength(points.length);
  });
});
