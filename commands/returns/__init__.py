"""Commands about goods that come back."""
