"""What the ledger and the records together know of shipments and their parcels."""
