-- Money: what payments writes. Which block was settled how, who is owed what, which transaction paid it.

CREATE TABLE payments_lease (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL,
  holder TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT;

INSERT INTO payments_lease (id, epoch, holder, expires_at_ms) VALUES (1, 0, '', 0);

-- genesis_hash, pool_script: written at first start, compared at every other.
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  set_at TEXT NOT NULL
) STRICT;

-- One row for each block once it is decided. credited: reward split, or carried if the round is empty;
-- orphaned: not in the active chain when due; lost: left the active chain after it was credited.
-- The round holds all snapshots with log_position in (cut_from, cut_to]; equal when it is empty.
CREATE TABLE rounds (
  id INTEGER PRIMARY KEY,
  block_hash TEXT NOT NULL UNIQUE CHECK (length(block_hash) = 64),
  height INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('credited', 'orphaned', 'lost')),
  scheme TEXT NOT NULL,
  coinbase_txid TEXT NOT NULL CHECK (length(coinbase_txid) = 64),
  reward_sats INTEGER NOT NULL CHECK (reward_sats >= 0),
  round_shares INTEGER NOT NULL CHECK (round_shares >= 0),
  pool_fee_ppm INTEGER NOT NULL CHECK (pool_fee_ppm BETWEEN 0 AND 1000000),
  pool_fee_sats INTEGER NOT NULL CHECK (pool_fee_sats >= 0),
  carried_in_sats INTEGER NOT NULL CHECK (carried_in_sats >= 0),
  credited_sats INTEGER NOT NULL CHECK (credited_sats >= 0),
  carried_out_sats INTEGER NOT NULL CHECK (carried_out_sats >= 0),
  cut_from INTEGER NOT NULL,
  cut_to INTEGER NOT NULL CHECK (cut_to >= cut_from),
  tip_height INTEGER NOT NULL,
  tip_hash TEXT NOT NULL CHECK (length(tip_hash) = 64),
  settled_at TEXT NOT NULL,
  CHECK (state = 'orphaned' OR reward_sats + carried_in_sats = credited_sats + pool_fee_sats + carried_out_sats)
) STRICT;
CREATE INDEX rounds_by_height ON rounds (height);

-- Append-only double entry. One event for each decision, unique by its cause; its entries sum to zero.
CREATE TABLE ledger_events (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('settle', 'reserve', 'release', 'pay', 'reverse')),
  cause TEXT NOT NULL UNIQUE,
  round_id INTEGER REFERENCES rounds (id),
  batch_id INTEGER REFERENCES payout_batches (id),
  detail TEXT NOT NULL,
  occurred_at TEXT NOT NULL
) STRICT;

-- coinbase: what blocks paid to our script (negative). miner: owed to a user. reserved: promised to a batch.
-- paid, network_fee: what became of it. pool_fee, carry: the pool's part, and what waits for a round with work.
-- orphan_loss: paid out of a block that later left the chain.
CREATE TABLE ledger_entries (
  id INTEGER PRIMARY KEY,
  event_id INTEGER NOT NULL REFERENCES ledger_events (id),
  account TEXT NOT NULL CHECK (account IN ('coinbase', 'miner', 'reserved', 'paid', 'network_fee',
    'pool_fee', 'carry', 'orphan_loss')),
  user_id INTEGER REFERENCES users (id),
  amount_sats INTEGER NOT NULL CHECK (amount_sats <> 0)
) STRICT;
CREATE UNIQUE INDEX ledger_entries_once ON ledger_entries (event_id, account, coalesce(user_id, 0));
CREATE INDEX ledger_entries_by_user ON ledger_entries (user_id, account);

CREATE TRIGGER ledger_events_keep BEFORE UPDATE ON ledger_events BEGIN SELECT RAISE(ABORT, 'ledger_events is append-only'); END;
CREATE TRIGGER ledger_events_stay BEFORE DELETE ON ledger_events BEGIN SELECT RAISE(ABORT, 'ledger_events is append-only'); END;
CREATE TRIGGER ledger_entries_keep BEFORE UPDATE ON ledger_entries BEGIN SELECT RAISE(ABORT, 'ledger_entries is append-only'); END;
CREATE TRIGGER ledger_entries_stay BEFORE DELETE ON ledger_entries BEGIN SELECT RAISE(ABORT, 'ledger_entries is append-only'); END;

-- What the node said of a user's name as an address.
CREATE TABLE payout_addresses (
  user_id INTEGER PRIMARY KEY REFERENCES users (id),
  address TEXT,
  script TEXT,
  state TEXT NOT NULL CHECK (state IN ('payable', 'quarantined')),
  reason TEXT NOT NULL,
  checked_at TEXT NOT NULL,
  CHECK (state = 'quarantined' OR (address IS NOT NULL AND script IS NOT NULL))
) STRICT;

-- planned -> prepared -> broadcast -> confirmed -> final; held aside (only a person leaves it);
-- released: given up before anything was signed, or after a foreign spend of its input was buried deep.
CREATE TABLE payout_batches (
  id INTEGER PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('planned', 'prepared', 'broadcast', 'confirmed', 'final', 'held', 'released')),
  network_fee_from TEXT NOT NULL CHECK (network_fee_from IN ('miners', 'pool')),
  planned_sats INTEGER NOT NULL CHECK (planned_sats > 0),
  held_from TEXT,
  held_reason TEXT,
  planned_at TEXT NOT NULL,
  state_at TEXT NOT NULL,
  CHECK ((state = 'held') = (held_from IS NOT NULL AND held_reason IS NOT NULL))
) STRICT;
CREATE INDEX payout_batches_by_state ON payout_batches (state);

-- One user's amount in one batch. planned_sats = output_sats + network_fee_sats, fixed when prepared.
CREATE TABLE payouts (
  id INTEGER PRIMARY KEY,
  batch_id INTEGER NOT NULL REFERENCES payout_batches (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  address TEXT NOT NULL,
  script TEXT NOT NULL,
  planned_sats INTEGER NOT NULL CHECK (planned_sats > 0),
  network_fee_sats INTEGER CHECK (network_fee_sats BETWEEN 0 AND planned_sats),
  state TEXT NOT NULL CHECK (state IN ('active', 'released')),
  UNIQUE (batch_id, user_id)
) STRICT;
CREATE INDEX payouts_by_user ON payouts (user_id);

-- The signed transaction of a batch, committed before it is first sent. raw_hex never changes.
CREATE TABLE payout_transactions (
  id INTEGER PRIMARY KEY,
  batch_id INTEGER NOT NULL UNIQUE REFERENCES payout_batches (id),
  txid TEXT NOT NULL UNIQUE CHECK (length(txid) = 64),
  raw_hex TEXT NOT NULL,
  network_fee_sats INTEGER NOT NULL CHECK (network_fee_sats >= 0),
  change_index INTEGER,
  change_sats INTEGER CHECK (change_sats > 0),
  confirmed_height INTEGER,
  confirmed_hash TEXT CHECK (length(confirmed_hash) = 64),
  prepared_at TEXT NOT NULL,
  CHECK ((change_index IS NULL) = (change_sats IS NULL)),
  CHECK ((confirmed_height IS NULL) = (confirmed_hash IS NULL))
) STRICT;

-- The coins it spends. A coin belongs to one live transaction of ours at most: live is 1, or NULL once its
-- batch is released because the transaction is proved dead; its other coins may then be spent again.
CREATE TABLE payout_inputs (
  transaction_id INTEGER NOT NULL REFERENCES payout_transactions (id),
  txid TEXT NOT NULL CHECK (length(txid) = 64),
  output_index INTEGER NOT NULL,
  amount_sats INTEGER NOT NULL CHECK (amount_sats > 0),
  live INTEGER CHECK (live = 1),
  PRIMARY KEY (transaction_id, txid, output_index),
  UNIQUE (txid, output_index, live)
) STRICT, WITHOUT ROWID;

-- Where payments waits for a person. `subject` names what it is about (block hash, batch id, txid).
CREATE TABLE payment_incidents (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
  stops_paying INTEGER NOT NULL CHECK (stops_paying IN (0, 1)),
  detail TEXT NOT NULL,
  raised_at TEXT NOT NULL,
  resolution TEXT,
  resolved_at TEXT,
  UNIQUE (kind, subject),
  CHECK ((state = 'resolved') = (resolution IS NOT NULL AND resolved_at IS NOT NULL))
) STRICT;

CREATE TABLE payment_outcomes (
  request_id INTEGER PRIMARY KEY REFERENCES operator_requests (id),
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused')),
  detail TEXT NOT NULL,
  acted_at TEXT NOT NULL
) STRICT;
