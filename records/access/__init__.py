"""Who may speak, and accounts at carriers."""
