"""Checkpoints that are signed, and proofs that those outside check without us."""
