"""What the ledger and the records together know of stock."""
