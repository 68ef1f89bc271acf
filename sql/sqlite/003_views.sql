-- The five names of the tool that this one replaces, as views with its columns, so that whatever reads them
-- today goes on working. Nothing in this program reads them. Amounts are in coin, times are UTC.

CREATE VIEW mined_blocks AS
SELECT b.id AS id_block, b.hash AS hash, b.header_at AS date_mined, b.height AS height,
  printf('%d.%08d', b.reward_sats / 100000000, b.reward_sats % 100000000) AS reward
FROM blocks AS b;

CREATE VIEW miners AS
SELECT u.id AS id_miner, CAST(u.name AS TEXT) AS name
FROM users AS u;

-- Every user's share count at every block. Our own rows are sparse, so the count is the latest one up to it.
CREATE VIEW blocks_stats AS
SELECT b.id * 4294967296 + x.user_id AS id_stat, b.id AS id_block, x.user_id AS id_miner, x.share_count AS shares
FROM blocks AS b
CROSS JOIN users AS u
JOIN snapshot_shares AS x ON x.user_id = u.id AND x.snapshot_id = (
  SELECT max(y.snapshot_id) FROM snapshot_shares AS y WHERE y.user_id = u.id AND y.snapshot_id <= b.snapshot_id);

-- One row for each block that is done with: paid out (the first payout after it was credited) or not in the
-- chain. amount is what its miners were credited.
CREATE VIEW transactions AS
SELECT d.id_payment, d.id_block, d.hash_txn,
  CASE WHEN d.state = 'credited' THEN 'sent' ELSE 'disappeared' END AS status,
  CASE WHEN d.state = 'credited'
    THEN printf('%d.%08d', d.credited_sats / 100000000, d.credited_sats % 100000000) END AS amount
FROM (
  SELECT r.id AS id_payment, b.id AS id_block, r.state, r.credited_sats, (
    SELECT t.txid
    FROM ledger_events AS settle
    JOIN ledger_events AS reserve ON reserve.id > settle.id AND reserve.kind = 'reserve'
    JOIN payout_batches AS batch ON batch.id = reserve.batch_id AND batch.state IN ('broadcast', 'confirmed', 'final')
    JOIN payout_transactions AS t ON t.batch_id = batch.id
    WHERE settle.round_id = r.id AND settle.kind = 'settle' AND r.state = 'credited'
    ORDER BY reserve.id LIMIT 1) AS hash_txn
  FROM rounds AS r
  JOIN blocks AS b ON b.hash = r.block_hash
) AS d
WHERE d.state <> 'credited' OR d.hash_txn IS NOT NULL;

CREATE VIEW stats_blocks_view AS
SELECT m.id_block, m.hash, m.height, n.name AS user, s.shares, m.date_mined
FROM blocks_stats AS s
JOIN mined_blocks AS m ON m.id_block = s.id_block
JOIN miners AS n ON n.id_miner = s.id_miner;
