"""Commands to ERPs: they are told what became of their orders."""
