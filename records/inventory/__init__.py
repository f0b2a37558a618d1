"""Places, counts, and differences."""
