"""What may come back."""
