"""The keys of those who speak."""
