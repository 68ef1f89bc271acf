-- Facts: what accounting writes. Who had how many shares when which block was found.
-- The pair of sqlite/001_facts.sql. Every statement may be run twice: this engine commits at each of them.

-- One row: who may write the tables below. expires_at_ms is by this database's own clock.
CREATE TABLE IF NOT EXISTS accounting_lease (
  id INT NOT NULL PRIMARY KEY CHECK (id = 1),
  epoch BIGINT NOT NULL,
  holder VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  expires_at_ms BIGINT NOT NULL
) ENGINE=InnoDB;

INSERT IGNORE INTO accounting_lease (id, epoch, holder, expires_at_ms) VALUES (1, 0, '', 0);

-- The log files in the order they were read. A log position is log_start + offset: one number over all files.
CREATE TABLE IF NOT EXISTS log_cursors (
  sequence BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  path TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  device VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  inode VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  log_start BIGINT NOT NULL CHECK (log_start >= 0),
  file_offset BIGINT NOT NULL CHECK (file_offset >= 0),
  fingerprint_length INT NOT NULL CHECK (fingerprint_length BETWEEN 0 AND 1024),
  fingerprint VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (state IN ('current', 'finished')),
  login_seen TINYINT NOT NULL CHECK (login_seen IN (0, 1)),
  notice_seen TINYINT NOT NULL CHECK (notice_seen IN (0, 1)),
  updated_at DATETIME(3) NOT NULL
) ENGINE=InnoDB;

-- First `Block hash changed to` line that names a hash. height: once the node has shown it to be a block.
CREATE TABLE IF NOT EXISTS log_anchors (
  hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY CHECK (length(hash) = 64),
  log_position BIGINT NOT NULL,
  logged_at VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  before_login TINYINT NOT NULL CHECK (before_login IN (0, 1)),
  height INT,
  KEY log_anchors_by_position (log_position)
) ENGINE=InnoDB;

-- One row: how far the chain has been looked at, and the tip up to which log and chain are both known.
CREATE TABLE IF NOT EXISTS chain_scan (
  id INT NOT NULL PRIMARY KEY CHECK (id = 1),
  genesis_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(genesis_hash) = 64),
  pool_script TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  floor_height INT NOT NULL,
  floor_reason TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  cursor_height INT NOT NULL,
  cursor_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(cursor_hash) = 64),
  complete_height INT,
  complete_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin CHECK (length(complete_hash) = 64),
  updated_at DATETIME(3) NOT NULL
) ENGINE=InnoDB;

-- counter: ckpool's own number as last accepted. ledger_count: the sum of its rises, never falls.
-- snapshot_count: ledger_count in the latest snapshot. disputed_count: the part of the rise since then that
-- rests on a file that fell.
CREATE TABLE IF NOT EXISTS users (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARBINARY(127) NOT NULL CHECK (length(name) BETWEEN 1 AND 127),
  counter BIGINT NOT NULL CHECK (counter >= 0),
  ledger_count BIGINT NOT NULL CHECK (ledger_count >= 0),
  snapshot_count BIGINT NOT NULL,
  disputed_count BIGINT NOT NULL,
  UNIQUE KEY users_name (name),
  CHECK (snapshot_count BETWEEN 0 AND ledger_count),
  CHECK (disputed_count BETWEEN 0 AND ledger_count - snapshot_count)
) ENGINE=InnoDB;

-- A reading of users/<name>, stored with the log position at which it applies.
CREATE TABLE IF NOT EXISTS share_readings (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  log_position BIGINT NOT NULL,
  kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (kind IN ('all', 'named', 'sample')),
  read_at DATETIME(3) NOT NULL,
  KEY share_readings_by_position (log_position)
) ENGINE=InnoDB;

-- Only what the lines up to that position do not already say. counter NULL: no readable file.
CREATE TABLE IF NOT EXISTS share_reading_counts (
  reading_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  counter BIGINT CHECK (counter >= 0),
  PRIMARY KEY (reading_id, user_id),
  FOREIGN KEY (reading_id) REFERENCES share_readings (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB;

-- One for each block line (kind block), or taken by command (kind baseline).
CREATE TABLE IF NOT EXISTS snapshots (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (kind IN ('block', 'baseline')),
  log_position BIGINT NOT NULL,
  log_sequence BIGINT NOT NULL,
  log_offset BIGINT NOT NULL,
  height INT,
  finder VARBINARY(1000),
  logged_at VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  quality VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    CHECK (quality IN ('exact', 'minute', 'late')),
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    CHECK (state IN ('pending', 'unverified', 'confirmed')),
  dispute VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    CHECK (dispute IN ('none', 'open', 'taken', 'dropped')),
  changed_users INT NOT NULL,
  total_difference BIGINT NOT NULL CHECK (total_difference >= 0),
  taken_at DATETIME(3) NOT NULL,
  UNIQUE KEY snapshots_log_position (log_position),
  KEY snapshots_by_height (height, state),
  FOREIGN KEY (log_sequence) REFERENCES log_cursors (sequence),
  CHECK ((kind = 'block') = (height IS NOT NULL AND finder IS NOT NULL AND logged_at IS NOT NULL))
) ENGINE=InnoDB;

-- Sparse: only users whose count changed since the snapshot before.
CREATE TABLE IF NOT EXISTS snapshot_shares (
  snapshot_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  share_count BIGINT NOT NULL CHECK (share_count >= 0),
  difference BIGINT NOT NULL,
  disputed_difference BIGINT NOT NULL,
  PRIMARY KEY (snapshot_id, user_id),
  KEY snapshot_shares_by_user (user_id, snapshot_id),
  FOREIGN KEY (snapshot_id) REFERENCES snapshots (id),
  FOREIGN KEY (user_id) REFERENCES users (id),
  CHECK (difference > 0 AND difference <= share_count),
  CHECK (disputed_difference BETWEEN 0 AND difference)
) ENGINE=InnoDB;

-- Blocks that the node knows as ours: at or above the floor, with a coinbase that pays the pool's script.
-- snapshot_id NULL: no line in the log (yet). active: in the active chain when last looked at.
CREATE TABLE IF NOT EXISTS blocks (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(hash) = 64),
  height INT NOT NULL,
  previous_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(previous_hash) = 64),
  header_at DATETIME(3) NOT NULL,
  coinbase_txid CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(coinbase_txid) = 64),
  reward_sats BIGINT NOT NULL CHECK (reward_sats > 0),
  active TINYINT NOT NULL CHECK (active IN (0, 1)),
  snapshot_id BIGINT,
  discovered_at DATETIME(3) NOT NULL,
  UNIQUE KEY blocks_hash (hash),
  UNIQUE KEY blocks_snapshot (snapshot_id),
  KEY blocks_by_height (height),
  FOREIGN KEY (snapshot_id) REFERENCES snapshots (id)
) ENGINE=InnoDB;

-- What an operator should know of: falling counters, dropped lines, gaps in the log. Only ever added to.
CREATE TABLE IF NOT EXISTS incidents (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  log_position BIGINT,
  user_id BIGINT,
  occurrences INT NOT NULL CHECK (occurrences > 0),
  detail TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  occurred_at DATETIME(3) NOT NULL,
  FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB;

-- What commands ask of a daemon. Only ever added to; the outcome is a row of the daemon that acted.
CREATE TABLE IF NOT EXISTS operator_requests (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  daemon VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (daemon IN ('accounting', 'payments')),
  action VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  arguments TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  requested_by VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  requested_at DATETIME(3) NOT NULL
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS accounting_outcomes (
  request_id BIGINT NOT NULL PRIMARY KEY,
  outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (outcome IN ('done', 'refused')),
  detail TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  acted_at DATETIME(3) NOT NULL,
  FOREIGN KEY (request_id) REFERENCES operator_requests (id)
) ENGINE=InnoDB;
