"""One history of the whole schema."""
