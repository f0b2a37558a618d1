"""What the ledger says of stock, of orders' lines, of lots, of what came and went."""
