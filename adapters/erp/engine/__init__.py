"""What carries a mapping file out: calls through its doors, steps, and what comes of them."""
