"""Reads that join what the ledger and the records know."""
