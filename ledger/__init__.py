"""The truth about stock: postings, balances, the backorder queue, verification. The only code that writes stock."""
