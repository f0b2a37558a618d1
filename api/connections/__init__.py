"""Connections to ERPs and carriers, for administrators."""
