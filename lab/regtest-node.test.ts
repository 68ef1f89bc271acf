import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { findNodeBinary, startRegtestNode } from './regtest-node.js';

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

it('stopping a regtest node leaves no process and no directory, also after a kill', async () => {
  const regtest = await startRegtestNode();
  const { pid, directory } = regtest;
  expect(isAlive(pid!)).toBe(true);
  expect(existsSync(directory)).toBe(true);
  await regtest.kill();
  expect(isAlive(pid!)).toBe(false);
  await regtest.restart();
  expect(regtest.pid).not.toBe(pid);
  await regtest.stop();
  await regtest.stop();
  expect(existsSync(directory)).toBe(false);
});

it('a node in order shut down keeps its blocks', async () => {
  const regtest = await startRegtestNode();
  const hashes = await regtest.mine(3);
  await regtest.restart();
  expect((await regtest.node.chainInfo()).tip_hash).toBe(hashes[2]);
  await expect(regtest.reorg(1, 1)).rejects.toThrow(RangeError);
  await regtest.stop();
});

it('two nodes run side by side', async () => {
  const nodes = await Promise.all([startRegtestNode(), startRegtestNode()]);
  expect(nodes[0].url).not.toBe(nodes[1].url);
  await Promise.all(nodes.map((regtest) => regtest.stop()));
});

it('a node that cannot start says why, within bounded time', async () => {
  await expect(startRegtestNode({ arguments: ['-wrongoption=1'] })).rejects.toThrow(/ended at its start.*wrongoption/s);
  await expect(startRegtestNode({ binary: '/nowhere/bitcoind', timeout_ms: 2000 })).rejects.toThrow(/ended at its start/);
});

it('without a node on PATH one sentence says what to install', () => {
  const path = process.env.PATH;
  process.env.PATH = '/nowhere';
  try {
    expect(findNodeBinary).toThrow(/install obtc-core, or Debian's package litecoind/);
  } finally {
    process.env.PATH = path;
  }
});
