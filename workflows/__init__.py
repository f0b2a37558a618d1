"""The stories: one lifecycle a file; deterministic; `run` reads like the procedure manual."""
