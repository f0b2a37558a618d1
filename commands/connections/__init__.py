"""What an administrator does to connections: one file a command."""
