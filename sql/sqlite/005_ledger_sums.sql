-- Sums of the ledger up to one event, and indexes, so that what is asked of a long history is answered at once.
-- The pair of mysql/005_ledger_sums.sql.

-- One row. event_id: up to which event user_sums and account_sums hold the sums; the ledger holds what came after,
-- and a balance is both together. decided_block_id: every block with an id up to it has a row in rounds.
-- spent_block_id: every block with an id up to it has no coin left, because final payouts have spent its coinbase or it
-- was decided not to stand in the chain; back to 0 when a final payout or such a block comes back.
-- The ledger stays the truth: audit compares, and nobody is paid without a sum of his own entries.
CREATE TABLE ledger_sums (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  event_id INTEGER NOT NULL CHECK (event_id >= 0),
  decided_block_id INTEGER NOT NULL CHECK (decided_block_id >= 0),
  spent_block_id INTEGER NOT NULL CHECK (spent_block_id >= 0)
) STRICT;

INSERT INTO ledger_sums (id, event_id, decided_block_id, spent_block_id) VALUES (1, 0, 0, 0);

-- earned_sats: the user's miner entries in settle and reverse events; balance_sats: all of them.
CREATE TABLE user_sums (
  user_id INTEGER PRIMARY KEY REFERENCES users (id),
  earned_sats INTEGER NOT NULL,
  paid_sats INTEGER NOT NULL,
  network_fee_sats INTEGER NOT NULL,
  reserved_sats INTEGER NOT NULL,
  balance_sats INTEGER NOT NULL
) STRICT;

-- All entries of an account, of users and of the pool itself.
CREATE TABLE account_sums (
  account TEXT PRIMARY KEY,
  total_sats INTEGER NOT NULL
) STRICT;

CREATE INDEX ledger_entries_of_user ON ledger_entries (user_id, account, event_id, amount_sats);
-- Its first columns are those of the one above.
DROP INDEX ledger_entries_by_user;

-- Which round a place belongs to, and how far work is cut.
CREATE INDEX rounds_by_cut ON rounds (cut_to, cut_from);
CREATE INDEX rounds_by_state ON rounds (state, height);
CREATE INDEX rounds_by_coinbase ON rounds (coinbase_txid);
CREATE INDEX payout_transactions_by_height ON payout_transactions (confirmed_height);
