"""What writes stock: a batch is loaded, decided by the rules, chained and stored."""
