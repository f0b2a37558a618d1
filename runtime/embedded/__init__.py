"""The embedded stack: all of Stockbridge on one machine, with a PostgreSQL and a Temporal of its own."""
