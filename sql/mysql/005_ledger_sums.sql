-- Sums of the ledger up to one event, and indexes, so that what is asked of a long history is answered at once.
-- The pair of sqlite/005_ledger_sums.sql.

-- One row. event_id: up to which event user_sums and account_sums hold the sums; the ledger holds what came after,
-- and a balance is both together. decided_block_id: every block with an id up to it has a row in rounds.
-- spent_block_id: every block with an id up to it has no coin left, because final payouts have spent its coinbase or it
-- was decided not to stand in the chain; back to 0 when a final payout or such a block comes back.
-- The ledger stays the truth: audit compares, and nobody is paid without a sum of his own entries.
CREATE TABLE IF NOT EXISTS ledger_sums (
  id INT NOT NULL PRIMARY KEY CHECK (id = 1),
  event_id BIGINT NOT NULL CHECK (event_id >= 0),
  decided_block_id BIGINT NOT NULL CHECK (decided_block_id >= 0),
  spent_block_id BIGINT NOT NULL CHECK (spent_block_id >= 0)
) ENGINE=InnoDB;

INSERT IGNORE INTO ledger_sums (id, event_id, decided_block_id, spent_block_id) VALUES (1, 0, 0, 0);

-- earned_sats: the user's miner entries in settle and reverse events; balance_sats: all of them.
CREATE TABLE IF NOT EXISTS user_sums (
  user_id BIGINT NOT NULL PRIMARY KEY,
  earned_sats BIGINT NOT NULL,
  paid_sats BIGINT NOT NULL,
  network_fee_sats BIGINT NOT NULL,
  reserved_sats BIGINT NOT NULL,
  balance_sats BIGINT NOT NULL,
  FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB;

-- All entries of an account, of users and of the pool itself.
CREATE TABLE IF NOT EXISTS account_sums (
  account VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  total_sats BIGINT NOT NULL
) ENGINE=InnoDB;

-- Not every server of this family knows CREATE INDEX IF NOT EXISTS, so each is asked for first.
SET @change = (SELECT IF(count(*) > 0, 'DO 0',
    'CREATE INDEX ledger_entries_of_user ON ledger_entries (user_id, account, event_id, amount_sats)')
  FROM information_schema.statistics WHERE table_schema = database() AND table_name = 'ledger_entries'
    AND index_name = 'ledger_entries_of_user');
PREPARE change_index FROM @change;
EXECUTE change_index;
DEALLOCATE PREPARE change_index;

-- Its first columns are those of the one above.
SET @change = (SELECT IF(count(*) = 0, 'DO 0', 'DROP INDEX ledger_entries_by_user ON ledger_entries')
  FROM information_schema.statistics WHERE table_schema = database() AND table_name = 'ledger_entries'
    AND index_name = 'ledger_entries_by_user');
PREPARE change_index FROM @change;
EXECUTE change_index;
DEALLOCATE PREPARE change_index;

-- Which round a place belongs to, and how far work is cut.
SET @change = (SELECT IF(count(*) > 0, 'DO 0', 'CREATE INDEX rounds_by_cut ON rounds (cut_to, cut_from)')
  FROM information_schema.statistics WHERE table_schema = database() AND table_name = 'rounds'
    AND index_name = 'rounds_by_cut');
PREPARE change_index FROM @change;
EXECUTE change_index;
DEALLOCATE PREPARE change_index;

SET @change = (SELECT IF(count(*) > 0, 'DO 0', 'CREATE INDEX rounds_by_state ON rounds (state, height)')
  FROM information_schema.statistics WHERE table_schema = database() AND table_name = 'rounds'
    AND index_name = 'rounds_by_state');
PREPARE change_index FROM @change;
EXECUTE change_index;
DEALLOCATE PREPARE change_index;

SET @change = (SELECT IF(count(*) > 0, 'DO 0',
    'CREATE INDEX payout_transactions_by_height ON payout_transactions (confirmed_height)')
  FROM information_schema.statistics WHERE table_schema = database() AND table_name = 'payout_transactions'
    AND index_name = 'payout_transactions_by_height');
PREPARE change_index FROM @change;
EXECUTE change_index;
DEALLOCATE PREPARE change_index;

SET @change = (SELECT IF(count(*) > 0, 'DO 0', 'CREATE INDEX rounds_by_coinbase ON rounds (coinbase_txid)')
  FROM information_schema.statistics WHERE table_schema = database() AND table_name = 'rounds'
    AND index_name = 'rounds_by_coinbase');
PREPARE change_index FROM @change;
EXECUTE change_index;
DEALLOCATE PREPARE change_index;
