"""The loops between tables and Temporal: replay the inbox, drain the outbox, poll silent parcels."""
