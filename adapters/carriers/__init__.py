"""The carrier port, and one folder for each carrier."""
