"""Commands about goods that come in."""
