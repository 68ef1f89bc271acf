-- Facts: what accounting writes. Who had how many shares when which block was found.

-- One row: who may write the tables below. expires_at_ms is by this database's own clock.
CREATE TABLE accounting_lease (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL,
  holder TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT;

INSERT INTO accounting_lease (id, epoch, holder, expires_at_ms) VALUES (1, 0, '', 0);

-- The log files in the order they were read. A log position is log_start + offset: one number over all files.
CREATE TABLE log_cursors (
  sequence INTEGER PRIMARY KEY,
  path TEXT NOT NULL,
  device TEXT NOT NULL,
  inode TEXT NOT NULL,
  log_start INTEGER NOT NULL CHECK (log_start >= 0),
  file_offset INTEGER NOT NULL CHECK (file_offset >= 0),
  fingerprint_length INTEGER NOT NULL CHECK (fingerprint_length BETWEEN 0 AND 1024),
  fingerprint TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('current', 'finished')),
  login_seen INTEGER NOT NULL CHECK (login_seen IN (0, 1)),
  notice_seen INTEGER NOT NULL CHECK (notice_seen IN (0, 1)),
  updated_at TEXT NOT NULL
) STRICT;

-- First `Block hash changed to` line that names a hash. height: once the node has shown it to be a block.
CREATE TABLE log_anchors (
  hash TEXT PRIMARY KEY CHECK (length(hash) = 64),
  log_position INTEGER NOT NULL,
  logged_at TEXT NOT NULL,
  before_login INTEGER NOT NULL CHECK (before_login IN (0, 1)),
  height INTEGER
) STRICT;
CREATE INDEX log_anchors_by_position ON log_anchors (log_position);

-- One row: how far the chain has been looked at, and the tip up to which log and chain are both known.
CREATE TABLE chain_scan (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  genesis_hash TEXT NOT NULL CHECK (length(genesis_hash) = 64),
  pool_script TEXT NOT NULL,
  floor_height INTEGER NOT NULL,
  floor_reason TEXT NOT NULL,
  cursor_height INTEGER NOT NULL,
  cursor_hash TEXT NOT NULL CHECK (length(cursor_hash) = 64),
  complete_height INTEGER,
  complete_hash TEXT CHECK (length(complete_hash) = 64),
  updated_at TEXT NOT NULL
) STRICT;

-- counter: ckpool's own number as last accepted. ledger_count: the sum of its rises, never falls.
-- snapshot_count: ledger_count in the latest snapshot. disputed_count: the part of the rise since then that
-- rests on a file that fell.
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name BLOB NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 127),
  counter INTEGER NOT NULL CHECK (counter >= 0),
  ledger_count INTEGER NOT NULL CHECK (ledger_count >= 0),
  snapshot_count INTEGER NOT NULL CHECK (snapshot_count BETWEEN 0 AND ledger_count),
  disputed_count INTEGER NOT NULL CHECK (disputed_count BETWEEN 0 AND ledger_count - snapshot_count)
) STRICT;

-- A reading of users/<name>, stored with the log position at which it applies.
CREATE TABLE share_readings (
  id INTEGER PRIMARY KEY,
  log_position INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('all', 'named', 'sample')),
  read_at TEXT NOT NULL
) STRICT;
CREATE INDEX share_readings_by_position ON share_readings (log_position);

-- Only what the lines up to that position do not already say. counter NULL: no readable file.
CREATE TABLE share_reading_counts (
  reading_id INTEGER NOT NULL REFERENCES share_readings (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  counter INTEGER CHECK (counter >= 0),
  PRIMARY KEY (reading_id, user_id)
) STRICT, WITHOUT ROWID;

-- One for each block line (kind block), or taken by command (kind baseline).
CREATE TABLE snapshots (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('block', 'baseline')),
  log_position INTEGER NOT NULL UNIQUE,
  log_sequence INTEGER NOT NULL REFERENCES log_cursors (sequence),
  log_offset INTEGER NOT NULL,
  height INTEGER,
  finder BLOB,
  logged_at TEXT,
  quality TEXT NOT NULL CHECK (quality IN ('exact', 'minute', 'late')),
  state TEXT NOT NULL CHECK (state IN ('pending', 'unverified', 'confirmed')),
  dispute TEXT NOT NULL CHECK (dispute IN ('none', 'open', 'taken', 'dropped')),
  changed_users INTEGER NOT NULL,
  total_difference INTEGER NOT NULL CHECK (total_difference >= 0),
  taken_at TEXT NOT NULL,
  CHECK ((kind = 'block') = (height IS NOT NULL AND finder IS NOT NULL AND logged_at IS NOT NULL))
) STRICT;
CREATE INDEX snapshots_by_height ON snapshots (height, state);

-- Sparse: only users whose count changed since the snapshot before.
CREATE TABLE snapshot_shares (
  snapshot_id INTEGER NOT NULL REFERENCES snapshots (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  share_count INTEGER NOT NULL CHECK (share_count >= 0),
  difference INTEGER NOT NULL CHECK (difference > 0 AND difference <= share_count),
  disputed_difference INTEGER NOT NULL CHECK (disputed_difference BETWEEN 0 AND difference),
  PRIMARY KEY (snapshot_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshot_shares_by_user ON snapshot_shares (user_id, snapshot_id);

-- Blocks that the node knows as ours: at or above the floor, with a coinbase that pays the pool's script.
-- snapshot_id NULL: no line in the log (yet). active: in the active chain when last looked at.
CREATE TABLE blocks (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
  height INTEGER NOT NULL,
  previous_hash TEXT NOT NULL CHECK (length(previous_hash) = 64),
  header_at TEXT NOT NULL,
  coinbase_txid TEXT NOT NULL CHECK (length(coinbase_txid) = 64),
  reward_sats INTEGER NOT NULL CHECK (reward_sats > 0),
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  snapshot_id INTEGER UNIQUE REFERENCES snapshots (id),
  discovered_at TEXT NOT NULL
) STRICT;
CREATE INDEX blocks_by_height ON blocks (height);

-- What an operator should know of: falling counters, dropped lines, gaps in the log. Only ever added to.
CREATE TABLE incidents (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  log_position INTEGER,
  user_id INTEGER REFERENCES users (id),
  occurrences INTEGER NOT NULL CHECK (occurrences > 0),
  detail TEXT NOT NULL,
  occurred_at TEXT NOT NULL
) STRICT;

-- What commands ask of a daemon. Only ever added to; the outcome is a row of the daemon that acted.
CREATE TABLE operator_requests (
  id INTEGER PRIMARY KEY,
  daemon TEXT NOT NULL CHECK (daemon IN ('accounting', 'payments')),
  action TEXT NOT NULL,
  arguments TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  requested_at TEXT NOT NULL
) STRICT;

CREATE TABLE accounting_outcomes (
  request_id INTEGER PRIMARY KEY REFERENCES operator_requests (id),
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused')),
  detail TEXT NOT NULL,
  acted_at TEXT NOT NULL
) STRICT;
