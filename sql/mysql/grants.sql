-- Three logins for one database: each daemon may write only its own tables, and only in the way that its rows
-- change; the reader may write nothing. Apply as an administrator after `obtc-accounting migrate`, and again
-- after an upgrade; every statement may be repeated.
--
-- Replace the three @@…_password@@ placeholders, and `pool_base` and 'localhost' where they differ. The schema is
-- changed by none of these logins: `obtc-accounting migrate` takes an administrator's.
--
-- Nobody gets UPDATE or DELETE on ledger_events and ledger_entries, and triggers refuse it to administrators.

CREATE USER IF NOT EXISTS 'pool_accounting'@'localhost' IDENTIFIED BY '@@accounting_password@@';
CREATE USER IF NOT EXISTS 'pool_payments'@'localhost' IDENTIFIED BY '@@payments_password@@';
CREATE USER IF NOT EXISTS 'pool_reader'@'localhost' IDENTIFIED BY '@@reader_password@@';

-- Everything may be read by all three: facts, money and views.
GRANT SELECT, SHOW VIEW ON `pool_base`.* TO 'pool_accounting'@'localhost';
GRANT SELECT, SHOW VIEW ON `pool_base`.* TO 'pool_payments'@'localhost';
GRANT SELECT, SHOW VIEW ON `pool_base`.* TO 'pool_reader'@'localhost';

-- Accounting: facts whose state changes.
GRANT UPDATE ON `pool_base`.`accounting_lease` TO 'pool_accounting'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`log_cursors` TO 'pool_accounting'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`log_anchors` TO 'pool_accounting'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`chain_scan` TO 'pool_accounting'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`users` TO 'pool_accounting'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`snapshots` TO 'pool_accounting'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`blocks` TO 'pool_accounting'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`share_log_source` TO 'pool_accounting'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`share_log_files` TO 'pool_accounting'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`share_counts` TO 'pool_accounting'@'localhost';
-- Accounting: facts that are only added to.
GRANT INSERT ON `pool_base`.`share_readings` TO 'pool_accounting'@'localhost';
GRANT INSERT ON `pool_base`.`share_reading_counts` TO 'pool_accounting'@'localhost';
GRANT INSERT ON `pool_base`.`snapshot_shares` TO 'pool_accounting'@'localhost';
GRANT INSERT ON `pool_base`.`counter_shares` TO 'pool_accounting'@'localhost';
GRANT INSERT ON `pool_base`.`solving_shares` TO 'pool_accounting'@'localhost';
GRANT INSERT ON `pool_base`.`cuts` TO 'pool_accounting'@'localhost';
GRANT INSERT ON `pool_base`.`incidents` TO 'pool_accounting'@'localhost';
GRANT INSERT ON `pool_base`.`accounting_outcomes` TO 'pool_accounting'@'localhost';
GRANT INSERT ON `pool_base`.`operator_requests` TO 'pool_accounting'@'localhost';

-- Payments: rows whose state changes. What names them, what was signed and what was promised to a user does not.
-- A round changes as a whole once: when its orphan is found in the chain after all.
GRANT UPDATE ON `pool_base`.`payments_lease` TO 'pool_payments'@'localhost';
GRANT INSERT, UPDATE (state, scheme, coinbase_txid, reward_sats, round_shares, pool_fee_ppm, pool_fee_sats,
  carried_in_sats, credited_sats, carried_out_sats, cut_from, cut_to, tip_height, tip_hash, settled_at)
  ON `pool_base`.`rounds` TO 'pool_payments'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`payout_addresses` TO 'pool_payments'@'localhost';
GRANT INSERT, UPDATE (state, planned_sats, held_from, held_reason, state_at)
  ON `pool_base`.`payout_batches` TO 'pool_payments'@'localhost';
GRANT INSERT, UPDATE (network_fee_sats, state) ON `pool_base`.`payouts` TO 'pool_payments'@'localhost';
GRANT INSERT, UPDATE (confirmed_height, confirmed_hash)
  ON `pool_base`.`payout_transactions` TO 'pool_payments'@'localhost';
GRANT INSERT, UPDATE (live) ON `pool_base`.`payout_inputs` TO 'pool_payments'@'localhost';
-- Sums of the ledger, for speed; the ledger itself is what counts.
GRANT UPDATE (event_id, decided_block_id, spent_block_id) ON `pool_base`.`ledger_sums` TO 'pool_payments'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`user_sums` TO 'pool_payments'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`account_sums` TO 'pool_payments'@'localhost';
GRANT INSERT, UPDATE ON `pool_base`.`payment_incidents` TO 'pool_payments'@'localhost';
-- Payments: rows that are only added to.
GRANT INSERT ON `pool_base`.`settings` TO 'pool_payments'@'localhost';
GRANT INSERT ON `pool_base`.`ledger_events` TO 'pool_payments'@'localhost';
GRANT INSERT ON `pool_base`.`ledger_entries` TO 'pool_payments'@'localhost';
GRANT INSERT ON `pool_base`.`payment_outcomes` TO 'pool_payments'@'localhost';
GRANT INSERT ON `pool_base`.`operator_requests` TO 'pool_payments'@'localhost';
