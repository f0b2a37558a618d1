"""The whole ledger, checked against its rules."""
