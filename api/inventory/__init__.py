"""Stock: what there is, and what is done to it."""
