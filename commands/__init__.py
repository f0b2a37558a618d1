"""What is decided and committed together: load, decide, write. One file a command, whoever calls it."""
