-- Share logs: exact work between two blocks, and the order in which work is cut.

-- The order in which work is cut: one row for each snapshot whose counts are decided. A round is a stretch of
-- places. place: the log position of the block line where no share log is read; later ones always lie higher.
-- cut_seconds, cut_nanoseconds: the share (createdate) with which the stretch of work ends; NULL without share logs.
CREATE TABLE IF NOT EXISTS cuts (
  snapshot_id BIGINT PRIMARY KEY,
  place BIGINT NOT NULL UNIQUE,
  cut_seconds BIGINT,
  cut_nanoseconds INT CHECK (cut_nanoseconds BETWEEN 0 AND 999999999),
  decided_at DATETIME(3) NOT NULL,
  CHECK ((cut_seconds IS NULL) = (cut_nanoseconds IS NULL)),
  FOREIGN KEY (snapshot_id) REFERENCES snapshots (id)
) ENGINE=InnoDB;

INSERT IGNORE INTO cuts (snapshot_id, place, decided_at) SELECT id, log_position, taken_at FROM snapshots;

-- The share that solved a block of ours: its nonces stand in the block. Written once, never changed.
CREATE TABLE IF NOT EXISTS solving_shares (
  block_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
  height INT NOT NULL,
  workinfoid CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(workinfoid) = 16),
  file_offset BIGINT NOT NULL CHECK (file_offset >= 0),
  created_seconds BIGINT NOT NULL CHECK (created_seconds >= 0),
  created_nanoseconds INT NOT NULL CHECK (created_nanoseconds BETWEEN 0 AND 999999999),
  worker VARBINARY(1000) NOT NULL,
  accepted TINYINT NOT NULL CHECK (accepted IN (0, 1)),
  found_at DATETIME(3) NOT NULL,
  FOREIGN KEY (block_hash) REFERENCES blocks (hash)
) ENGINE=InnoDB;

-- One row: whether share logs are read. Once it is there, every snapshot is decided with its block. Each commit of
-- share logs, comparisons and cuts moves the revision by one: nothing is written over a state that has changed.
-- boundary_seconds: before it (createdate) the counters told the work; NULL where share logs were read from the beginning.
CREATE TABLE IF NOT EXISTS share_log_source (
  id TINYINT PRIMARY KEY CHECK (id = 1),
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (state IN ('active', 'paused')),
  revision BIGINT NOT NULL,
  boundary_seconds BIGINT,
  changed_at DATETIME(3) NOT NULL
) ENGINE=InnoDB;

-- The share logs and how far each was read. first_, last_: the earliest and latest createdate in what was read.
CREATE TABLE IF NOT EXISTS share_log_files (
  height INT NOT NULL,
  workinfoid CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (length(workinfoid) = 16),
  file_offset BIGINT NOT NULL CHECK (file_offset >= 0),
  first_seconds BIGINT,
  first_nanoseconds INT,
  last_seconds BIGINT,
  last_nanoseconds INT,
  PRIMARY KEY (height, workinfoid),
  KEY share_log_files_by_last (last_seconds)
) ENGINE=InnoDB;

-- A user's work by the share logs. logged_count + logged_fraction / 10^18: the sum of all accepted shares read.
-- cut_count: the part of logged_count that is in snapshots. fallback_count: work that only ckpool's counter told
-- of, in no snapshot yet; fallback_disputed: the part of it that rests on a file that fell; fallback_position: the
-- log position at which it was seen; fallback_counter, fallback_logged: counter and logged work up to which both had
-- agreed; fallback_given: what of it is in snapshots since. surplus_count: work that share logs told and the counter has
-- not yet. counter_count: users.ledger_count when both were last compared. snapshot_count: the count in the latest cut.
-- The ledger count of a user is snapshot_count + logged_count - cut_count + fallback_count.
CREATE TABLE IF NOT EXISTS share_counts (
  user_id BIGINT PRIMARY KEY,
  logged_count BIGINT NOT NULL CHECK (logged_count >= 0),
  logged_fraction BIGINT NOT NULL CHECK (logged_fraction BETWEEN 0 AND 999999999999999999),
  cut_count BIGINT NOT NULL,
  fallback_count BIGINT NOT NULL CHECK (fallback_count >= 0),
  fallback_disputed BIGINT NOT NULL,
  fallback_position BIGINT,
  fallback_counter BIGINT NOT NULL CHECK (fallback_counter >= 0),
  fallback_logged BIGINT NOT NULL CHECK (fallback_logged >= 0),
  fallback_given BIGINT NOT NULL CHECK (fallback_given >= 0),
  surplus_count BIGINT NOT NULL CHECK (surplus_count >= 0),
  counter_count BIGINT NOT NULL CHECK (counter_count >= 0),
  disputed_count BIGINT NOT NULL CHECK (disputed_count >= 0),
  snapshot_count BIGINT NOT NULL CHECK (snapshot_count >= 0),
  CHECK (cut_count BETWEEN 0 AND logged_count),
  CHECK (fallback_disputed BETWEEN 0 AND fallback_count),
  FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB;

-- What ckpool's counters alone gave at a block line (cumulative and since the line before), kept where share logs
-- decide.
CREATE TABLE IF NOT EXISTS counter_shares (
  snapshot_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  share_count BIGINT NOT NULL,
  difference BIGINT NOT NULL CHECK (difference > 0),
  disputed_difference BIGINT NOT NULL,
  PRIMARY KEY (snapshot_id, user_id),
  CHECK (disputed_difference BETWEEN 0 AND difference),
  CHECK (share_count >= difference),
  KEY counter_shares_by_user (user_id, snapshot_id),
  FOREIGN KEY (snapshot_id) REFERENCES snapshots (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB;

-- As before, but in the order of the cuts.
CREATE OR REPLACE ALGORITHM = TEMPTABLE SQL SECURITY INVOKER VIEW blocks_stats AS
SELECT b.id * 4294967296 + s.user_id AS id_stat, b.id AS id_block, s.user_id AS id_miner, s.share_count AS shares
FROM (
  SELECT x.user_id, x.share_count, d.place, lead(d.place) OVER (PARTITION BY x.user_id ORDER BY d.place) AS next_place
  FROM snapshot_shares AS x JOIN cuts AS d ON d.snapshot_id = x.snapshot_id) AS s
JOIN cuts AS c ON c.place >= s.place AND c.place < coalesce(s.next_place, 9223372036854775807)
JOIN blocks AS b ON b.snapshot_id = c.snapshot_id;
