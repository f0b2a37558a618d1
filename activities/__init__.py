"""The verbs: short, idempotent, one effect each; classes built with what they need."""
