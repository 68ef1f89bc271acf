-- Share logs: exact work between two blocks, and the order in which work is cut.

-- The order in which work is cut: one row for each snapshot whose counts are decided. A round is a stretch of
-- places. place: the log position of the block line where no share log is read; later ones always lie higher.
-- cut_seconds, cut_nanoseconds: the share (createdate) with which the stretch of work ends; NULL without share logs.
CREATE TABLE cuts (
  snapshot_id INTEGER PRIMARY KEY REFERENCES snapshots (id),
  place INTEGER NOT NULL UNIQUE,
  cut_seconds INTEGER,
  cut_nanoseconds INTEGER CHECK (cut_nanoseconds BETWEEN 0 AND 999999999),
  decided_at TEXT NOT NULL,
  CHECK ((cut_seconds IS NULL) = (cut_nanoseconds IS NULL))
) STRICT;

INSERT INTO cuts (snapshot_id, place, decided_at) SELECT id, log_position, taken_at FROM snapshots;

-- The share that solved a block of ours: its nonces stand in the block. Written once, never changed.
CREATE TABLE solving_shares (
  block_hash TEXT PRIMARY KEY REFERENCES blocks (hash),
  height INTEGER NOT NULL,
  workinfoid TEXT NOT NULL CHECK (length(workinfoid) = 16),
  file_offset INTEGER NOT NULL CHECK (file_offset >= 0),
  created_seconds INTEGER NOT NULL CHECK (created_seconds >= 0),
  created_nanoseconds INTEGER NOT NULL CHECK (created_nanoseconds BETWEEN 0 AND 999999999),
  worker BLOB NOT NULL,
  accepted INTEGER NOT NULL CHECK (accepted IN (0, 1)),
  found_at TEXT NOT NULL
) STRICT;

-- One row: whether share logs are read. Once it is there, every snapshot is decided with its block. Each commit of
-- share logs, comparisons and cuts moves the revision by one: nothing is written over a state that has changed.
-- boundary_seconds: before it (createdate) the counters told the work; NULL where share logs were read from the beginning.
CREATE TABLE share_log_source (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  state TEXT NOT NULL CHECK (state IN ('active', 'paused')),
  revision INTEGER NOT NULL,
  boundary_seconds INTEGER,
  changed_at TEXT NOT NULL
) STRICT;

-- The share logs and how far each was read. first_, last_: the earliest and latest createdate in what was read.
CREATE TABLE share_log_files (
  height INTEGER NOT NULL,
  workinfoid TEXT NOT NULL CHECK (length(workinfoid) = 16),
  file_offset INTEGER NOT NULL CHECK (file_offset >= 0),
  first_seconds INTEGER,
  first_nanoseconds INTEGER,
  last_seconds INTEGER,
  last_nanoseconds INTEGER,
  PRIMARY KEY (height, workinfoid)
) STRICT, WITHOUT ROWID;
CREATE INDEX share_log_files_by_last ON share_log_files (last_seconds);

-- A user's work by the share logs. logged_count + logged_fraction / 10^18: the sum of all accepted shares read.
-- cut_count: the part of logged_count that is in snapshots. fallback_count: work that only ckpool's counter told
-- of, in no snapshot yet; fallback_disputed: the part of it that rests on a file that fell; fallback_position: the
-- log position at which it was seen; fallback_counter, fallback_logged: counter and logged work up to which both had
-- agreed; fallback_given: what of it is in snapshots since. surplus_count: work that share logs told and the counter has
-- not yet. counter_count: users.ledger_count when both were last compared. snapshot_count: the count in the latest cut.
-- The ledger count of a user is snapshot_count + logged_count - cut_count + fallback_count.
CREATE TABLE share_counts (
  user_id INTEGER PRIMARY KEY REFERENCES users (id),
  logged_count INTEGER NOT NULL CHECK (logged_count >= 0),
  logged_fraction INTEGER NOT NULL CHECK (logged_fraction BETWEEN 0 AND 999999999999999999),
  cut_count INTEGER NOT NULL CHECK (cut_count BETWEEN 0 AND logged_count),
  fallback_count INTEGER NOT NULL CHECK (fallback_count >= 0),
  fallback_disputed INTEGER NOT NULL CHECK (fallback_disputed BETWEEN 0 AND fallback_count),
  fallback_position INTEGER,
  fallback_counter INTEGER NOT NULL CHECK (fallback_counter >= 0),
  fallback_logged INTEGER NOT NULL CHECK (fallback_logged >= 0),
  fallback_given INTEGER NOT NULL CHECK (fallback_given >= 0),
  surplus_count INTEGER NOT NULL CHECK (surplus_count >= 0),
  counter_count INTEGER NOT NULL CHECK (counter_count >= 0),
  disputed_count INTEGER NOT NULL CHECK (disputed_count >= 0),
  snapshot_count INTEGER NOT NULL CHECK (snapshot_count >= 0)
) STRICT;

-- What ckpool's counters alone gave at a block line (cumulative and since the line before), kept where share logs
-- decide.
CREATE TABLE counter_shares (
  snapshot_id INTEGER NOT NULL REFERENCES snapshots (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  share_count INTEGER NOT NULL CHECK (share_count >= difference),
  difference INTEGER NOT NULL CHECK (difference > 0),
  disputed_difference INTEGER NOT NULL CHECK (disputed_difference BETWEEN 0 AND difference),
  PRIMARY KEY (snapshot_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX counter_shares_by_user ON counter_shares (user_id, snapshot_id);

-- As before, but in the order of the cuts.
DROP VIEW blocks_stats;
CREATE VIEW blocks_stats AS
SELECT b.id * 4294967296 + s.user_id AS id_stat, b.id AS id_block, s.user_id AS id_miner, s.share_count AS shares
FROM (
  SELECT x.user_id, x.share_count, d.place, lead(d.place) OVER (PARTITION BY x.user_id ORDER BY d.place) AS next_place
  FROM snapshot_shares AS x JOIN cuts AS d ON d.snapshot_id = x.snapshot_id) AS s
JOIN cuts AS c ON c.place >= s.place AND c.place < coalesce(s.next_place, 9223372036854775807)
JOIN blocks AS b ON b.snapshot_id = c.snapshot_id;
