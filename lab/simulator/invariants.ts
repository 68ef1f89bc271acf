// What must hold after every commit of either daemon, from the rows and the chain alone; plain SQL over the raw
// database, none of the stores' code. A sentence for each violation. What was seen before is kept, so that what
// may only grow is seen to shrink.
import type Sqlite from 'better-sqlite3';

export interface CommitChecks {
  /** Violations since the last look. */
  look(): string[];
  /** A block was decided and then decided otherwise: its work is not cut again, so the record alone does not tell who has it. */
  readonly decided_otherwise: boolean;
  /** A copy was restored: what was seen after it was made is not expected any more. */
  forget(): void;
}

/** What an append-only table may never lose. */
const only_grow = [
  'ledger_events', 'ledger_entries', 'snapshots', 'snapshot_shares', 'blocks', 'rounds', 'payout_batches', 'payouts',
  'payout_transactions', 'payment_incidents', 'incidents', 'operator_requests', 'cuts', 'solving_shares',
] as const;

/** Every move of a batch that payments may make; a person's word leads out of `held`. */
const batch_moves: Readonly<Record<string, readonly string[]>> = {
  planned: ['prepared', 'released'],
  prepared: ['broadcast', 'held'],
  broadcast: ['confirmed', 'held'],
  confirmed: ['broadcast', 'final'],
  final: ['broadcast'],
  held: ['prepared', 'broadcast', 'released'],
  released: [],
};

/** And of a block that was decided. */
const round_moves: Readonly<Record<string, readonly string[]>> = {
  credited: ['lost'], orphaned: ['credited'], lost: ['credited'],
};

type Row = Record<string, unknown>;

export function createCommitChecks(raw: () => Sqlite.Database): CommitChecks {
  let seen = fresh();
  let decided_otherwise = false;

  let prepared = new Map<string, Sqlite.Statement>();

  function statement(sql: string): Sqlite.Statement {
    let known = prepared.get(sql);
    if (!known) prepared.set(sql, known = raw().prepare(sql));
    return known;
  }

  const all = (sql: string, ...values: unknown[]): Row[] => statement(sql).all(...values) as Row[];
  const one = (sql: string): Row => statement(sql).get() as Row;

  function growth(): string[] {
    const counts = one(`SELECT ${only_grow.map((table) => `(SELECT count(*) FROM ${table}) AS ${table}`).join(', ')}`);
    return only_grow.flatMap((table) => {
      const now = counts[table] as bigint;
      const before = seen.counts.get(table) ?? 0n;
      seen.counts.set(table, now);
      return now < before ? [`${table} lost rows: ${before} before, ${now} now`] : [];
    });
  }

  function ledger(): string[] {
    const unbalanced = all(
      'SELECT event_id, sum(amount_sats) AS total FROM ledger_entries WHERE event_id > ? GROUP BY event_id HAVING total <> 0',
      seen.event,
    );
    seen.event = (one('SELECT coalesce(max(id), 0) AS id FROM ledger_events')['id'] as bigint);
    return unbalanced.map((row) => `event ${String(row['event_id'])} sums to ${String(row['total'])}`);
  }

  function moves(table: string, allowed: Readonly<Record<string, readonly string[]>>, states: Map<bigint, string>): string[] {
    return all(`SELECT id, state FROM ${table}`).flatMap((row) => {
      const id = row['id'] as bigint;
      const state = row['state'] as string;
      const before = states.get(id);
      states.set(id, state);
      if (before === undefined || before === state) return [];
      decided_otherwise ||= table === 'rounds';
      if (allowed[before]?.includes(state)) return [];
      return [`${table} ${id} went from ${before} to ${state}`];
    });
  }

  function unaccepted(): string[] {
    const { n } = one("SELECT count(*) AS n FROM payout_batches WHERE state IN ('planned', 'prepared')");
    return (n as bigint) > 1n ? [`${String(n)} batches are not accepted by the node at once`] : [];
  }

  function promises(): string[] {
    const { booked, promised } = one(`SELECT
      (SELECT coalesce(sum(amount_sats), 0) FROM ledger_entries WHERE account = 'reserved') AS booked,
      (SELECT coalesce(sum(p.planned_sats), 0) FROM payouts AS p JOIN payout_batches AS b ON b.id = p.batch_id
        WHERE p.state = 'active' AND b.state NOT IN ('final', 'released')) AS promised`);
    return booked === promised ? [] : [`${String(booked)} satoshis are booked as reserved, ${String(promised)} are promised`];
  }

  function keptSums(): string[] {
    const { event_id, decided_block_id } = one('SELECT event_id, decided_block_id FROM ledger_sums');
    if (event_id === seen.summed && decided_block_id === seen.decided) return [];
    seen.summed = event_id as bigint;
    seen.decided = decided_block_id as bigint;
    const wrong = all(`SELECT e.user_id AS id FROM (
        SELECT user_id, sum(amount_sats) AS earned, sum(iif(account = 'miner', amount_sats, 0)) AS balance,
          sum(iif(account = 'reserved', amount_sats, 0)) AS reserved, sum(iif(account = 'paid', amount_sats, 0)) AS paid
        FROM ledger_entries WHERE user_id IS NOT NULL AND event_id <= ? GROUP BY user_id) AS e
      LEFT JOIN user_sums AS k ON k.user_id = e.user_id AND k.earned_sats = e.earned AND k.balance_sats = e.balance
        AND k.reserved_sats = e.reserved AND k.paid_sats = e.paid WHERE k.user_id IS NULL`, event_id);
    const open = all(`SELECT b.id AS id FROM blocks AS b LEFT JOIN rounds AS r ON r.block_hash = b.hash
      WHERE b.id <= ? AND r.id IS NULL`, decided_block_id);
    return [
      ...wrong.map((row) => `what is kept of user ${String(row['id'])} is not the sum of the entries`),
      ...open.map((row) => `block ${String(row['id'])} counts as decided and is not`),
    ];
  }

  function users(): string[] {
    return all('SELECT id, ledger_count AS n FROM users').flatMap((row) => {
      const before = seen.work.get(row['id'] as bigint) ?? 0n;
      const now = row['n'] as bigint;
      seen.work.set(row['id'] as bigint, now);
      return now < before ? [`the share count of user ${String(row['id'])} fell from ${before} to ${now}`] : [];
    });
  }

  function snapshots(): string[] {
    const wrong = all(`SELECT s.id AS id FROM snapshots AS s JOIN cuts AS c ON c.snapshot_id = s.id
      LEFT JOIN snapshot_shares AS r ON r.snapshot_id = s.id WHERE s.id > ? GROUP BY s.id
      HAVING s.changed_users <> count(r.user_id) OR s.total_difference <> coalesce(sum(r.difference), 0)`, seen.snapshot);
    return wrong.map((row) => `snapshot ${String(row['id'])} does not hold the rows that its head counts`);
  }

  function reading(): string[] {
    const { at } = one('SELECT coalesce(max(log_start + file_offset), 0) AS at FROM log_cursors');
    const before = seen.position;
    seen.position = at as bigint;
    return seen.position < before ? [`the log position went back from ${before} to ${seen.position}`] : [];
  }

  return {
    look: () => [
      ...growth(), ...ledger(), ...unaccepted(), ...promises(), ...keptSums(), ...users(), ...snapshots(), ...reading(),
      ...moves('payout_batches', batch_moves, seen.batches), ...moves('rounds', round_moves, seen.rounds),
    ],
    get decided_otherwise() { return decided_otherwise; },
    forget: () => {
      seen = fresh();
      prepared = new Map();
    },
  };
}

const fresh = () => ({
  counts: new Map<string, bigint>(), event: 0n, snapshot: 0n, position: 0n, summed: -1n, decided: -1n,
  batches: new Map<bigint, string>(), rounds: new Map<bigint, string>(), work: new Map<bigint, bigint>(),
});
