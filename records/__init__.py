"""What was said: catalog, inbox, accepted orders, shipments, ERP messages, carrier events, outbox, addresses."""
