"""Shipments, their labels, and what carriers say of them."""
