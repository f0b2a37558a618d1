"""What ERPs are told."""
