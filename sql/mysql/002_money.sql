-- Money: what payments writes. Which block was settled how, who is owed what, which transaction paid it.
-- The pair of sqlite/002_money.sql; payout_batches stands before ledger_events, which refers to it.

CREATE TABLE IF NOT EXISTS payments_lease (
  id INT NOT NULL PRIMARY KEY CHECK (id = 1),
  epoch BIGINT NOT NULL,
  holder VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  expires_at_ms BIGINT NOT NULL
) ENGINE=InnoDB;

INSERT IGNORE INTO payments_lease (id, epoch, holder, expires_at_ms) VALUES (1, 0, '', 0);

-- genesis_hash, pool_script: written at first start, compared at every other.
CREATE TABLE IF NOT EXISTS settings (
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  value TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  set_at DATETIME(3) NOT NULL
) ENGINE=InnoDB;

-- One row for each block once it is decided. credited: reward split, or carried if the round is empty;
-- orphaned: not in the active chain when due; lost: left the active chain after it was credited.
-- The round holds all snapshots with log_position in (cut_from, cut_to]; equal when it is empty.
CREATE TABLE IF NOT EXISTS rounds (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  block_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(block_hash) = 64),
  height INT NOT NULL,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    CHECK (state IN ('credited', 'orphaned', 'lost')),
  scheme VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  coinbase_txid CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(coinbase_txid) = 64),
  reward_sats BIGINT NOT NULL CHECK (reward_sats >= 0),
  round_shares BIGINT NOT NULL CHECK (round_shares >= 0),
  pool_fee_ppm BIGINT NOT NULL CHECK (pool_fee_ppm BETWEEN 0 AND 1000000),
  pool_fee_sats BIGINT NOT NULL CHECK (pool_fee_sats >= 0),
  carried_in_sats BIGINT NOT NULL CHECK (carried_in_sats >= 0),
  credited_sats BIGINT NOT NULL CHECK (credited_sats >= 0),
  carried_out_sats BIGINT NOT NULL CHECK (carried_out_sats >= 0),
  cut_from BIGINT NOT NULL,
  cut_to BIGINT NOT NULL,
  tip_height INT NOT NULL,
  tip_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(tip_hash) = 64),
  settled_at DATETIME(3) NOT NULL,
  UNIQUE KEY rounds_block_hash (block_hash),
  KEY rounds_by_height (height),
  CHECK (cut_to >= cut_from),
  CHECK (state = 'orphaned' OR reward_sats + carried_in_sats = credited_sats + pool_fee_sats + carried_out_sats)
) ENGINE=InnoDB;

-- planned -> prepared -> broadcast -> confirmed -> final; held aside (only a person leaves it);
-- released: given up before anything was signed, or after a foreign spend of its input was buried deep.
CREATE TABLE IF NOT EXISTS payout_batches (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    CHECK (state IN ('planned', 'prepared', 'broadcast', 'confirmed', 'final', 'held', 'released')),
  network_fee_from VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    CHECK (network_fee_from IN ('miners', 'pool')),
  planned_sats BIGINT NOT NULL CHECK (planned_sats > 0),
  held_from VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
  held_reason TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  planned_at DATETIME(3) NOT NULL,
  state_at DATETIME(3) NOT NULL,
  KEY payout_batches_by_state (state),
  CHECK ((state = 'held') = (held_from IS NOT NULL AND held_reason IS NOT NULL))
) ENGINE=InnoDB;

-- Append-only double entry. One event for each decision, unique by its cause; its entries sum to zero.
CREATE TABLE IF NOT EXISTS ledger_events (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    CHECK (kind IN ('settle', 'reserve', 'release', 'pay', 'reverse')),
  cause VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  round_id BIGINT,
  batch_id BIGINT,
  detail TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  occurred_at DATETIME(3) NOT NULL,
  UNIQUE KEY ledger_events_cause (cause),
  FOREIGN KEY (round_id) REFERENCES rounds (id),
  FOREIGN KEY (batch_id) REFERENCES payout_batches (id)
) ENGINE=InnoDB;

-- coinbase: what blocks paid to our script (negative). miner: owed to a user. reserved: promised to a batch.
-- paid, network_fee: what became of it. pool_fee, carry: the pool's part, and what waits for a round with work.
-- orphan_loss: paid out of a block that later left the chain.
-- user_key: stands in for user_id in the unique key, where NULL would not count as equal to NULL.
CREATE TABLE IF NOT EXISTS ledger_entries (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  event_id BIGINT NOT NULL,
  account VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    CHECK (account IN ('coinbase', 'miner', 'reserved', 'paid', 'network_fee', 'pool_fee', 'carry', 'orphan_loss')),
  user_id BIGINT,
  amount_sats BIGINT NOT NULL CHECK (amount_sats <> 0),
  user_key BIGINT GENERATED ALWAYS AS (coalesce(user_id, 0)) STORED,
  UNIQUE KEY ledger_entries_once (event_id, account, user_key),
  KEY ledger_entries_by_user (user_id, account),
  FOREIGN KEY (event_id) REFERENCES ledger_events (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB;

-- Dropped and made again because not every server of this family knows CREATE TRIGGER IF NOT EXISTS. Nobody
-- writes the ledger before the migration is recorded.
DROP TRIGGER IF EXISTS ledger_events_keep;
CREATE TRIGGER ledger_events_keep BEFORE UPDATE ON ledger_events FOR EACH ROW
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'ledger_events is append-only';
DROP TRIGGER IF EXISTS ledger_events_stay;
CREATE TRIGGER ledger_events_stay BEFORE DELETE ON ledger_events FOR EACH ROW
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'ledger_events is append-only';
DROP TRIGGER IF EXISTS ledger_entries_keep;
CREATE TRIGGER ledger_entries_keep BEFORE UPDATE ON ledger_entries FOR EACH ROW
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'ledger_entries is append-only';
DROP TRIGGER IF EXISTS ledger_entries_stay;
CREATE TRIGGER ledger_entries_stay BEFORE DELETE ON ledger_entries FOR EACH ROW
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'ledger_entries is append-only';

-- What the node said of a user's name as an address.
CREATE TABLE IF NOT EXISTS payout_addresses (
  user_id BIGINT NOT NULL PRIMARY KEY,
  address VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin,
  script TEXT CHARACTER SET ascii COLLATE ascii_bin,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (state IN ('payable', 'quarantined')),
  reason TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  checked_at DATETIME(3) NOT NULL,
  FOREIGN KEY (user_id) REFERENCES users (id),
  CHECK (state = 'quarantined' OR (address IS NOT NULL AND script IS NOT NULL))
) ENGINE=InnoDB;

-- One user's amount in one batch. planned_sats = output_sats + network_fee_sats, fixed when prepared.
CREATE TABLE IF NOT EXISTS payouts (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  batch_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  address VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  script TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  planned_sats BIGINT NOT NULL CHECK (planned_sats > 0),
  network_fee_sats BIGINT,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (state IN ('active', 'released')),
  UNIQUE KEY payouts_once (batch_id, user_id),
  KEY payouts_by_user (user_id),
  FOREIGN KEY (batch_id) REFERENCES payout_batches (id),
  FOREIGN KEY (user_id) REFERENCES users (id),
  CHECK (network_fee_sats BETWEEN 0 AND planned_sats)
) ENGINE=InnoDB;

-- The signed transaction of a batch, committed before it is first sent. raw_hex never changes.
CREATE TABLE IF NOT EXISTS payout_transactions (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  batch_id BIGINT NOT NULL,
  txid CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(txid) = 64),
  raw_hex LONGTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  network_fee_sats BIGINT NOT NULL CHECK (network_fee_sats >= 0),
  change_index INT,
  change_sats BIGINT CHECK (change_sats > 0),
  confirmed_height INT,
  confirmed_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin CHECK (length(confirmed_hash) = 64),
  prepared_at DATETIME(3) NOT NULL,
  UNIQUE KEY payout_transactions_batch (batch_id),
  UNIQUE KEY payout_transactions_txid (txid),
  FOREIGN KEY (batch_id) REFERENCES payout_batches (id),
  CHECK ((change_index IS NULL) = (change_sats IS NULL)),
  CHECK ((confirmed_height IS NULL) = (confirmed_hash IS NULL))
) ENGINE=InnoDB;

-- The coins it spends. A coin belongs to one live transaction of ours at most: live is 1, or NULL once its
-- batch is released because the transaction is proved dead; its other coins may then be spent again.
CREATE TABLE IF NOT EXISTS payout_inputs (
  transaction_id BIGINT NOT NULL,
  txid CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(txid) = 64),
  output_index INT NOT NULL,
  amount_sats BIGINT NOT NULL CHECK (amount_sats > 0),
  live INT CHECK (live = 1),
  PRIMARY KEY (transaction_id, txid, output_index),
  UNIQUE KEY payout_inputs_once (txid, output_index, live),
  FOREIGN KEY (transaction_id) REFERENCES payout_transactions (id)
) ENGINE=InnoDB;

-- Where payments waits for a person. `subject` names what it is about (block hash, batch id, txid).
CREATE TABLE IF NOT EXISTS payment_incidents (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  subject VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (state IN ('open', 'resolved')),
  stops_paying TINYINT NOT NULL CHECK (stops_paying IN (0, 1)),
  detail TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  raised_at DATETIME(3) NOT NULL,
  resolution TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  resolved_at DATETIME(3),
  UNIQUE KEY payment_incidents_once (kind, subject),
  CHECK ((state = 'resolved') = (resolution IS NOT NULL AND resolved_at IS NOT NULL))
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS payment_outcomes (
  request_id BIGINT NOT NULL PRIMARY KEY,
  outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (outcome IN ('done', 'refused')),
  detail TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  acted_at DATETIME(3) NOT NULL,
  FOREIGN KEY (request_id) REFERENCES operator_requests (id)
) ENGINE=InnoDB;
