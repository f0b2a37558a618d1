"""Commands of an order as a whole: push, amend, cancel, an operator's act."""
