"""What is said of goods that are picked, packed, shipped, lost, stopped."""
