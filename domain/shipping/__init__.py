"""What is decided about goods that leave: hand-over, scans, losses, returns, and what parcels hold. No I/O."""
