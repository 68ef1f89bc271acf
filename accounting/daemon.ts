// Accounting: facts from the log and the chain, one move a step. The log always comes first: a block line is
// recorded with the node down, with payments stopped, in a burst. Share logs, where they are, take turns with it
// and are then compared with ckpool's counters. Then an operator's requests, then the chain. A failure of the
// node never keeps the log from being read: it is waited out on the side.
//
// The lease is renewed before anything else; every commit begins with its fence, so that a second or a
// stale process writes nothing.
import { createBackoff } from '../shared/backoff.js';
import type { Daemon } from '../shared/daemon.js';
import type { DaemonLease } from '../shared/database/lease.js';
import { OutsideFailure } from '../shared/errors.js';
import type { AccountingContext, Outcome } from './context.js';
import { createCountComparer } from './compare-counts.js';
import { createRoundCutter } from './cut-rounds.js';
import { createSolverFinder } from './find-solvers.js';
import { createChainFollower } from './follow-chain.js';
import { createLogReader } from './read-log.js';
import { createShareReader } from './read-shares.js';
import { answerRequests } from './requests.js';
import { createShareSource } from './share-source.js';

const idle_ms = 500;
/** Nothing rings when a share is written: with share logs it is looked oftener. */
const shares_idle_ms = 200;
const requests_period_ms = 2_000;
/** The lease lasts 10 s; every commit renews it, so that only a still log needs this. */
const renew_period_ms = 3_000;

export interface AccountingDaemon extends Daemon {
  /** Sentences: what is waited for and why. */
  waitsFor(): readonly string[];
}

export function createAccountingDaemon(
  context: AccountingContext & { readonly lease: DaemonLease }, wake?: () => Promise<void>,
): AccountingDaemon {
  const reader = createLogReader(context);
  const shares = createShareReader(context);
  const source = createShareSource(context, reader, shares);
  const comparer = createCountComparer(context, reader, shares);
  const chain = createChainFollower(context, reader, {
    reader: shares,
    solvers: createSolverFinder(context, shares),
    cutter: createRoundCutter(context, reader, shares, comparer),
  });
  const node_backoff = createBackoff();
  const { clock, log, options } = context;
  let node_due_ms = 0;
  let node_trouble: string | null = null;
  let requests_due_ms = 0;
  let renewed_ms: number | null = null;
  /** A transaction of ours failed, and how it ended may not be known. */
  let undecided = false;
  let said = '';
  let shares_first = true;

  async function step(): Promise<Outcome> {
    try {
      return await nextMove();
    } catch (failure) {
      undecided = failure instanceof OutsideFailure && failure.where === 'database';
      throw failure;
    }
  }

  async function nextMove(): Promise<Outcome> {
    await renewLease();
    if ((await source.move()) === 'progress') return 'progress';
    // A long log and long share logs take turns.
    shares_first = !shares_first;
    for (const part of shares_first ? [shares, { move: readLog }] : [{ move: readLog }, shares]) {
      if ((await part.move()) === 'progress') return 'progress';
    }
    if ((await comparer.move()) === 'progress') return 'progress';
    if (clock.monotonic_ms() >= requests_due_ms) {
      if ((await answerRequests(context, reader, shares)) === 'progress') return 'progress';
      requests_due_ms = clock.monotonic_ms() + requests_period_ms;
    }
    const outcome = await chainMove();
    if (outcome === 'idle') saySoOnce();
    return outcome;
  }

  async function readLog(): Promise<Outcome> {
    try {
      const outcome = await reader.move();
      const { told } = await reader.state();
      if (told.disputed) shares.forget();
      told.disputed = false;
      return outcome;
    } catch (failure) {
      shares.forget(); // What was disputed may have been written.
      throw failure;
    }
  }

  async function renewLease(): Promise<void> {
    const now_ms = clock.monotonic_ms();
    if (!undecided && renewed_ms !== null && now_ms - renewed_ms < renew_period_ms) return;
    // A COMMIT that was cut off may still arrive. Until then it holds the row of the lease, so once that is
    // renewed it has taken effect or never will, and what is read from then on holds.
    await context.lease.renew();
    renewed_ms = now_ms;
    undecided = false;
  }

  async function chainMove(): Promise<Outcome> {
    if (options.once) return chain.move();
    if (clock.monotonic_ms() < node_due_ms) return 'idle';
    try {
      const outcome = await chain.move();
      node_backoff.reset();
      if (node_trouble !== null) log.info('the node answers again');
      node_trouble = null;
      return outcome;
    } catch (failure) {
      if (!(failure instanceof OutsideFailure) || failure.where !== 'node') throw failure;
      node_due_ms = clock.monotonic_ms() + node_backoff.next_ms();
      if (node_trouble !== failure.message) log.warn(failure.message, { code: failure.code });
      node_trouble = failure.message;
      return 'idle';
    }
  }

  function waitsFor(): readonly string[] {
    // The chain may wait for the same thing as the log: it is said once.
    return [...new Set([reader.waits_for, node_trouble, chain.waits_for])].filter(
      (sentence) => sentence !== null,
    );
  }

  function saySoOnce(): void {
    const now = reader.waits_for ?? '';
    if (now !== said && now !== '') log.info(now);
    said = now;
  }

  return {
    get idle_ms() { return shares.is_active ? shares_idle_ms : idle_ms; },
    step, waitsFor, ...(wake ? { wake } : {}),
  };
}
