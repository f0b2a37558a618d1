"""Products and places."""
