"""The ways to speak with an ERP: HTTP for all of them, and what is said over it. They know no mapping."""
