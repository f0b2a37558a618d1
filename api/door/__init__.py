"""What every call at the door passes through: its body, its key, its limits, its answer."""
